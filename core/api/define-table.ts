import { castTo, literal } from '../expr/cast.ts';
import { computedColumn } from '../expr/typing.ts';
import type { SourceTable } from './source.ts';

export interface TableDefinition {
  readonly schema: string;
  readonly name: string;
  /** Types by column, written as in SQL: `bigint`, `numeric(10,2)`, `timestamptz`, `jsonb`, `text[]`. */
  readonly columns: Readonly<Record<string, string>>;
  /** Columns that identify a row. Empty: nothing does, so rows are only inserted. */
  readonly key: readonly string[];
}

/**
 * A table of a source that has no catalog to read. `oid`: no two tables of a source have the same. Throws PGS41xx for a type that
 * is not built in, RangeError for a key that is no column.
 */
export function defineTable(definition: TableDefinition, oid: number): SourceTable {
  const { schema, name, key } = definition;
  const columns = Object.entries(definition.columns).map(([column, type]) => ({
    ...computedColumn(column, castTo(literal(null), type), []),
    notNull: key.includes(column),
  }));
  const positions = key.map((column) => columns.findIndex((each) => each.name === column));
  if (positions.includes(-1)) throw new RangeError(`the key of ${schema}.${name} names a column that it does not have`);
  return {
    relation: {
      oid,
      schema,
      name,
      kind: 'table',
      columns,
      identity: key.length === 0 ? { kind: 'nothing' } : { kind: 'key', positions },
      primaryKey: positions,
    },
    bytes: 0,
    rows: -1,
    persistence: 'permanent',
  };
}
