import { compilePattern } from '../../api/pattern.ts';
import type { Expr } from '../../expr/expr.ts';
import type { OutputColumn, Projection } from '../../api/plan.ts';
import type { Column } from '../../postgres/relation.ts';
import type { TransformPlan } from '../../api/transform.ts';
import { typeOfColumn } from '../../expr/scope.ts';
import { columnsOf, substitute } from '../../expr/tree.ts';
import { planError } from './errors.ts';
import { computedColumn, conjunction } from '../../expr/typing.ts';

/** A column while transforms are being composed. */
export interface DraftColumn {
  readonly column: Column;
  /** An expression over the columns of the draft's input. */
  readonly expr: Expr;
  /** The input column that passes unchanged; null: computed. */
  readonly from: string | null;
  /**
   * The input column that a computed column replaced (`set` and `mask` of an existing name); equals `from` while
   * unchanged.
   */
  readonly origin: string | null;
}

/**
 * The composition of the declarative steps so far, over one input: the source table, or the output of an opaque step.
 * Generated columns are included, so that they can be renamed and dropped; {@link finishDraft} removes them.
 */
export interface Draft {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly DraftColumn[];
  readonly where: Expr | null;
}

export function newDraft(input: {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly Column[];
}): Draft {
  const columns = input.columns.map((column) => ({
    column,
    expr: columnExpr(column),
    from: column.name,
    origin: column.name,
  }));
  return { schema: input.schema, name: input.name, columns, where: null };
}

/** A column as expressions see it. */
export function columnExpr(column: Column): Expr {
  return { op: 'column', name: column.name, type: typeOfColumn(column) };
}

/** Composes by substitution: the step's expressions, over the draft's columns, become expressions over the draft's input. */
export function project(draft: Draft, plan: Extract<TransformPlan, { kind: 'project' }>): Draft {
  const before = new Map(draft.columns.map((each) => [each.column.name, each]));
  const lookup = (name: string): Expr => known(before, name).expr;
  const columns = plan.columns.map(({ name, expr }): DraftColumn => {
    if (expr.op === 'column') {
      const same = known(before, expr.name);
      return { ...same, column: { ...same.column, name } };
    }
    refuseGenerated(before, expr);
    const column = computedColumn(
      name,
      expr,
      draft.columns.map((each) => each.column),
    );
    return { column, expr: substitute(expr, lookup), from: null, origin: before.get(name)?.origin ?? null };
  });
  const seen = new Set<string>();
  for (const { column } of columns) {
    if (seen.has(column.name)) throw planError('PGS4003', `two columns are called ${column.name}`);
    seen.add(column.name);
  }
  if (plan.where !== null) refuseGenerated(before, plan.where);
  const where = plan.where === null ? null : substitute(plan.where, lookup);
  return { schema: plan.schema, name: plan.name, columns, where: conjunction(draft.where, where) };
}

function known(columns: ReadonlyMap<string, DraftColumn>, name: string): DraftColumn {
  const column = columns.get(name);
  if (column === undefined) throw planError('PGS4001', `there is no column ${name}`);
  return column;
}

function refuseGenerated(columns: ReadonlyMap<string, DraftColumn>, expr: Expr): void {
  for (const name of columnsOf(expr)) {
    if (known(columns, name).column.generated !== 'never') {
      throw planError('PGS4005', `the expression reads ${name}, a generated column, which the stream does not carry`);
    }
  }
}

export interface Finished {
  readonly projection: Projection;
  readonly columns: readonly DraftColumn[];
  readonly generated: readonly { readonly from: string; readonly name: string }[];
}

/**
 * The draft of `input` as a projection, and the generated columns that it keeps. A table may have no columns but
 * generated ones.
 */
export function finishDraft(draft: Draft, input: readonly Column[]): Finished {
  const columns = draft.columns.filter((each) => each.column.generated === 'never');
  if (columns.length === 0 && input.some((column) => column.generated === 'never')) {
    throw planError('PGS4008', `no column is left of ${draft.schema}.${draft.name}`);
  }
  const generated = draft.columns
    .filter((each) => each.column.generated !== 'never')
    .map((each) => ({ from: each.from as string, name: each.column.name }));
  const outputs = columns.map(
    ({ column, expr, from }): OutputColumn => ({
      name: column.name,
      expr,
      from,
    }),
  );
  const target = { schema: draft.schema, name: draft.name };
  return { projection: { target, columns: outputs, where: draft.where }, columns, generated };
}

/** Whether a table's name on the source is chosen; null chooses all. */
export function chosen(
  tables: readonly string[] | null,
  table: { readonly schema: string; readonly name: string },
): boolean {
  return tables === null || tables.some((pattern) => compilePattern(pattern)(table));
}
