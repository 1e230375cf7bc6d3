import type pg from 'pg';
import { quoteIdent } from '../../../core/postgres/quote.ts';
import type { AlterOptions } from './alter.ts';
import type { ColumnChanges } from '../../../core/api/column-changes.ts';
import { dropReporting } from './drop-reporting.ts';

interface Existing {
  readonly table: string;
  readonly columns: ReadonlySet<string>;
  /** Inherited columns, which are changed in the parent. */
  readonly inherited: ReadonlySet<string>;
}

/** Runs the changes on an empty table; an inherited column was changed in the parent. */
export async function changeColumns(
  client: pg.Client,
  relid: number,
  changes: ColumnChanges,
  options: AlterOptions,
): Promise<void> {
  const existing = await readExisting(client, relid);
  const local = (name: string): boolean => existing.columns.has(name) && !existing.inherited.has(name);
  for (const name of changes.drop.filter(local)) await dropColumn(client, existing.table, name, options);
  await renameColumns(
    client,
    existing.table,
    changes.rename.filter((r) => local(r.from)),
  );
  const renamed = await readExisting(client, relid);
  for (const { name, type, nullable } of changes.retype) {
    if (renamed.inherited.has(name)) continue;
    const column = `ALTER TABLE ${renamed.table} ALTER COLUMN ${quoteIdent(name)}`;
    if (nullable) await client.query(`${column} DROP NOT NULL`);
    if (type === null) continue;
    // A default of the old type may not cast to the new one.
    await client.query(`${column} DROP DEFAULT; ${column} TYPE ${type} USING NULL::${type}`);
  }
  for (const { name, type } of changes.add) {
    if (renamed.columns.has(name)) continue;
    await client.query(`ALTER TABLE ${renamed.table} ADD COLUMN ${quoteIdent(name)} ${type}`);
  }
}

async function readExisting(client: pg.Client, relid: number): Promise<Existing> {
  const { rows } = await client.query<{ tbl: string; name: string | null; inherited: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS tbl, a.attname AS name, (a.attinhcount > 0)::text AS inherited
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped WHERE c.oid = $1`,
    [relid],
  );
  const named = rows.filter((row) => row.name !== null);
  return {
    table: rows[0]!.tbl,
    columns: new Set(named.map((row) => row.name!)),
    inherited: new Set(named.filter((row) => row.inherited === 'true').map((row) => row.name!)),
  };
}

async function dropColumn(client: pg.Client, table: string, name: string, options: AlterOptions): Promise<void> {
  await reportLost(client, table, name, options);
  const mode = options.dependents === 'cascade' ? 'CASCADE' : 'RESTRICT';
  await dropReporting(client, `ALTER TABLE ${table} DROP COLUMN ${quoteIdent(name)} ${mode}`, {
    table,
    log: options.log,
  });
}

/** DROP COLUMN silently drops indexes and constraints that use the column; this logs them. */
async function reportLost(client: pg.Client, table: string, name: string, options: AlterOptions): Promise<void> {
  const { rows } = await client.query<{ label: string }>(
    `SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0) AS label
     FROM pg_attribute a JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid
       AND d.refobjsubid = a.attnum AND d.deptype IN ('a', 'i')
     WHERE a.attrelid = $1::regclass AND a.attname = $2
       AND d.classid IN ('pg_class'::regclass, 'pg_constraint'::regclass, 'pg_statistic_ext'::regclass)`,
    [table, name],
  );
  for (const { label } of rows) {
    options.log.log('warn', 'dependents-dropped', `${label} of ${table} goes with its column ${name}`, { table });
  }
}

/** Names may be exchanged, so a column in the way gets a temporary name first. */
async function renameColumns(
  client: pg.Client,
  table: string,
  renames: readonly { readonly from: string; readonly to: string }[],
): Promise<void> {
  const sources = new Set(renames.map((r) => r.from));
  const clash = renames.some((r) => sources.has(r.to));
  const rename = (from: string, to: string): Promise<unknown> =>
    client.query(`ALTER TABLE ${table} RENAME COLUMN ${quoteIdent(from)} TO ${quoteIdent(to)}`);
  if (!clash) {
    for (const r of renames) await rename(r.from, r.to);
    return;
  }
  for (const [i, r] of renames.entries()) await rename(r.from, `pgsluice rename ${i}`);
  for (const [i, r] of renames.entries()) await rename(`pgsluice rename ${i}`, r.to);
}
