import { oids, oidsOf } from '../../../postgres/oids.ts';
import type { PgsluiceError } from '../../../base/error.ts';
import type { TablePlan } from '../../../api/plan.ts';
import { type Column, relationName } from '../../../postgres/relation.ts';
import type { SchemaStep } from '../../../api/schema-change.ts';
import { planError } from '../errors.ts';
import { driftError, withDrift } from '../drift.ts';
import { columnsOf } from '../../../expr/tree.ts';
import { type DdlMessage, relationOf, type DdlColumn, type DdlShape } from './message.ts';

type ShapeMessage = Extract<DdlMessage, { op: 'shape' }>;

export interface StepQuestion {
  readonly message: ShapeMessage;
  readonly was: TablePlan;
  readonly is: TablePlan;
}

/**
 * The changes of the target that correspond to a change of the source's table, through the plans before and after. A
 * column is identified by its attribute number, which stays through renames. Throws PGS4018 if the values of existing
 * rows cannot be known.
 */
export function alterSteps({ message, was, is }: StepQuestion): readonly SchemaStep[] {
  const before = origins(was, message.before);
  const after = origins(is, message.after);
  const table = { schema: is.output.schema, name: is.output.name };
  const steps: SchemaStep[] = [];
  if (was.output.schema !== table.schema || was.output.name !== table.name) {
    steps.push({ kind: 'rename-table', table: { schema: was.output.schema, name: was.output.name }, to: table });
  }
  const stop = (why: string): PgsluiceError => cannotFollow(why, { message, was, is });
  for (const [key, column] of before) {
    if (!after.has(key)) steps.push({ kind: 'drop-column', table, column: column.name });
  }
  for (const [key, column] of after) {
    const old = before.get(key);
    if (old !== undefined && old.name !== column.name) {
      steps.push({ kind: 'rename-column', table, from: old.name, to: column.name });
    }
  }
  const sourceColumns = new Map(message.after.columns.map((column) => [`a${column.attnum}`, column]));
  for (const [key, column] of after) {
    const old = before.get(key);
    const of = sourceColumns.get(key);
    if (old === undefined) steps.push({ table, ...addStep(column, of, message, stop) });
    else {
      if (old.type !== column.type || old.typmod !== column.typmod) {
        if (of === undefined) throw stop(`column ${column.name} is computed, and its type changes`);
        if (!message.plain) throw stop(`the conversion of column ${column.name} cannot be seen in the command`);
        if (!converts(old, column)) throw stop(`rows of the target may not convert as those of the source did`);
        steps.push({ kind: 'retype-column', table, column });
      }
      if (old.notNull !== column.notNull && of !== undefined) {
        steps.push({ kind: 'set-nullable', table, column: column.name, nullable: !column.notNull });
      }
    }
  }
  return swapSafe(steps);
}

function addStep(
  column: Column,
  of: DdlColumn | undefined,
  { rewritten, retyped }: ShapeMessage,
  stop: (why: string) => PgsluiceError,
): Omit<Extract<SchemaStep, { kind: 'add-column' }>, 'table'> {
  if (of === undefined) throw stop(`column ${column.name} is computed, and rows that are there lack it`);
  const { missing } = of;
  // After a rewrite, a default of the same command exists only in the rows.
  const lost = rewritten || (retyped === true && of.fallback !== null);
  if (lost && missing === null) {
    throw stop(`rows got a value of their own in the new column ${column.name}, which the stream does not carry`);
  }
  return { kind: 'add-column', column, value: missing, fallback: constant(of) };
}

