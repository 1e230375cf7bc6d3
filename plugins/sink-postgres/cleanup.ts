import type pg from 'pg';

/**
 * Removes this pipeline's rows from every table of the state schema (the change plane's and the checkpoint's too), and the
 * schema when nothing of any pipeline is left in it. Definitions that were set aside and not built again are told as SQL, as
 * nothing else knows them then (I10). Never a user's table.
 */
export async function cleanupState(client: pg.Client, pipeline: string): Promise<readonly string[]> {
  const { rows: tables } = await client.query<{ name: string; keyed: string }>(
    `SELECT c.oid::regclass::text AS name,
            EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'pipeline')::text AS keyed
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'pgsluice' AND c.relkind = 'r' ORDER BY 1`,
  );
  if (tables.length === 0) return [];
  const done = await openStatements(client, pipeline);
  let removed = 0;
  let left = tables.some((table) => table.keyed !== 'true');
  await client.query('BEGIN');
  for (const table of tables.filter((t) => t.keyed === 'true')) {
    removed += (await client.query(`DELETE FROM ${table.name} WHERE pipeline = $1`, [pipeline])).rowCount ?? 0;
    const { rows } = await client.query(`SELECT 1 FROM ${table.name} LIMIT 1`);
    left ||= rows.length > 0;
  }
  if (!left) await client.query('DROP SCHEMA pgsluice CASCADE');
  await client.query('COMMIT');
  if (removed > 0) done.push(`state of pipeline ${pipeline} in schema pgsluice of the target`);
  if (!left) done.push('schema pgsluice of the target');
  return done;
}

async function openStatements(client: pg.Client, pipeline: string): Promise<string[]> {
  const { rows: there } = await client.query<{ there: string | null }>(
    `SELECT to_regclass('pgsluice.definition')::text AS there`,
  );
  if (there[0]?.there === null) return [];
  const { rows } = await client.query<{ sql: string }>(
    `SELECT concat_ws('; ', CASE WHEN status = 'aside' THEN create_sql END,
              CASE WHEN status = 'unchecked' THEN format('ALTER TABLE %s VALIDATE CONSTRAINT %I', d.relid::regclass, name)
                   WHEN constraint_sql IS NOT NULL THEN format('ALTER TABLE %s ADD CONSTRAINT %I %s', d.relid::regclass, name, constraint_sql) END,
              NULLIF(array_to_string(after_sql, '; '), '')) AS sql
     FROM pgsluice.definition d JOIN pg_class c ON c.oid = d.relid WHERE pipeline = $1 AND status <> 'built'
     ORDER BY array_position(ARRAY['index', 'constraint', 'check', 'foreign key', 'trigger'], kind), d.relid, name`,
    [pipeline],
  );
  return rows.map((row) => `not built again in the target, run it yourself: ${row.sql}`);
}
