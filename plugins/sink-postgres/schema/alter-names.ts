import type pg from 'pg';
import type { Logger } from '../../../core/base/logger.ts';
import { qualified, quoteIdent } from '../../../core/postgres/quote.ts';

interface Named {
  readonly schema: string;
  readonly name: string;
}

/**
 * Moves a table to its place. A table that has that name and is itself to be moved is moved out of the way first
 * (swaps).
 */
export async function moveTable(client: pg.Client, relid: number, to: Named, log: Logger): Promise<void> {
  const now = await nameOf(client, relid);
  if (now.schema === to.schema && now.name === to.name) return;
  await makeRoom(client, to, log);
  if (now.schema === to.schema) {
    await client.query(`ALTER TABLE ${qualified(now)} RENAME TO ${quoteIdent(to.name)}`);
    return;
  }
  await client.query(`CREATE SCHEMA IF NOT EXISTS ${quoteIdent(to.schema)}`);
  // Through a name that is free in both schemas: the old name may be taken in the new schema, and vice versa.
  const passing = { schema: now.schema, name: `pgsluice_moving_${relid}` };
  await client.query(`ALTER TABLE ${qualified(now)} RENAME TO ${quoteIdent(passing.name)}`);
  await renameClashes(client, relid, { from: now, to }, log);
  await client.query(`ALTER TABLE ${qualified(passing)} SET SCHEMA ${quoteIdent(to.schema)}`);
  await client.query(
    `ALTER TABLE ${qualified({ schema: to.schema, name: passing.name })} RENAME TO ${quoteIdent(to.name)}`,
  );
}

async function nameOf(client: pg.Client, relid: number): Promise<Named> {
  const { rows } = await client.query<{ schema: string; name: string }>(
    `SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1`,
    [relid],
  );
  return rows[0]!;
}

/**
 * A table in our place that this pipeline will still move gets a temporary name; its own step finds it later by its
 * oid. An index or a sequence in our place gets another name. Anything else stays, and the rename fails with the
 * server's message.
 */
async function makeRoom(client: pg.Client, to: Named, log: Logger): Promise<void> {
  const { rows } = await client.query<{ relid: string; relkind: string; ours: string }>(
    `SELECT c.oid AS relid, c.relkind,
            EXISTS (SELECT FROM pgsluice.bulk_table b WHERE b.relid = c.oid AND NOT b.altered)::text AS ours
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`,
    [to.schema, to.name],
  );
  const row = rows[0];
  if (row === undefined) return;
  if (row.ours === 'true') {
    await client.query(`ALTER TABLE ${qualified(to)} RENAME TO ${quoteIdent(`pgsluice_moving_${row.relid}`)}`);
    return;
  }
  if (['i', 'I', 'S'].includes(row.relkind)) await giveFreeName(client, to, row.relkind, { log, base: to.name });
}

/**
 * Indexes and sequences that move with the table, and whose names are taken in the new schema (`s1.a` and `s2.a` into
 * one schema).
 */
async function renameClashes(
  client: pg.Client,
  relid: number,
  names: { readonly from: Named; readonly to: Named },
  log: Logger,
): Promise<void> {
  const { rows } = await client.query<{ name: string; relkind: string }>(
    `SELECT c.relname AS name, c.relkind FROM pg_class c
     WHERE c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = $1
                     UNION SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass
                       AND refobjid = $1 AND deptype IN ('a', 'i') AND refobjsubid > 0)
       AND c.relkind IN ('i', 'I', 'S')
       AND EXISTS (SELECT FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
                   WHERE n.nspname = $2 AND t.relname = c.relname)`,
    [relid, names.to.schema],
  );
  for (const row of rows) {
    const followed = row.name.startsWith(names.from.name)
      ? names.to.name + row.name.slice(names.from.name.length)
      : `${names.to.name}_${row.name}`;
    await giveFreeName(client, { schema: names.from.schema, name: row.name }, row.relkind, {
      log,
      base: followed,
      also: names.to.schema,
    });
  }
}

async function giveFreeName(
  client: pg.Client,
  object: Named,
  relkind: string,
  input: { readonly log: Logger; readonly base: string; readonly also?: string },
): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT c.name FROM (SELECT left($1, 58) AS name, 0 AS i UNION ALL SELECT left($1, 58) || '_' || i, i FROM generate_series(1, 999) i) c
     WHERE NOT EXISTS (SELECT FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
                       WHERE t.relname = c.name AND n.nspname IN ($2, $3)) ORDER BY c.i LIMIT 1`,
    [input.base, object.schema, input.also ?? object.schema],
  );
  const name = rows[0]!.name;
  const kind = relkind === 'S' ? 'SEQUENCE' : 'INDEX';
  await client.query(`ALTER ${kind} ${qualified(object)} RENAME TO ${quoteIdent(name)}`);
  input.log.log(
    'warn',
    'name-taken',
    `${kind.toLowerCase()} ${object.schema}.${object.name} is called ${name} in the target, as its name is taken`,
  );
}
