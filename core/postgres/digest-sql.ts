import type { DigestQuery } from './digest-query.ts';
import { qualified } from './quote.ts';

/** MD5 of text as UTF-8 bytes, whatever the server's encoding. */
export type Hash = (text: string) => string;

export function hashOf(encoding: string): Hash {
  return encoding === 'UTF8' || encoding === 'SQL_ASCII'
    ? (text) => `md5(${text})`
    : (text) => `md5(convert_to(${text}, 'UTF8'))`;
}

export function tableOf(query: DigestQuery): string {
  return qualified({ schema: query.schema, name: query.table });
}

/**
 * A row as one text: output functions of each column, quoted where need be, so columns cannot run into each other and NULL
 * (nothing) is not '' ("").
 */
export function rowText(columns: readonly string[]): string {
  return `ROW(${columns.join(', ')})::text`;
}

/** What a row is called in reports: its key, or without one its hash. */
export function nameSql(query: DigestQuery, hash: Hash): string {
  if (query.key.length === 0) return hash(rowText(query.columns));
  return query.key.length === 1 ? `(${query.key[0]})::text` : rowText(query.key);
}

/** The first 32 bits of a hash of the name, cut to a power of two. */
export function bucketSql(query: DigestQuery, hash: Hash, count: number): string {
  const name = nameSql(query, hash);
  const hashed = query.key.length === 0 ? name : hash(name);
  return `(('x' || ${hashed})::bit(32)::int & ${count - 1})`;
}

/**
 * Count and two sums over `h`, an MD5 in hex; a cast to bit(64) takes the first 16 digits. Sums of bigint are numeric, so
 * nothing overflows.
 */
export const sums = `count(*), coalesce(sum(('x' || h)::bit(64)::bigint), 0), coalesce(sum(('x' || right(h, 16))::bit(64)::bigint), 0)`;
