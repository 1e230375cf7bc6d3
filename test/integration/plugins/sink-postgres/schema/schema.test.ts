import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { SchemaDump } from '../../../../../core/api/snapshot.ts';
import { copyDatabase, openCopy } from '../../../../support/copy-database.ts';
import { richRoles, richSchema } from '../../../../support/rich-schema.ts';
import { type TestDatabase, database, server } from '../../../../support/servers.ts';
import { calm, postgresSource } from '../../../../support/source-context.ts';

// Here, not in a test: a server that a test starts ends with that test.
for (const major of [14, 15, 17, 18]) await server(major);
const before = process.env['PGSLUICE_PG_DUMP'];
process.env['PGSLUICE_PG_DUMP'] = 'wasm';
after(() => {
  if (before === undefined) delete process.env['PGSLUICE_PG_DUMP'];
  else process.env['PGSLUICE_PG_DUMP'] = before;
});

async function dump(url: string): Promise<SchemaDump> {
  await using source = postgresSource({ url }, 'compare');
  return await source.schema.dump(null, calm);
}

/** Objects as text, in no order. */
async function objectsOf(url: string): Promise<string[]> {
  const { objects } = await dump(url);
  return objects.map((o) => `${o.type} ${o.schema ?? '-'}.${o.name} ${o.owner ?? '-'}\n${o.sql}`).sort();
}

/** A new major prints some objects in another way: the same dump restored by plain statements says how. */
async function plainCopy(source: TestDatabase, major: number): Promise<TestDatabase> {
  const reference = await database(await server(major), 'plain');
  const { objects } = await dump(source.url);
  await reference.query(
    `SET search_path = ''; SET check_function_bodies = off; ${objects.map((o) => o.sql).join('\n')}`,
  );
  return reference;
}

/** Only what differs: the whole lists are hundreds of objects. */
async function assertSameObjects(actual: string, expected: string): Promise<void> {
  const [left, right] = [await objectsOf(actual), await objectsOf(expected)];
  const [inLeft, inRight] = [new Set(left), new Set(right)];
  assert.deepEqual(
    left.filter((object) => !inRight.has(object)),
    right.filter((object) => !inLeft.has(object)),
  );
  assert.equal(left.length, right.length);
}

async function fill(db: TestDatabase): Promise<void> {
  await db.query(`
    INSERT INTO app.customer (mail, name, balance) SELECT 'm' || i || '@x', 'n' || i, i FROM generate_series(1, 50) i;
    ALTER TABLE app.orders DROP CONSTRAINT orders_number;
    INSERT INTO app.orders (customer, number, total, doc) SELECT 10 + 2 * (i % 50), CASE i WHEN 7 THEN -1 ELSE i END, i, '{}' FROM generate_series(1, 100) i;
    SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE app.orders ADD CONSTRAINT orders_number CHECK (number > 0) NOT VALID;
    ALTER TABLE app.bare DROP CONSTRAINT bare_parent;
    INSERT INTO app.bare SELECT i, E'tab\\there' FROM generate_series(1, 10) i;
    INSERT INTO app.bare VALUES (99, 'orphan');
    ALTER TABLE app.bare ADD CONSTRAINT bare_parent FOREIGN KEY (a) REFERENCES app.parent NOT VALID;
    INSERT INTO app.no_columns DEFAULT VALUES;
    INSERT INTO app.no_columns DEFAULT VALUES;
    INSERT INTO app.child (id, note, extra) VALUES (1, 'child', 2);
    INSERT INTO app.parent (id, note) VALUES (1, 'parent');
    INSERT INTO app.event SELECT i, '2023-06-01', 'a' FROM generate_series(1, 20) i;
    INSERT INTO app.event SELECT i, '2024-06-01', 'z' FROM generate_series(1, 20) i;
    INSERT INTO "We""ird; DROP TABLE x"."Ta""ble; x" VALUES (1, 'x');`);
}

for (const [from, to] of [
  [14, 18],
  [15, 17],
  [18, 18],
] as const) {
  test(`a rich schema with rows is the same afterwards, ${from} to ${to}`, async () => {
    const source = await database(await server(from), 'rich');
    await source.query(richRoles);
    await source.query(richSchema(from));
    await fill(source);
    const target = await database(await server(to), 'copy');
    await target.query(richRoles);
    await using run = await copyDatabase({ source: source.url, target: { url: target.url }, pipeline: 'cleaned' });
    assert.deepEqual(await run.sink.cleanup(), [
      'put back in the target: ALTER TABLE ONLY app.orders ENABLE ALWAYS TRIGGER orders_touch',
      'state of pipeline cleaned in schema pgsluice of the target',
      'schema pgsluice of the target',
    ]);
    const expected = from === to ? source : await plainCopy(source, to);
    await assertSameObjects(target.url, expected.url);
    for (const plan of run.plans) {
      const name = `"${plan.output.schema.replaceAll('"', '""')}"."${plan.output.name.replaceAll('"', '""')}"`;
      const sql = `SELECT count(*)::int AS n, coalesce(sum(hashtext(t::text)), 0)::text AS h FROM ONLY ${name} t`;
      assert.deepEqual(await target.query(sql), await source.query(sql), name);
    }
    const [view] = await target.query('SELECT count(*)::int AS n FROM app.sums');
    assert.deepEqual(view, { n: 50 });
    const warned = run.log.lines.filter((line) => line.level === 'warn').map((line) => line.event);
    assert.deepEqual(warned, []);
  });
}

test('a target that has a table of the plan is refused by name and left as it is', async () => {
  const on = await server(17);
  const source = await database(on);
  await source.query('CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)');
  const target = await database(on);
  await target.query('CREATE TABLE b (other text)');
  await using run = await openCopy({ source: source.url, target: { url: target.url } });
  await assert.rejects(run.prepare(), { code: 'PGS3001', message: /public\.b/ });
  const tables = await target.query(`SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace`);
  assert.deepEqual(tables, [{ relname: 'b' }]);
});