/** A default that means the same in the target: no function, no sequence of the source. */
export function constant({ fallback }: Pick<DdlColumn, 'fallback'>): string | null {
  if (fallback === null || /[\w")]\s*\(/.test(fallback.replace(/'(?:[^']|'')*'/g, "''"))) return null;
  return fallback;
}

/** Output columns by their origin: `a` and the attribute number, or `c` and the name of a computed column. */
function origins(plan: TablePlan, shape: DdlShape): ReadonlyMap<string, Column> {
  const attnums = new Map(shape.columns.map((column) => [column.name, column.attnum]));
  const from = new Map(plan.projection.columns.map((column) => [column.name, column]));
  const found = new Map<string, Column>();
  for (const column of plan.output.columns) {
    const made = plan.tail === null ? from.get(column.name) : undefined;
    const source = made?.from ?? null;
    const attnum = source === null ? undefined : attnums.get(source);
    const key = attnum === undefined ? `c${column.name}` : `a${attnum}`;
    found.set(found.has(key) ? `c${column.name}` : key, column);
  }
  return found;
}

/** Conversions that give the same value in every session: no time zone, no DateStyle, no rounding that settings shape. */
const conversions: ReadonlyMap<number, ReadonlySet<number>> = new Map([
  [oids.int2, oidsOf('int4', 'int8', 'numeric', 'text', 'varchar')],
  [oids.int4, oidsOf('int2', 'int8', 'numeric', 'text', 'varchar')],
  [oids.int8, oidsOf('int2', 'int4', 'numeric', 'text', 'varchar')],
  [oids.numeric, oidsOf('numeric', 'text', 'varchar')],
  [oids.text, oidsOf('text', 'varchar', 'bpchar')],
  [oids.varchar, oidsOf('text', 'varchar', 'bpchar')],
  [oids.bpchar, oidsOf('text', 'varchar', 'bpchar')],
  [oids.bool, oidsOf('text')],
  [oids.uuid, oidsOf('text', 'varchar')],
  [oids.json, oidsOf('jsonb')],
  [oids.date, oidsOf('timestamp')],
]);

function converts(was: Column, is: Column): boolean {
  if (was.type === is.type) return conversions.get(was.type)?.has(is.type) === true || is.typmod === -1;
  return conversions.get(was.type)?.has(is.type) === true;
}

export function cannotFollow(why: string, question: StepQuestion): PgsluiceError {
  const { was, is } = question;
  const { remedy } = driftError(was.output, is.output);
  const where = { table: relationName(was.source) };
  const error = planError('PGS4018', `${question.message.tag}: ${why}`, { where, remedy });
  return withDrift(error, { source: relationOf(question.message.after), was: was.output, is: is.output });
}

/** A rename to a name that is still taken goes through a temporary name. */
function swapSafe(steps: readonly SchemaStep[]): readonly SchemaStep[] {
  const renames = steps.filter((step) => step.kind === 'rename-column');
  const from = new Set(renames.map((step) => step.from));
  if (!renames.some((step) => from.has(step.to))) return steps;
  const first = renames.map((step, i) => ({ ...step, to: `pgsluice_${i}_${step.from}`.slice(0, 60) }));
  const then = renames.map((step, i) => ({ ...step, from: first[i]!.to }));
  const at = steps.findIndex((step) => step.kind === 'rename-column');
  const others = steps.filter((step) => step.kind !== 'rename-column');
  return [...others.slice(0, at), ...first, ...then, ...others.slice(at)];
}

/**
 * Changes of rows that a shape does not describe: USING that keeps the type, another generation expression, and columns
 * that become generated or cease to be. No look at the target can show that its rows have the values, so the table has
 * to be copied.
 */
export function unknownValues({ message, was, is }: StepQuestion): PgsluiceError | null {
  const before = new Map(message.before.columns.map((column) => [column.attnum, column]));
  const pairs = message.after.columns.map((now) => ({ now, old: before.get(now.attnum) ?? null }));
  const retyped = pairs.some(({ now, old }) => old !== null && (old.type !== now.type || old.typmod !== now.typmod));
  const added = pairs.some(({ now, old }) => old === null && now.generated === 'never');
  const generated = pairs.some(({ now, old }) => (old?.generated ?? 'never') !== now.generated);
  const alike = (message.retyped === true && !retyped) || (message.rewritten && !added);
  if (!alike && !generated) return null;
  const why = generated ? 'a generated column came or changed' : 'rows got other values in columns of the same types';
  const where = { table: relationName(was.source) };
  const remedy = `Copy the table again: pgsluice resync FILE ${relationName(message.after)}`;
  const error = planError('PGS4018', `${message.tag}: ${why}`, { where, remedy });
  return withDrift(error, { source: relationOf(message.after), was: was.output, is: is.output, replaced: true });
}

/** Whether the filter or a computed column reads a column whose values changed their type. */
export function readsRetyped({ message, was }: Omit<StepQuestion, 'is'>): string | null {
  const now = new Map(message.after.columns.map((column) => [column.attnum, column]));
  const retyped = new Set(
    message.before.columns
      .filter((column) => {
        const is = now.get(column.attnum);
        return is !== undefined && (is.type !== column.type || is.typmod !== column.typmod);
      })
      .map((column) => column.name),
  );
  if (retyped.size === 0) return null;
  const { where, columns } = was.projection;
  const read = [
    ...(where === null ? [] : columnsOf(where)),
    ...columns.filter((column) => column.from === null).flatMap((column) => [...columnsOf(column.expr)]),
  ];
  return read.find((name) => retyped.has(name)) ?? null;
}
