import type { RowExpression } from '../../../core/api/expressions.ts';
import type { Tuple } from '../../../core/postgres/tuple.ts';
import type { RelationFormat } from '../records/format.ts';
import type { ColumnType } from '../records/types.ts';
import { optional } from '../schemas/connect-schema.ts';
import { evaluated } from './by-row.ts';

/** The format with the value of an expression, as JSON of its type, in the place of the key. */
export function keyedBy(
  format: RelationFormat,
  by: RowExpression,
  write: { readonly sql: string; readonly type: ColumnType },
): RelationFormat {
  const keyOf = (row: Tuple) => {
    const text = evaluated(() => by.value(row), `key: ${write.sql}`);
    return text === null ? null : write.type.encode(text);
  };
  const keyHeader = (row: Tuple) => keyOf(row) ?? 'null';
  const schemas = format.schemas === null ? null : { ...format.schemas, key: optional(write.type.schema) };
  return { ...format, schemas, rows: { ...format.rows, key: by.reads, keyOf, keyHeader, bytes: null } };
}
