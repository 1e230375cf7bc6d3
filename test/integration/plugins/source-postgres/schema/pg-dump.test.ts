import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import pg from 'pg';
import type { SchemaDump, SchemaObject } from '../../../../../core/api/snapshot.ts';
import { findNative } from '../../../../../plugins/source-postgres/schema/native.ts';
import { richRoles, richSchema } from '../../../../support/rich-schema.ts';
import { type TestDatabase, database, server } from '../../../../support/servers.ts';
import { calm, postgresSource } from '../../../../support/source-context.ts';
import { readCatalog } from '../../../../../core/api/source.ts';

const before = process.env['PGSLUICE_PG_DUMP'];
after(() => {
  if (before === undefined) delete process.env['PGSLUICE_PG_DUMP'];
  else process.env['PGSLUICE_PG_DUMP'] = before;
});

// Here, not in a test: a server that a test starts ends with that test.
for (const major of [14, 15, 16, 17, 18]) await server(major);

async function rich(major: number): Promise<TestDatabase> {
  const db = await database(await server(major), 'rich');
  await db.query(richRoles);
  await db.query(richSchema(major));
  return db;
}

async function dump(url: string, by: string): Promise<SchemaDump> {
  process.env['PGSLUICE_PG_DUMP'] = by;
  await using source = postgresSource({ url }, 'dumped');
  return await source.schema.dump(null, calm);
}

/** Restores object by object; returns the errors, with the object's name. */
async function restore(objects: readonly SchemaObject[], url: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const errors: string[] = [];
  await client.query(`SET search_path = ''; SET check_function_bodies = off; SET client_min_messages = error`);
  for (const object of objects) {
    await client
      .query(object.sql)
      .catch((error: Error) => errors.push(`${object.type} ${object.schema}.${object.name}: ${error.message}`));
  }
  await client.end();
  return errors;
}

/** Without what differs by the version of pg_dump or of the server, in no order. */
function named(dumped: SchemaDump): string[] {
  return dumped.objects.map((o) => `${o.section} ${o.type} ${o.schema ?? '-'}.${o.name} ${o.owner ?? '-'}`).sort();
}

for (const [from, to] of [
  [14, 14],
  [14, 18],
  [15, 17],
  [16, 16],
  [17, 18],
  [18, 18],
] as const) {
  test(`every object of a rich schema restores, ${from} to ${to}, pg_dump as WebAssembly`, async () => {
    const source = await rich(from);
    const target = await database(await server(to), 'copy');
    await target.query(richRoles);
    const first = await dump(source.url, 'wasm');
    assert.match(first.by, /WebAssembly/);
    assert.ok(first.objects.length > 150, `only ${first.objects.length} objects`);
    assert.deepEqual(await restore(first.objects, target.url), []);
    // The copy's own dump has the same objects, so nothing was lost on the way.
    const second = await dump(target.url, 'wasm');
    assert.deepEqual(named(second), named(first));
    if (from === to) assert.deepEqual(sqlOf(second), sqlOf(first));
  });
}

function sqlOf(dumped: SchemaDump): string[] {
  return dumped.objects.map((object) => object.sql).sort();
}

test('a native pg_dump gives the same objects as the WebAssembly one', async (t) => {
  const native = (await findNative(18)) ?? (await findNative(15)) ?? (await findNative(14));
  if (native === null) return t.diagnostic('no native pg_dump on this machine: compared with nothing');
  const major = Math.min(18, native.major);
  const source = await rich(major);
  const [ours, theirs] = [await dump(source.url, 'wasm'), await dump(source.url, native.path)];
  assert.match(theirs.by, new RegExp(`^pg_dump ${native.major}`));
  assert.deepEqual(named(theirs), named(ours));
  const target = await database(await server(18), 'copy');
  await target.query(richRoles);
  assert.deepEqual(await restore(theirs.objects, target.url), []);
});

test('the dump reads the snapshot, and leaves our schema and publication out', async () => {
  const db = await database(await server(17), 'snap');
  await db.query(
    'CREATE TABLE kept (id int PRIMARY KEY); CREATE SCHEMA pgsluice; CREATE TABLE pgsluice.state (k text)',
  );
  process.env['PGSLUICE_PG_DUMP'] = 'wasm';
  const pipeline = db.name;
  await using source = postgresSource({ url: db.url, snapshot: { workers: 1 } }, pipeline);
  const { tables } = await readCatalog(source, calm);
  assert.deepEqual(
    tables.map(({ relation }) => relation.name),
    ['kept'],
  );
  await source.control.publication.publish(
    tables.map(({ relation }) => ({ relation, where: null, columns: null })),
    calm,
  );
  const session = await source.snapshot.open({ kind: 'new' }, calm);
  await db.query('CREATE TABLE later (id int PRIMARY KEY)');
  const { objects } = await source.schema.dump(session, calm);
  await session[Symbol.asyncDispose]();
  assert.deepEqual(
    objects.map(({ type, name }) => `${type} ${name}`),
    ['TABLE kept', 'CONSTRAINT kept kept_pkey'],
  );
  await source.control.cleanup(calm);
});

test('a pg_dump that is not there or too old is refused', async () => {
  const db = await database(await server(18), 'old');
  await assert.rejects(dump(db.url, '/nowhere/pg_dump'), { code: 'PGS2131' });
  const native = await findNative(14);
  if (native !== null && native.major < 18) await assert.rejects(dump(db.url, native.path), { code: 'PGS2131' });
});
