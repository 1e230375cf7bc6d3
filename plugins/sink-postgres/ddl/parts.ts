import pg from 'pg';
import type { TableName } from '../../../core/api/schema-change.ts';
import type { Logger } from '../../../core/base/logger.ts';
import { type PartRow, partsManifest, partsSql, typesSql } from '../../../core/postgres/manifest/parts.ts';
import type { Manifest } from '../../../core/postgres/manifest/types.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { qualified, quoteLiteral } from '../../../core/postgres/quote.ts';

/** Tables of the target with their parts, within the open transaction. */
export function readParts(client: pg.Client, tables: readonly TableName[]): Promise<Manifest> {
  const names = tables.map((table) => `to_regclass(${quoteLiteral(qualified(table))})`);
  const oids = `SELECT t::oid FROM unnest(ARRAY[${names.join(', ')}]) t WHERE t IS NOT NULL`;
  return manifestOf(client, (major) => partsSql(major, oids));
}

export function readTypes(client: pg.Client, types: readonly TableName[]): Promise<Manifest> {
  const names = types.map((type) => `to_regtype(${quoteLiteral(qualified(type))})`);
  const oids = `SELECT t::oid FROM unnest(ARRAY[${names.join(', ')}]) t WHERE t IS NOT NULL`;
  return manifestOf(client, (major) => typesSql(major, oids));
}

async function manifestOf(client: pg.Client, sql: (major: number) => string): Promise<Manifest> {
  const { rows: versions } = await client.query<{ version: string }>(
    `SELECT current_setting('server_version_num') AS version`,
  );
  const version = Number(versions[0]!.version);
  const { rows } = await client.query<{ kind: string; row: string }>(
    `SELECT p.kind, p."row"::text AS row FROM (${sql(Math.floor(version / 10_000))}) p`,
  );
  return partsManifest(
    rows.map(({ kind, row }) => ({ kind, row: JSON.parse(row) as PartRow })),
    version,
  );
}

/** One by one, so that a refused statement does not prevent the others. */
export async function runApart(client: pg.Client, statements: readonly string[], log: Logger): Promise<string[]> {
  const ran: string[] = [];
  for (const sql of statements) {
    await client.query('SAVEPOINT part');
    try {
      await client.query(sql);
      await client.query('RELEASE SAVEPOINT part');
      ran.push(sql);
    } catch (error) {
      if (!(error instanceof pg.DatabaseError) || fromPg(error, {}).retry === 'backoff') throw error;
      await client.query('ROLLBACK TO SAVEPOINT part');
      log.log('warn', 'object-skipped', `not made in the target: ${fromPg(error, {}).message}: ${sql}`);
    }
  }
  return ran;
}
