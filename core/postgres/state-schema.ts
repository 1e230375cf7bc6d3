import { createHash } from 'node:crypto';
import type pg from 'pg';

/** Schema of everything that pgsluice keeps in a user's database. */
export const stateSchema = 'pgsluice';

/**
 * `position`: how far a sink has applied, written in the transaction that holds the rows (I4); `lsn` is null until the
 * first one. `checkpoint`: core's own state. Rows are updated constantly, so pages keep room for heap-only tuples.
 */
const definition = `
  SELECT pg_catalog.pg_advisory_xact_lock(${advisoryKey('state schema')});
  CREATE SCHEMA IF NOT EXISTS ${stateSchema};
  CREATE TABLE IF NOT EXISTS ${stateSchema}.position (
    pipeline text NOT NULL,
    sink text NOT NULL,
    lsn pg_catalog.pg_lsn,
    commit_time timestamptz,
    updated timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (pipeline, sink)
  ) WITH (fillfactor = 10);
  CREATE TABLE IF NOT EXISTS ${stateSchema}.checkpoint (
    pipeline text NOT NULL,
    key text NOT NULL,
    value jsonb NOT NULL,
    updated timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (pipeline, key)
  ) WITH (fillfactor = 50);`;

/**
 * Creates the state schema if it is missing. Repeatable, safe against concurrent creation (an advisory lock until the
 * end of the transaction), also inside an open transaction. Needs CREATE on the database only if the schema does not
 * exist: CREATE SCHEMA IF NOT EXISTS checks the privilege before it looks. Throws the server's error.
 */
export async function ensureStateSchema(client: pg.Client): Promise<void> {
  const found = await client.query({
    text: `SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = '${stateSchema}' AND c.relname IN ('position', 'checkpoint')`,
    rowMode: 'array',
  });
  if (Number((found.rows[0] as unknown[] | undefined)?.[0]) === 2) return;
  await client.query(definition);
}

/** A key for pg_advisory_lock: 64 bits of a hash, as the decimal text of a signed bigint. */
export function advisoryKey(...parts: readonly string[]): string {
  const hash = createHash('sha256').update(['pgsluice', ...parts].join('\0'));
  return hash.digest().readBigInt64BE(0).toString();
}
