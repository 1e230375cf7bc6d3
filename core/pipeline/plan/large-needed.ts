import { oids, oidsOf } from '../../postgres/oids.ts';
import type { TablePlan } from '../../api/plan.ts';
import { columnsOf } from '../../expr/tree.ts';
import type { Column } from '../../postgres/relation.ts';

/**
 * Columns of the source whose values the plan may need although an UPDATE left them untouched and so did not send them.
 * Under REPLICA IDENTITY FULL the old row has them. Pure.
 */
export function largeNeeded({
  source,
  projection,
  tail,
}: Pick<TablePlan, 'source' | 'projection' | 'tail'>): readonly string[] {
  if (source.identity.kind !== 'key') return [];
  const large = source.columns.filter(isToastable).map((column) => column.name);
  // A row that enters the output, or is read as a whole, needs every value that is passed on; otherwise only computed
  // columns need theirs.
  const whole = projection.where !== null || tail !== null;
  const read = new Set(projection.where === null ? [] : columnsOf(projection.where));
  for (const { from, expr } of projection.columns) {
    if (whole || from === null) for (const name of columnsOf(expr)) read.add(name);
  }
  return large.filter((name) => read.has(name));
}

/** Fixed-size types of pg_type.dat (typlen > 0, or varlena that is never stored out of line) cannot be unchanged TOAST. */
// biome-ignore format: names read better in rows
const fixed = oidsOf(
  'bool', 'char', 'name', 'int8', 'int2', 'int4', 'oid', 'point', 'lseg', 'box', 'line', 'float4', 'float8',
  'circle', 'macaddr8', 'money', 'macaddr', 'inet', 'cidr', 'date', 'time', 'timestamp', 'timestamptz', 'interval',
  'timetz', 'uuid', 'pg_lsn',
);

export function isToastable(column: Column): boolean {
  if (column.generated !== 'never' || column.typeKind === 'enum' || fixed.has(column.baseType)) return false;
  return column.baseType !== oids.numeric || column.typmod < 0;
}
