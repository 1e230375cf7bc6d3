import type { DigestQuery } from './digest-query.ts';
import { qualified, quoteLiteral } from './quote.ts';

/** MD5 of text as UTF-8 bytes, whatever the server's encoding. */
export type Hash = (text: string) => string;

export function hashOf(encoding: string): Hash {
  return isUtf8(encoding) ? (text) => `md5(${text})` : (text) => `md5(convert_to(${text}, 'UTF8'))`;
}

function isUtf8(encoding: string): boolean {
  return encoding === 'UTF8' || encoding === 'SQL_ASCII';
}

export function tableOf(query: DigestQuery): string {
  return qualified({ schema: query.schema, name: query.table });
}

/**
 * A row as one text: output functions of each column, quoted if necessary, so columns cannot run into each other and
 * NULL (nothing) is not '' ("").
 */
export function rowText(columns: readonly string[]): string {
  return `ROW(${columns.join(', ')})::text`;
}

/** A row's name in reports: its key, or without a key its hash. */
export function nameSql(query: DigestQuery, hash: Hash): string {
  if (query.key.length === 0) return hash(rowText(query.columns));
  return query.key.length === 1 ? `(${query.key[0]})::text` : rowText(query.key);
}

/** Conditions for the query's bounds on these expressions of its key. */
export function boundsSql({ after, upTo }: DigestQuery, key: readonly string[]): string[] {
  const row = (values: readonly string[]) => `(${values.map(quoteLiteral).join(', ')})`;
  return [
    ...(after === null ? [] : [`(${key.join(', ')}) > ${row(after)}`]),
    ...(upTo === null ? [] : [`(${key.join(', ')}) <= ${row(upTo)}`]),
  ];
}

/** The first 32 bits of a hash of the name, reduced to a power of two. */
export function bucketSql(query: DigestQuery, hash: Hash, count: number): string {
  const name = nameSql(query, hash);
  const hashed = query.key.length === 0 ? name : hash(name);
  return `(('x' || ${hashed})::bit(32)::int & ${count - 1})`;
}

/** Hex digits of an MD5 as two numbers of 64 bits; a cast to bit(64) takes the first 16. Sums of bigint are numeric: nothing overflows. */
export const sums = sumsOf(`('x' || h)::bit(64)::bigint`, `('x' || right(h, 16))::bit(64)::bigint`);

function sumsOf(high: string, low: string): string {
  return `count(*), coalesce(sum(${high}), 0), coalesce(sum(${low}), 0)`;
}

/** Two seeds that share no bits; each changes the initial state of the hash. */
const seeds = ['4611686018427387847', '2305843009213693921'] as const;

/**
 * SQL of `h` and of count and two sums over it: PostgreSQL's own 64-bit hash of the row's text as UTF-8 bytes, under
 * two seeds. The collation "C" makes it the hash of the bytes. Before 18 there is no such hash for bytea, but the hash
 * of an array of one element is 31 more than the element's (hash_array_extended). If that exceeds 63 bits, as happens
 * for one of 2^59 rows, a range counts as different and then shows no row.
 */
export function fastHash(encoding: string, text: string): { readonly h: string; readonly sums: string } {
  const [high, low] = seeds;
  if (isUtf8(encoding)) {
    const hashed = (seed: string) => `hashtextextended(h, ${seed})`;
    return { h: `${text} COLLATE "C"`, sums: sumsOf(hashed(high), hashed(low)) };
  }
  const hashed = (seed: string) => `hash_array_extended(ARRAY[h], ${seed})`;
  const sum = (seed: string) => `coalesce(sum(${hashed(seed)}), 0) - 31 * count(*)`;
  return { h: `convert_to(${text}, 'UTF8')`, sums: `count(*), ${sum(high)}, ${sum(low)}` };
}

/** A server's hash of a few bytes: a server with the other byte order computes other hashes. */
export const fastProbe = `hashtextextended('pgsluice, ROW' COLLATE "C", ${seeds[0]})::text`;
