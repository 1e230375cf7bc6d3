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

/** Null where the plan cannot be compared: a step that only code understands. */
export function queriesOf(plan: TablePlan): TableQueries | null {
  if (plan.tail !== null) return null;
  const { output, query, source } = plan;
  const names = output.columns.map((column) => quote(column.name));
  const key = keyPositions(plan);
  const bounds = { after: null, upTo: null };
  return {
    source: {
      schema: source.schema,
      table: source.name,
      only: true,
      columns: query.select,
      where: query.where,
      key: key.map((position) => query.select[position]!),
      ...bounds,
    },
    target: {
      schema: output.schema,
      table: output.name,
      only: true,
      columns: names,
      where: null,
      key: key.map((position) => names[position]!),
      ...bounds,
    },
    names: output.columns.map((column) => column.name),
    keyNames: key.map((position) => output.columns[position]!.name),
  };
}

/** The primary key where it came through, else the identity's index. */
function keyPositions({ output }: TablePlan): readonly number[] {
  if (output.primaryKey.length > 0) return output.primaryKey;
  return output.identity.kind === 'key' ? output.identity.positions : [];
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
