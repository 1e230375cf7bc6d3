import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestDatabase } from './servers.ts';

/** Every table with its parents and its bound, by the server's own catalog. */
export async function placesIn(db: TestDatabase): Promise<readonly string[]> {
  const rows = await db.query<{ line: string }>(
    `SET TimeZone = 'UTC'; SELECT format('%s %s in %s %s', c.relkind, c.oid::regclass,
       coalesce((SELECT string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno) FROM pg_inherits i WHERE i.inhrelid = c.oid), '-'),
       coalesce(pg_get_expr(c.relpartbound, c.oid), '')) AS line
     FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema|pgsluice)'
     ORDER BY 1`,
  );
  return rows.map(({ line }) => line);
}

/** Rows of a table and of everything below it, as a count and a sum of hashes. */
async function rowsUnder(db: TestDatabase, table: string): Promise<string> {
  const [row] = await db.query<{ rows: string }>(
    `SELECT format('%s rows, %s', count(*), coalesce(sum(('x' || left(md5(to_jsonb(t)::text), 16))::bit(64)::bigint::numeric), 0)) AS rows FROM ${table} t`,
  );
  return row!.rows;
}

/** Waits until trees and rows (under each root) are equal on both sides; writers stand still. */
export async function sameTrees(
  source: TestDatabase,
  target: TestDatabase,
  roots: readonly string[],
  patience = 600_000,
): Promise<void> {
  const look = async (db: TestDatabase) => {
    const places = await placesIn(db);
    const rows: string[] = [];
    for (const root of roots) rows.push(`${root}: ${await rowsUnder(db, root).catch((error: Error) => error.message)}`);
    return { places, rows };
  };
  const wanted = await look(source);
  for (const until = Date.now() + patience; ; await sleep(250)) {
    const there = await look(target);
    if (JSON.stringify(there) === JSON.stringify(wanted)) return;
    if (Date.now() > until) assert.deepEqual(there, wanted);
  }
}
