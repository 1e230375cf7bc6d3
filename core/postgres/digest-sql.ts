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

/** Conditions of the query's bounds on these expressions of its key. */
export function boundsSql({ after, upTo }: DigestQuery, key: readonly string[]): string[] {
  const row = (values: readonly string[]) => `(${values.map(quoteLiteral).join(', ')})`;
  return [
    ...(after === null ? [] : [`(${key.join(', ')}) > ${row(after)}`]),
    ...(upTo === null ? [] : [`(${key.join(', ')}) <= ${row(upTo)}`]),
  ];
}

/** The first 32 bits of a hash of the name, cut to a power of two. */
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

/** Two that share no bits; each changes the state that the hash starts from. */
const seeds = ['4611686018427387847', '2305843009213693921'] as const;

/**
 * SQL of `h` and of count and two sums over it: PostgreSQL's own 64-bit hash of the row's text as UTF-8 bytes, under two seeds. The collation "C"
 * makes it the hash of the bytes. Before 18 there is none for bytea, but that of an array of one element is 31 more than the element's
 * (hash_array_extended). Where that passes 63 bits, which of 2^59 rows one does, a range would count as different and then show no row.
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

/** What a server hashes a few bytes to: one whose processor orders bytes the other way comes to other values. */
export const fastProbe = `hashtextextended('pgsluice, ROW' COLLATE "C", ${seeds[0]})::text`;
