import pg from 'pg';
import { qualified, quoteIdent, quoteLiteral } from '../../../core/postgres/quote.ts';
import type { Closing } from './closing.ts';
import { closingNames } from './closing-sql.ts';

/** Bits of pg_trigger.tgtype (catalog/pg_trigger.h): row, before, insert, delete, update, truncate. */
const statementType = 2 + 4 + 8 + 16 + 32;
const rowType = 1 + 2 + 4 + 8 + 16;

/**
 * Two proofs. The catalog: both triggers exist, fire always, and call our function, so that no session bypasses them,
 * whenever it began. And a try, for each role: a DELETE of no row, which the statement trigger refuses, and which has
 * no effect. For a table with a rule for DELETE that statement does something else, so there only the catalog counts.
 */
export async function proveClosed(
  client: pg.Client,
  closing: Closing,
): Promise<{ readonly open: readonly string[]; readonly roles: readonly string[] }> {
  const open = await missingTriggers(client, closing);
  const { rows } = await client.query<{ name: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM unnest($1::text[]) AS w (name)
     JOIN pg_class c ON c.oid = to_regclass(w.name) JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE NOT EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type = '4') ORDER BY 1`,
    [closing.tables.map(qualified)],
  );
  const roles = await rolesToTry(client, closing);
  for (const role of roles) {
    const written = await tryToWrite(
      client,
      role,
      rows.map(({ name }) => name),
    );
    if (written !== null) open.push(`${written}: role ${role} could write`);
  }
  return { open, roles };
}

async function missingTriggers(client: pg.Client, { slot, tables }: Closing): Promise<string[]> {
  const names = closingNames(slot);
  const { rows } = await client.query<{ name: string }>(
    `SELECT w.label AS name FROM unnest($1::text[], $2::text[], $3::boolean[]) AS w (name, label, has_rows)
     WHERE to_regclass(w.name) IS NOT NULL AND (
       NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass(w.name) AND tgfoid = to_regproc($4)
                   AND tgenabled = 'A' AND tgtype = ${statementType} AND tgqual IS NULL)
       OR w.has_rows AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass(w.name) AND tgfoid = to_regproc($4)
                   AND tgenabled = 'A' AND tgtype = ${rowType} AND tgqual IS NULL))
     ORDER BY 1`,
    [
      tables.map(qualified),
      tables.map(({ schema, name }) => `${schema}.${name}`),
      tables.map(({ hasRows }) => hasRows),
      names.function,
    ],
  );
  return rows.map(({ name }) => `${name}: the trigger that closes it is not there, or is disabled`);
}

/**
 * Owners of the tables and roles of connected sessions, as far as we may become them; for the others only the catalog
 * counts.
 */
async function rolesToTry(client: pg.Client, { tables }: Closing): Promise<readonly string[]> {
  const version = Number(
    (await client.query<{ v: string }>(`SELECT current_setting('server_version_num') AS v`)).rows[0]!.v,
  );
  const { rows } = await client.query<{ role: string }>(
    `SELECT DISTINCT r.rolname::text AS role FROM pg_roles r
     WHERE r.oid IN (
       SELECT usesysid FROM pg_stat_activity WHERE datname = current_database() AND usesysid IS NOT NULL
       UNION SELECT relowner FROM pg_class WHERE oid IN (SELECT to_regclass(name) FROM unnest($1::text[]) AS w (name)))
       AND pg_has_role(r.oid, '${version >= 160_000 ? 'SET' : 'MEMBER'}') ORDER BY 1`,
    [tables.map(qualified)],
  );
  return rows.map(({ role }) => role);
}

/** Name of a table that accepted the write, or null. */
async function tryToWrite(client: pg.Client, role: string, tables: readonly string[]): Promise<string | null> {
  const list = tables.map(quoteLiteral).join(', ');
  const body = `DECLARE t text; BEGIN
      SET LOCAL ROLE ${quoteIdent(role)};
      FOREACH t IN ARRAY ARRAY[${list}]::text[] LOOP
        BEGIN
          EXECUTE 'DELETE FROM ONLY ' || t || ' WHERE false';
          RAISE EXCEPTION '%', t USING ERRCODE = '${wasOpen}';
        EXCEPTION WHEN read_only_sql_transaction OR insufficient_privilege OR undefined_table OR lock_not_available THEN NULL;
        END;
      END LOOP;
    END`;
  try {
    await client.query(
      `BEGIN READ WRITE; SET LOCAL lock_timeout = '2s'; SET LOCAL row_security = on; DO ${quoteLiteral(body)}; ROLLBACK`,
    );
    return null;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    if (error instanceof pg.DatabaseError && error.code === wasOpen) return error.message;
    throw error;
  }
}

/** An SQLSTATE of our own, for the case that must not occur. */
const wasOpen = 'PGSL1';
