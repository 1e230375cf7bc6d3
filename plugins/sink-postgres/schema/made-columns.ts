import type pg from 'pg';
import type { TableName } from '../../../core/api/schema-change.ts';
import { qualified } from '../../../core/postgres/quote.ts';
import type { Owner } from '../state.ts';
import type { ForeignPart } from './made-parts.ts';

/**
 * Notes columns that this pipeline added, in the transaction that added them: for all inheriting tables, too. A
 * partition's step adds them to the root of its tree.
 */
export async function noteColumns(
  client: pg.Client,
  owner: Owner,
  {
    names,
    ...of
  }: { readonly names: readonly string[] } & ({ readonly relid: number } | { readonly table: TableName }),
): Promise<void> {
  if (names.length === 0 || !(await isNoted(client))) return;
  await client.query(
    `WITH RECURSIVE heirs AS (
       SELECT coalesce($3::oid, pg_partition_root(to_regclass($4))::oid, to_regclass($4)::oid) AS oid
       UNION SELECT i.inhrelid FROM heirs h JOIN pg_inherits i ON i.inhparent = h.oid)
     UPDATE pgsluice.bulk_table t SET made = t.made || ARRAY(
       SELECT a.attnum FROM pg_attribute a WHERE a.attrelid = t.relid AND a.attname = ANY($5::text[]) AND NOT a.attisdropped)
     FROM heirs h WHERE t.relid = h.oid AND t.pipeline = $1 AND t.sink = $2 AND t.made IS NOT NULL`,
    [owner.pipeline, owner.sink, 'relid' in of ? of.relid : null, 'relid' in of ? null : qualified(of.table), names],
  );
}

/**
 * A column that this pipeline made, or that existed when it took the table over; a column of the open transaction is
 * ours, too.
 */
export async function isMadeColumn(
  client: pg.Client,
  owner: Owner,
  table: TableName,
  column: string,
): Promise<boolean> {
  const noted = `EXISTS (SELECT FROM pgsluice.bulk_table t WHERE t.relid = a.attrelid AND t.pipeline = $3 AND t.sink = $4 AND a.attnum = ANY(t.made))`;
  const known = await isNoted(client);
  const { rows } = await client.query(
    `SELECT FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attname = $2
       AND (a.xmin = pg_current_xact_id()::xid${known ? ` OR ${noted}` : ''})`,
    [qualified(table), column, ...(known ? [owner.pipeline, owner.sink] : [])],
  );
  return rows.length > 0;
}

/** A stream without a copy, or one continued from an older version, has no notes. */
async function isNoted(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query(
    `SELECT FROM pg_attribute WHERE attrelid = to_regclass('pgsluice.bulk_table') AND attname = 'made'`,
  );
  return rows.length > 0;
}

/** Columns of our tables that a user added in the target. Nothing is known of tables that an older version noted. */
export async function addedColumns(client: pg.Client, owner: Owner): Promise<readonly ForeignPart[]> {
  const { rows } = await client.query<Record<'relid' | 'schema' | 'name' | 'column', string>>(
    `SELECT t.relid, n.nspname AS schema, c.relname AS name, a.attname AS "column" FROM pgsluice.bulk_table t
     JOIN pg_class c ON c.oid = t.relid JOIN pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_attribute a ON a.attrelid = t.relid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE t.pipeline = $1 AND t.sink = $2 AND a.attnum <> ALL(t.made) ORDER BY 2, 3, a.attnum`,
    [owner.pipeline, owner.sink],
  );
  return rows.map(({ relid, schema, name, column }) => ({
    relid: Number(relid),
    object: { kind: 'column', name: [schema, name, column], props: {}, facts: {}, needs: [] },
  }));
}
