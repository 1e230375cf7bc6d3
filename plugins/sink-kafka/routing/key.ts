import type { RowExpression } from '../../../core/api/expressions.ts';
import type { Tuple } from '../../../core/postgres/tuple.ts';
import type { RelationFormat } from '../records/format.ts';
import { evaluated } from './by-row.ts';

/** The format with the value of an expression, as JSON of its type, in the place of the key. */
export function keyedBy(
  format: RelationFormat,
  by: RowExpression,
  write: { readonly sql: string; readonly encode: (text: string) => string },
): RelationFormat {
  const keyOf = (row: Tuple) => {
    const text = evaluated(() => by.value(row), `key: ${write.sql}`);
    return text === null ? null : write.encode(text);
  };
  const keyHeader = (row: Tuple) => keyOf(row) ?? 'null';
  return { ...format, rows: { ...format.rows, key: by.reads, keyOf, keyHeader, bytes: null } };
}
