import type { DigestQuery } from './digest-query.ts';
import { tableOf } from './digest-sql.ts';
import { quoteLiteral } from './quote.ts';

type Ask = (sql: string) => Promise<(string | null)[][]>;

export interface TableSize {
  readonly pages: number;
  /** Estimated from the density at the last ANALYZE; for a table without one, from its size. */
  readonly rows: number;
}

export async function readSize(ask: Ask, query: DigestQuery): Promise<TableSize> {
  const [row] = await ask(
    `SELECT pg_relation_size(c.oid) / current_setting('block_size')::int, c.reltuples, c.relpages
     FROM pg_class c WHERE c.oid = ${quoteLiteral(tableOf(query))}::regclass`,
  );
  const [pages, tuples, then] = row!.map(Number) as [number, number, number];
  const density = tuples > 0 && then > 0 ? tuples / then : 60;
  return { pages, rows: pages * density };
}

/**
 * Whether a b-tree index begins with exactly the key's columns, in an order that does not depend on a collation
 * library: for other orders two servers need not agree.
 */
export async function readOrdered(ask: Ask, query: DigestQuery): Promise<boolean> {
  const wanted = query.key.map(quoteLiteral).join(', ');
  const rows = await ask(
    `SELECT 1 FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
     WHERE i.indrelid = ${quoteLiteral(tableOf(query))}::regclass AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree'
       AND ARRAY[${wanted}]::text[] = (
         SELECT array_agg('"' || replace(a.attname, '"', '""') || '"' ORDER BY k.at)
         FROM unnest(string_to_array(i.indkey::text, ' ')::int2[]) WITH ORDINALITY AS k (attnum, at)
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.at <= ${query.key.length})
       AND NOT EXISTS (
         SELECT FROM unnest(string_to_array(i.indcollation::text, ' ')::oid[]) WITH ORDINALITY AS c (oid, at)
         WHERE c.at <= ${query.key.length} AND c.oid <> 0) LIMIT 1`,
  );
  return rows.length > 0;
}

/** About this many sampled rows decide each bound. */
const perRange = 100;

/**
 * Bounds need not be exact, so a sample of random pages is enough; every row falls into one range whatever the bounds
 * are.
 */
export async function sampledBounds(
  ask: Ask,
  input: {
    readonly query: DigestQuery;
    readonly key: readonly string[];
    readonly size: TableSize;
    readonly step: number;
  },
): Promise<readonly (readonly string[])[]> {
  const { query, key, size, step } = input;
  const ranges = Math.ceil(size.rows / step);
  const percent = Math.min(100, Math.max(0.001, (100 * ranges * perRange) / size.rows));
  const where = query.where === null ? '' : `WHERE (${query.where})`;
  const names = key.map((_, i) => `k${i}`);
  const found = await ask(
    `SELECT ${names.map((name) => `${name}::text`).join(', ')} FROM (
       SELECT ${names.join(', ')}, row_number() OVER (ORDER BY ${names.join(', ')}) AS n, count(*) OVER () AS total FROM (
         SELECT ${key.map((sql, i) => `${sql} AS k${i}`).join(', ')}
         FROM ${query.only ? 'ONLY ' : ''}${tableOf(query)} TABLESAMPLE SYSTEM (${percent}) REPEATABLE (1) ${where}) t
     ) s WHERE n % greatest(1, total / ${ranges}) = 0 AND n < total ORDER BY n`,
  );
  return found as readonly string[][];
}
