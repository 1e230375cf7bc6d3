import pg from 'pg';
import type { TablesOption } from '../../../core/api/schemas.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { quoteLiteral } from '../../../core/postgres/quote.ts';
import { sourceError } from '../errors.ts';
import { type Owner, isOurs, markOf, markText, readMark } from '../ownership/mark.ts';
import type { SourceAccess } from '../session.ts';
import { installSql } from './install-sql.ts';
import { installLookSql } from './look-sql.ts';
import { functionsOf, objectNames } from './objects.ts';

/**
 * Creates the event triggers, or creates them again; repeatable. If the user may not, installs functions that look at
 * the catalog instead. Throws PGS2125 if not even that is allowed, PGS2183 if the objects belong to others.
 */
export async function installDdl(
  client: pg.Client,
  access: SourceAccess,
  what: { readonly pipeline: string; readonly tables: TablesOption },
): Promise<'told' | 'looked at'> {
  const { publication, slot, owner } = access;
  const [foreign] = (await readObjects(client, slot)).filter(({ comment }) => !isOurs(readMark(comment), owner));
  if (foreign !== undefined) {
    const where = { connection: access.name, object: foreign.label };
    const remedy = `Choose another slot.name, from which the names are made; or, if nobody needs it: DROP ${foreign.drop};`;
    throw sourceError('PGS2183', `${foreign.label} is there already, and this pipeline did not make it`, {
      where,
      remedy,
    });
  }
  const mark = markText(markOf(owner));
  const { rows } = await client.query<{ version: string }>(`SELECT current_setting('server_version_num') AS version`);
  const major = Math.floor(Number(rows[0]!.version) / 10_000);
  const objects = { ...what, publication, prefix: slot, mark, major };
  const refused = await made(client, installSql(objects));
  if (refused === null) {
    await client.query(`DROP FUNCTION IF EXISTS ${objectNames(slot).look}()`);
    return 'told';
  }
  const error = refused.code === '42501' ? await made(client, installLookSql(objects)) : refused;
  if (error === null) return 'looked at';
  const where = { connection: access.name, sqlstate: error.code ?? '' };
  if (error.code === '42501') throw sourceError('PGS2125', error.message, { where, cause: error });
  throw fromPg(error, { connection: access.name, object: 'event trigger' });
}

/** In one transaction. Returns the server's refusal, if any. */
async function made(client: pg.Client, sql: string): Promise<pg.DatabaseError | null> {
  try {
    await client.query(`BEGIN; ${sql}; COMMIT`);
    return null;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    if (error instanceof pg.DatabaseError) return error;
    throw error;
  }
}

/** Writes the messages about DDL so far. Returns false if event triggers do that, and there is no function for it. */
export async function lookAtDdl(client: pg.Client, prefix: string): Promise<boolean> {
  const { look } = objectNames(prefix);
  const { rows } = await client.query<{ lacks: boolean | string }>(`SELECT to_regprocedure($1) IS NULL AS lacks`, [
    `${look}()`,
  ]);
  if (String(rows[0]!.lacks).startsWith('t')) return false;
  await client.query(`BEGIN; SET LOCAL lock_timeout = '200ms'; SELECT ${look}(); COMMIT`);
  return true;
}

interface DdlObject {
  readonly comment: string | null;
  /** In words, and as DROP expects it. */
  readonly label: string;
  readonly drop: string;
}

/** Event triggers first: they depend on the functions. */
async function readObjects(client: pg.Client, prefix: string): Promise<readonly DdlObject[]> {
  const names = objectNames(prefix);
  const { rows } = await client.query<{ comment: string | null; label: string; drop: string }>(
    `SELECT obj_description(oid, 'pg_event_trigger') AS comment, 'event trigger ' || evtname AS label,
            format('EVENT TRIGGER %I', evtname) AS drop, 1 AS turn
     FROM pg_event_trigger WHERE evtname = ANY ($1::text[])
     UNION ALL SELECT obj_description(oid, 'pg_proc'), 'function ' || oid::regprocedure, 'FUNCTION ' || oid::regprocedure, 2
     FROM pg_proc WHERE oid = ANY (ARRAY(SELECT to_regprocedure(f) FROM unnest($2::text[]) f))
     UNION ALL SELECT obj_description(oid, 'pg_class'), 'table ' || oid::regclass, 'TABLE ' || oid::regclass, 3
     FROM pg_class WHERE oid = to_regclass($3) ORDER BY turn, label`,
    [names.triggers, functionsOf(prefix), names.memory],
  );
  return rows;
}

/** Drops those that are provably ours. Returns what it dropped, in words. */
export async function removeDdl(client: pg.Client, prefix: string, owner: Owner): Promise<readonly string[]> {
  const ours = (await readObjects(client, prefix)).filter(({ comment }) => isOurs(readMark(comment), owner));
  if (ours.length === 0) return [];
  // The schema may hold a checkpoint, or objects of another pipeline or of a user.
  const schema = await madeSchema(client);
  await client.query([...ours.map(({ drop }) => `DROP ${drop}`), ...schema].join('; '));
  return ours.map(({ label }) => label).filter((label) => label.startsWith('event trigger'));
}

async function madeSchema(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ comment: string | null }>(
    `SELECT obj_description(oid, 'pg_namespace') AS comment FROM pg_namespace WHERE nspname = 'pgsluice'`,
  );
  if (readMark(rows[0]?.comment ?? null) === null) return [];
  return [
    `DO ${quoteLiteral(`BEGIN DROP SCHEMA pgsluice; EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN NULL; END`)}`,
  ];
}

/** Existing objects with names that this pipeline would use, and that are not its own. */
export async function foreignDdl(client: pg.Client, prefix: string, owner: Owner): Promise<readonly string[]> {
  const objects = await readObjects(client, prefix);
  return objects.filter(({ comment }) => !isOurs(readMark(comment), owner)).map(({ label }) => label);
}
