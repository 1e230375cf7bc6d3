import type { RangeAsked } from '../../core/api/source-database.ts';
import type { Column } from '../../core/postgres/relation.ts';
import { qualified, quoteIdent } from '../../core/postgres/quote.ts';

/** Rows after a key, in its order: the statement's snapshot, then their values. */
export function rangeStatement(asked: RangeAsked): { readonly text: string; readonly values: unknown[] } {
  const { relation, key, where, beyond, rows } = asked;
  const at = (position: number) => relation.columns[position] as Column;
  const names = key.map((position) => `t.${quoteIdent(at(position).name)}`);
  const values = (beyond ?? []).map((_, i) => `$${i + 1}::${at(key[i] as number).typeName}`);
  const conditions = [
    ...(where === null ? [] : [`(${where})`]),
    ...(beyond === null ? [] : [`(${names.join(', ')}) > (${values.join(', ')})`]),
  ];
  const wanted = relation.columns.map((column) => `, t.${quoteIdent(column.name)}`);
  const text = `SELECT pg_catalog.txid_current_snapshot()${wanted.join('')}
    FROM ${relation.kind === 'partitioned' ? '' : 'ONLY '}${qualified(relation)} AS t
    ${conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`}
    ORDER BY ${names.join(', ')} LIMIT ${rows}`;
  return { text, values: [...(beyond ?? [])] };
}
