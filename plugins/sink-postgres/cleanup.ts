import pg from 'pg';
import { bringBack, keptOff, statementsBack } from './definitions/kept-off.ts';

/** The objects that pgsluice keeps in its schema. A user made all others. */
const kept: readonly string[] = [
  'position',
  'lanes',
  'log',
  'checkpoint',
  'bulk',
  'bulk_object',
  'bulk_table',
  'left_out',
  'definition',
  'made_part',
  'chunk',
  'work',
  'work_snapshot',
  'work_table',
  'work_range',
  'worker',
  'large_object',
];

/**
 * Removes this pipeline's rows from every table of the state schema (those of the stream and the checkpoint, too), and
 * the tables if no pipeline has rows left in them; the schema is dropped with the last one. What was kept off is
 * restored; definitions that were set aside and not built again are printed as SQL, as nothing else holds them then
 * (I10). Never removes an object of a user, in the schema or dependent on it.
 */
export async function cleanupState(client: pg.Client, pipeline: string): Promise<readonly string[]> {
  const { rows: tables } = await client.query<{ name: string }>(
    `SELECT c.oid::regclass::text AS name
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'pgsluice' AND c.relkind = 'r' AND c.relname = ANY ($1::text[])
       AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'pipeline') ORDER BY 1`,
    [kept],
  );
  if (tables.length === 0) return [];
  const done = [...(await broughtBack(client, pipeline)), ...(await openStatements(client, pipeline))];
  let removed = 0;
  let left = false;
  await client.query('BEGIN');
  for (const { name } of tables) {
    removed += (await client.query(`DELETE FROM ${name} WHERE pipeline = $1`, [pipeline])).rowCount ?? 0;
    const { rows } = await client.query(`SELECT 1 FROM ${name} LIMIT 1`);
    left ||= rows.length > 0;
  }
  const gone =
    !left &&
    (await dropped(client, `DROP TABLE ${tables.map(({ name }) => name).join(', ')}`)) &&
    (await dropped(client, 'DROP SCHEMA pgsluice'));
  await client.query('COMMIT');
  if (removed > 0) done.push(`state of pipeline ${pipeline} in schema pgsluice of the target`);
  if (gone) done.push('schema pgsluice of the target');
  return done;
}

/** False if an object of a user depends on it, or is in it (2BP01), or the role may not drop it (42501). */
async function dropped(client: pg.Client, sql: string): Promise<boolean> {
  await client.query('SAVEPOINT drops');
  try {
    await client.query(sql);
    return true;
  } catch (error) {
    const state = error instanceof pg.DatabaseError ? error.code : '';
    if (state !== '2BP01' && state !== '42501') throw error;
    await client.query('ROLLBACK TO drops');
    return false;
  }
}

async function definitionsExist(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ there: string | null }>(
    `SELECT to_regclass('pgsluice.definition')::text AS there`,
  );
  return rows[0]?.there !== null;
}

/** Restores triggers, rules and row-level security that were kept off; prints as SQL what the role may not restore. */
async function broughtBack(client: pg.Client, pipeline: string): Promise<string[]> {
  if (!(await definitionsExist(client))) return [];
  const of = { pipeline, sink: null };
  const statements = await statementsBack(client, of);
  if (statements.length === 0) return [];
  try {
    await client.query('BEGIN');
    await bringBack(client, of);
    await client.query('COMMIT');
    return statements.map((sql) => `put back in the target: ${sql}`);
  } catch (error) {
    await client.query('ROLLBACK');
    const { message } = error as Error;
    return statements.map((sql) => `not put back in the target (${message}), run it yourself: ${sql}`);
  }
}

async function openStatements(client: pg.Client, pipeline: string): Promise<string[]> {
  if (!(await definitionsExist(client))) return [];
  const { rows } = await client.query<{ sql: string }>(
    `SELECT concat_ws('; ', CASE WHEN status = 'aside' THEN create_sql END,
              CASE WHEN status = 'unchecked' THEN format('ALTER TABLE %s VALIDATE CONSTRAINT %I', d.relid::regclass, name)
                   WHEN constraint_sql IS NOT NULL THEN format('ALTER TABLE %s ADD CONSTRAINT %I %s', d.relid::regclass, name, constraint_sql) END,
              NULLIF(array_to_string(after_sql, '; '), '')) AS sql
     FROM pgsluice.definition d JOIN pg_class c ON c.oid = d.relid WHERE pipeline = $1 AND status <> 'built' AND kind <> ALL($2::text[])
     ORDER BY array_position(ARRAY['index', 'constraint', 'check', 'foreign key'], kind), d.relid, name`,
    [pipeline, keptOff],
  );
  return rows.map((row) => `not built again in the target, run it yourself: ${row.sql}`);
}
