import pg from 'pg';
import { quoteLiteral } from './quote.ts';

/** The content of the comment on a fence's function: its owner, and which pipeline's sessions it lets pass. */
export interface ClosingNote {
  readonly pipeline: string;
  readonly admits: string | null;
}

/** How long others may queue behind us at one table, and how often we try. */
const lockTimeout = '1s';
const tries = 30;

/** The body of a trigger's function that refuses nothing. */
export const passOn = `IF tg_level <> 'ROW' THEN RETURN NULL; END IF; IF tg_op = 'DELETE' THEN RETURN old; END IF; RETURN new;`;

/** `name`: qualified and quoted. */
export function replaceFunction(name: string, body: string): string {
  return `CREATE OR REPLACE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS ${quoteLiteral(body)}`;
}

/**
 * Opens what a fence closed, and nothing else: triggers that call its function. First it replaces the function, which
 * needs no lock on any table, so that writes succeed at once; then it drops the triggers. Returns the number of tables.
 */
export async function openTables(client: pg.Client, name: string): Promise<number> {
  const { rows } = await client.query<{ oid: string | null }>('SELECT to_regproc($1)::oid::text AS oid', [name]);
  const oid = rows[0]?.oid ?? null;
  if (oid === null) return 0;
  await client.query(replaceFunction(name, `BEGIN ${passOn} END`));
  const { rows: triggers } = await client.query<{ table: string; name: string }>(
    `SELECT tgrelid::regclass::text AS "table", quote_ident(tgname) AS name FROM pg_trigger
     WHERE tgfoid = $1 AND NOT tgisinternal ORDER BY 1`,
    [oid],
  );
  const tables = Map.groupBy(triggers, ({ table }) => table);
  for (const [table, of] of tables) {
    const drops = of.map((trigger) => `DROP TRIGGER IF EXISTS ${trigger.name} ON ${table}`);
    await openOne(client, drops.join('; '));
  }
  await client.query(`DROP FUNCTION ${name}(); ${dropEmptySchema}`);
  return tables.size;
}

/** Fences whose own cutover left this pipeline as the reverse pipeline: names of their functions. */
export async function fencesFor(client: pg.Client, pipeline: string): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string; note: string | null }>(
    `SELECT format('%I.%I', n.nspname, p.proname) AS name, obj_description(p.oid, 'pg_proc') AS note
     FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = 'pgsluice' AND p.proname LIKE 'fence\\_%' ORDER BY 1`,
  );
  return rows.filter(({ note }) => closingNote(note)?.admits === pipeline).map(({ name }) => name);
}

/** Null: no comment of ours. */
export function closingNote(comment: string | null): Partial<ClosingNote> | null {
  try {
    return JSON.parse(comment ?? '') as Partial<ClosingNote>;
  } catch {
    return null;
  }
}

/** The schema may hold a checkpoint, or what another pipeline made. */
const dropEmptySchema = `DO ${quoteLiteral(
  'BEGIN DROP SCHEMA pgsluice; EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN NULL; END',
)}`;

/** Long readers delay the DROP; meanwhile the table accepts writes, and no session queues behind us for long. */
async function openOne(client: pg.Client, drops: string): Promise<void> {
  for (let tried = 1; ; tried++) {
    try {
      await client.query(`BEGIN; SET LOCAL lock_timeout = '${lockTimeout}'; ${drops}; COMMIT`);
      return;
    } catch (error) {
      await client.query('ROLLBACK').catch(() => {});
      if (!isLockTimeout(error) || tried === tries) throw error;
    }
  }
}

/** Another session held the lock, or there was a deadlock with it. */
export function isLockTimeout(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === '55P03' || error.code === '40P01');
}
