import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Relation, relationName } from '../../../../../core/postgres/relation.ts';
import type { PostgresSource } from '../../../../../plugins/source-postgres/source.ts';
import { PgsluiceError } from '../../../../../core/base/error.ts';
import { richRoles, richSchema, richUnpublishable } from '../../../../support/rich-schema.ts';
import { type TestDatabase, database, server } from '../../../../support/servers.ts';
import { calm, postgresSource } from '../../../../support/source-context.ts';
import { readCatalog } from '../../../../../core/api/source.ts';

const majors = [14, 18];
for (const major of majors) await server(major);

async function catalogOf(source: PostgresSource): Promise<Map<string, Relation>> {
  const { tables } = await readCatalog(source, calm);
  return new Map(tables.map(({ relation }) => [relationName(relation), relation]));
}

async function publication(db: TestDatabase): Promise<string[]> {
  const rows = await db.query<{ name: string }>(
    `SELECT schemaname || '.' || tablename AS name FROM pg_publication_tables WHERE pubname LIKE 'pgsluice%' ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

const published = (relations: Iterable<Relation>) =>
  [...relations].map((relation) => ({ relation, where: null, columns: null }));

for (const major of majors) {
  test(`a rich schema on ${major}: tables, keys, identities, types; publication refused whole, then made`, async () => {
    const db = await database(await server(major), 'cat');
    await db.query(richRoles);
    await db.query(richSchema(major));
    await using source = postgresSource({ url: db.url }, db.name);
    const tables = await catalogOf(source);
    const identity = (name: string) => tables.get(name)!.identity;
    assert.ok(!tables.has('app.event') && !tables.has('app.remote') && !tables.has('app.rich'));
    assert.equal(tables.get('app.event_2024_a')!.kind, 'partition');
    assert.deepEqual(tables.get('app.booking')!.primaryKey, [0, 1]);
    assert.deepEqual(identity('app.full_identity'), { kind: 'full' });
    assert.deepEqual(identity('app.index_identity'), { kind: 'key', positions: [0] });
    assert.deepEqual(identity('app.deferred_key'), { kind: 'nothing' });
    const customer = tables.get('app.customer')!.columns;
    assert.ok(!customer.some(({ name }) => name.includes('gone') || name.includes('dropped')));
    assert.equal(customer.find(({ name }) => name === 'upper_name')!.generated, 'stored');
    assert.equal(customer[0]!.identity, 'always');
    assert.equal(tables.get(`We"ird; DROP TABLE x.Ta"ble; x`)!.columns[0]!.name, 'Co"l');
    if (major >= 18) assert.equal(tables.get('app.virtual_column')!.columns[1]!.generated, 'virtual');

    await assert.rejects(
      source.control.publication.publish(published(tables.values()), calm),
      (error: PgsluiceError) => {
        assert.equal(error.code, 'PGS2103');
        for (const name of richUnpublishable) assert.ok(error.message.includes(name), name);
        assert.match(error.message, /"app"."scratch" SET LOGGED/);
        return true;
      },
    );
    assert.deepEqual(await publication(db), []);
    const good = [...tables].filter(([name]) => !richUnpublishable.includes(name));
    await source.control.publication.publish(published(good.map(([, relation]) => relation)), calm);
    assert.deepEqual(await publication(db), good.map(([name]) => name).sort());
    await source.control.publication.publish(published(good.slice(0, 3).map(([, relation]) => relation)), calm);
    assert.deepEqual(
      await publication(db),
      good
        .slice(0, 3)
        .map(([name]) => name)
        .sort(),
    );
    await source.control.publication.publish([], calm);
    assert.deepEqual(await publication(db), []);
    // Writes on published tables go on.
    await db.query(`INSERT INTO app.parent VALUES (5); UPDATE app.parent SET note = 'x'; DELETE FROM app.parent`);
    assert.deepEqual(await source.control.cleanup(calm), [`publication pgsluice_${db.name}`]);
  });
}

test('the remedy names the statement, a unique index that would do, and filters outside the key', async () => {
  const db = await database(await server(18), 'cat');
  await db.query(`CREATE TABLE cand (a int NOT NULL, b text); CREATE UNIQUE INDEX "cand A" ON cand (a);
    CREATE TABLE lost (a int NOT NULL); CREATE UNIQUE INDEX lost_a ON lost (a); ALTER TABLE lost REPLICA IDENTITY USING INDEX lost_a;
    DROP INDEX lost_a; CREATE TABLE nothing (id int PRIMARY KEY); ALTER TABLE nothing REPLICA IDENTITY NOTHING;
    CREATE TABLE good (id int, state text, PRIMARY KEY (id) INCLUDE (state))`);
  await using source = postgresSource({ url: db.url }, db.name);
  const tables = await catalogOf(source);
  const refusal = async (...args: Parameters<PostgresSource['control']['publication']['publish']>) =>
    await source.control.publication.publish(...args).then(
      () => assert.fail('published'),
      (error: PgsluiceError) => error,
    );
  const all = await refusal(published(tables.values()), calm);
  assert.match(all.message, /"public"."cand" REPLICA IDENTITY USING INDEX "cand A";/);
  assert.match(all.message, /"public"."lost" REPLICA IDENTITY FULL;/);
  assert.match(all.message, /"public"."nothing" REPLICA IDENTITY DEFAULT;/);
  const good = tables.get('public.good')!;
  const filtered = await refusal([{ relation: good, where: `state <> 'x'`, columns: null }], calm);
  assert.equal(filtered.code, 'PGS2106');
  assert.match(filtered.message, /reads state/);
  assert.deepEqual(await db.query('SELECT FROM pg_publication'), []);
  const listed = await refusal([{ relation: good, where: null, columns: ['state'] }], calm);
  assert.equal(listed.code, 'PGS2103');
  // One problem is said once: what is wrong in the message, what mends it in the remedy.
  const nothing = await refusal([{ relation: tables.get('public.nothing')!, where: null, columns: null }], calm);
  assert.equal(nothing.message, 'public.nothing has REPLICA IDENTITY NOTHING');
  assert.equal(nothing.remedy, 'ALTER TABLE "public"."nothing" REPLICA IDENTITY DEFAULT;');
  await source.control.publication.publish([{ relation: good, where: 'id > 1', columns: ['id', 'state'] }], calm);
  await db.query(`INSERT INTO good VALUES (1, 'x'), (2, 'y'); UPDATE good SET state = 'z'`);
  const other = postgresSource({ url: db.url, publication: { name: 'everything' } }, db.name);
  await db.query('CREATE PUBLICATION everything FOR ALL TABLES');
  await assert.rejects(other.control.publication.publish(published([good]), calm), { code: 'PGS2180' });
});

test('an empty database, and a pattern that matches nothing', async () => {
  const db = await database(await server(18), 'cat');
  await assert.rejects(readCatalog(postgresSource({ url: db.url }, 'p'), calm), { code: 'PGS2102' });
  await db.query('CREATE TABLE orders (id int PRIMARY KEY)');
  await assert.rejects(
    readCatalog(postgresSource({ url: db.url, tables: { include: ['order'] } }, 'p'), calm),
    /did you mean "public.orders"/,
  );
});

test('sequences with their state and owners; position, messages', async () => {
  const db = await database(await server(14), 'cat');
  await db.query(`CREATE TABLE t (id serial PRIMARY KEY, n bigint GENERATED ALWAYS AS IDENTITY); CREATE SEQUENCE free START 7;
    CREATE SEQUENCE down INCREMENT -1; SELECT nextval('down'); SELECT setval('t_id_seq', 42, false); INSERT INTO t DEFAULT VALUES`);
  await using source = postgresSource({ url: db.url }, db.name);
  const state = (await source.schema.sequences(calm)).map(
    (s) => `${relationName(s)} ${s.lastValue} ${s.isCalled} ${s.ownedBy?.column ?? '-'}`,
  );
  assert.deepEqual(state, [
    'public.down -1 true -',
    'public.free 7 false -',
    'public.t_id_seq 42 true id',
    'public.t_n_seq 1 true n',
  ]);
  const before = (await source.open(calm)).end;
  const at = await source.control.emit('hello', calm);
  assert.ok(at > before);
  assert.ok((await source.open(calm)).end >= at);
  assert.equal(await source.control.slot.status(calm), null);
  await source.control.slot.make(calm);
  const slot = (await source.control.slot.status(calm))!;
  assert.equal(slot.active, false);
  assert.ok(slot.confirmed > before && slot.walStatus === 'reserved' && slot.retainedBytes >= 0);
  await source.control.cleanup(calm);
});
