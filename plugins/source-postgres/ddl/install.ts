import pg from 'pg';
import type { TablesOption } from '../../../core/api/schemas.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { quoteIdent, quoteLiteral } from '../../../core/postgres/quote.ts';
import { sourceError } from '../errors.ts';
import type { SourceAccess } from '../session.ts';
import { installSql, objectNames } from './install-sql.ts';

/** Makes the event triggers, or makes them anew; repeatable. Throws PGS2125 where the user may not. */
export async function installDdl(
  client: pg.Client,
  access: SourceAccess,
  what: { readonly pipeline: string; readonly tables: TablesOption },
): Promise<void> {
  const { publication, slot } = access;
  try {
    await client.query(`BEGIN; ${installSql({ ...what, publication, prefix: slot })}; COMMIT`);
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    if (!(error instanceof pg.DatabaseError)) throw error;
    const where = { connection: access.name, sqlstate: error.code ?? '' };
    if (error.code === '42501') throw sourceError('PGS2125', error.message, { where, cause: error });
    throw fromPg(error, { connection: access.name, object: 'event trigger' });
  }
}

/** Drops them. Returns what it dropped, in words. */
export async function removeDdl(client: pg.Client, prefix: string): Promise<readonly string[]> {
  const names = objectNames(prefix);
  const { rows } = await client.query<{ name: string }>(
    'SELECT evtname AS name FROM pg_event_trigger WHERE evtname = ANY ($1::text[]) ORDER BY 1',
    [names.triggers],
  );
  const { rows: left } = await client.query('SELECT FROM pg_class WHERE oid = to_regclass($1)', [names.memory]);
  if (rows.length === 0 && left.length === 0) return [];
  const drops = rows.map((row) => `DROP EVENT TRIGGER IF EXISTS ${quoteIdent(row.name)}`);
  const functions = [
    ...names.functions.map((name) => `${name}()`),
    `${names.describe}(oid)`,
    `${names.chosen}(oid)`,
  ].map((name) => `DROP FUNCTION IF EXISTS ${name}`);
  // The schema may hold a checkpoint, or what another pipeline made.
  const schema = `DO ${quoteLiteral(`BEGIN DROP SCHEMA pgsluice; EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN NULL; END`)}`;
  await client.query([...drops, ...functions, `DROP TABLE IF EXISTS ${names.memory}`, schema].join('; '));
  return rows.map((row) => `event trigger ${row.name}`);
}
