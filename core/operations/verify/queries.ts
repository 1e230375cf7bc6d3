import type { DigestQuery } from '../../postgres/digest-query.ts';
import type { TablePlan } from '../../api/plan.ts';

/** The two sides of one table's comparison: the plan's SELECT on the source, the target's own columns. */
export interface TableQueries {
  readonly source: DigestQuery;
  readonly target: DigestQuery;
  /** Names of the compared columns in the target. */
  readonly names: readonly string[];
  /** Names of the key's columns in the target, for reports; empty: compared as a multiset. */
  readonly keyNames: readonly string[];
}

/**
 * Null where the plan cannot be compared: a step that only code understands. `there`: columns that the target's table has; null: as the
 * plan says.
 */
export function queriesOf(plan: TablePlan, there: ReadonlySet<string> | null): TableQueries | null {
  if (plan.tail !== null) return null;
  const { output, query, source } = plan;
  const generated = generatedOf(plan).filter(({ name }) => there?.has(name) !== false);
  const computed = generated.length;
  const named = [...output.columns, ...generated].map(({ name }) => name);
  const names = named.map(quote);
  const key = keyPositions(plan);
  const bounds = { after: null, upTo: null };
  return {
    source: {
      schema: source.schema,
      table: source.name,
      only: true,
      columns: [...query.select, ...generated.map(({ from }) => quote(from))],
      computed,
      where: query.where,
      key: key.map((position) => query.select[position]!),
      ...bounds,
    },
    target: {
      schema: output.schema,
      table: output.name,
      only: true,
      columns: names,
      computed,
      where: null,
      key: key.map((position) => names[position]!),
      ...bounds,
    },
    names: named,
    keyNames: key.map((position) => output.columns[position]!.name),
  };
}

/**
 * Generated columns are computed on each side. They must be equal where everything else passes as it is; of a column that is computed,
 * masked or dropped on the way the target makes something else.
 */
function generatedOf({ source, projection, generated = [] }: TablePlan): NonNullable<TablePlan['generated']> {
  const passing = projection.columns.filter(({ from }) => from !== null);
  const plain = source.columns.filter((column) => column.generated === 'never');
  return passing.length === projection.columns.length && passing.length >= plain.length ? generated : [];
}

/** The primary key where it came through, else the identity's index. */
function keyPositions({ output }: TablePlan): readonly number[] {
  if (output.primaryKey.length > 0) return output.primaryKey;
  return output.identity.kind === 'key' ? output.identity.positions : [];
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
