import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlanStep } from '../../../../../core/pipeline/plan/planner.ts';
import { loadParser } from '../../../../../core/expr/parse.ts';
import { columns } from '../../../../../plugins/transform-columns/plugin.ts';
import { filter } from '../../../../../plugins/transform-filter/plugin.ts';
import { rename } from '../../../../../plugins/transform-rename/plugin.ts';
import { set } from '../../../../../plugins/transform-set/plugin.ts';
import { copyDatabase, openCopy } from '../../../../support/copy-database.ts';
import { type TestDatabase, database, server } from '../../../../support/servers.ts';
import { calm } from '../../../../support/source-context.ts';

await server(15);
await server(17);
await loadParser();

const step = (transform: PlanStep['transform'], tables: readonly string[] | null): PlanStep => ({
  transform,
  tables,
  label: transform.name,
});

async function shop(): Promise<TestDatabase> {
  const db = await database(await server(15), 'shop');
  await db.query(`
    CREATE TABLE customer (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mail text UNIQUE, name text, secret text DEFAULT 'x', age int);
    CREATE TABLE orders (id serial PRIMARY KEY, customer int REFERENCES customer, total numeric(10,2) CHECK (total > 0), state text);
    CREATE INDEX orders_state ON orders (state) WHERE total > 1;
    CREATE VIEW v AS SELECT c.mail, sum(o.total) AS total FROM customer c JOIN orders o ON o.customer = c.id GROUP BY c.mail;
    CREATE TABLE log (at timestamptz, kind text, PRIMARY KEY (at, kind)) PARTITION BY RANGE (at);
    CREATE TABLE log_2023 PARTITION OF log FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
    CREATE TABLE log_2024 PARTITION OF log FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    CREATE INDEX log_kind ON log (kind);
    INSERT INTO customer (mail, name, age) SELECT 'm' || i, 'n' || i, i FROM generate_series(1, 20) i;
    INSERT INTO orders (customer, total, state) SELECT 1 + i % 20, i, CASE WHEN i % 2 = 0 THEN 'open' ELSE 'draft' END FROM generate_series(1, 100) i;
    INSERT INTO log SELECT timestamptz '2023-03-01' + i * interval '10 days', 'k' || i FROM generate_series(1, 40) i;`);
  return db;
}

test('renames of schema, tables and columns carry views, keys, indexes and sequences with them', async () => {
  const source = await shop();
  const target = await database(await server(17));
  await using run = await copyDatabase({
    source: source.url,
    target: { url: target.url },
    steps: [
      step(rename({ to: 'crm.account', columns: { mail: 'name', name: 'mail' } }), ['public.customer']),
      step(rename({ to: 'crm.purchase', columns: { customer: 'account' } }), ['public.orders']),
      step(rename({ to: 'archive.{table}_old', columns: { kind: 'sort' } }), ['public.log_*']),
      step(columns({ drop: ['secret'] }), ['public.customer']),
    ],
  });
  assert.deepEqual(await target.query('SELECT name, mail FROM crm.account ORDER BY id LIMIT 1'), [
    { name: 'm1', mail: 'n1' },
  ]);
  const [view] = await target.query('SELECT count(*)::int AS n, sum(total)::text AS total FROM public.v');
  assert.deepEqual(view, { n: 20, total: '5050.00' });
  const definitions = await target.query<{ def: string }>(`
    SELECT pg_get_constraintdef(oid) || ' ' || convalidated AS def FROM pg_constraint WHERE connamespace IN ('crm'::regnamespace, 'archive'::regnamespace)
      AND contype IN ('p', 'u', 'f') ORDER BY conname`);
  assert.deepEqual(
    definitions.map((row) => row.def),
    [
      'UNIQUE (name) true',
      'PRIMARY KEY (id) true',
      'PRIMARY KEY (at, sort) true',
      'PRIMARY KEY (at, sort) true',
      'PRIMARY KEY (at, sort) true',
      'FOREIGN KEY (account) REFERENCES crm.account(id) true',
      'PRIMARY KEY (id) true',
    ],
  );
  const tables = await target.query<{ name: string }>(
    `SELECT oid::regclass::text AS name FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'crm', 'archive')) ORDER BY 1`,
  );
  assert.deepEqual(
    tables.map((row) => row.name),
    ['archive.log_2023_old', 'archive.log_2024_old', 'archive.log_old', 'crm.account', 'crm.purchase'],
  );
  const [valid] = await target.query(
    `SELECT count(*) FILTER (WHERE NOT indisvalid)::int AS broken, count(*)::int AS n FROM pg_index WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'archive'::regnamespace)`,
  );
  assert.deepEqual(valid, { broken: 0, n: 6 });
  const words = await run.sink.cutover!.setSequences(await run.source.schema.sequences(calm), run.plans, calm);
  assert.deepEqual([...words].sort(), ['sequence crm.customer_id_seq = 20', 'sequence crm.orders_id_seq = 100']);
  const [next] = await target.query(`INSERT INTO crm.account (mail) VALUES ('new') RETURNING id`);
  assert.deepEqual(next, { id: 21 });
});

test('two tables swap their names, and tables of two schemas with the same names of indexes go into one', async () => {
  const source = await database(await server(15));
  await source.query(`
    CREATE TABLE a (id serial PRIMARY KEY, x text); CREATE TABLE b (id serial PRIMARY KEY, y text);
    INSERT INTO a (x) VALUES ('from a'); INSERT INTO b (y) VALUES ('from b');
    CREATE SCHEMA one; CREATE SCHEMA two; CREATE SCHEMA "Three.four";
    CREATE TABLE one.t (id serial PRIMARY KEY); CREATE TABLE two.t (id serial PRIMARY KEY);
    CREATE TABLE "Three.four"."a""b; drop table x" ("C.d" int PRIMARY KEY);
    INSERT INTO "Three.four"."a""b; drop table x" VALUES (7);`);
  const target = await database(await server(17));
  await using run = await copyDatabase({
    source: source.url,
    target: { url: target.url },
    steps: [
      step(rename({ to: 'public.b' }), ['public.a']),
      step(rename({ to: 'public.a' }), ['public.b']),
      step(rename({ to: 'merged.{schema}_{table}' }), ['one.t', 'two.t']),
    ],
  });
  assert.deepEqual(await target.query('SELECT x FROM public.b'), [{ x: 'from a' }]);
  assert.deepEqual(await target.query('SELECT y FROM public.a'), [{ y: 'from b' }]);
  assert.deepEqual(await target.query(`SELECT "C.d" AS c FROM "Three.four"."a""b; drop table x"`), [{ c: 7 }]);
  const keys = await target.query<{ name: string }>(
    `SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indrelid IN ('merged.one_t'::regclass, 'merged.two_t'::regclass) ORDER BY 1`,
  );
  assert.equal(keys.length, 2);
  assert.equal(
    run.log.lines.some((line) => line.event === 'name-taken'),
    true,
  );
});

test('a view on a dropped column is named; with dependents: cascade it goes', async () => {
  const source = await shop();
  const steps = [step(columns({ drop: ['mail'] }), ['public.customer'])];
  const refused = await database(await server(17));
  await using first = await openCopy({ source: source.url, target: { url: refused.url }, steps });
  await assert.rejects(first.prepare(), (error: { code: string; message: string }) => {
    assert.equal(error.code, 'PGS3004');
    assert.match(error.message, /view public\.v/);
    return true;
  });
  const target = await database(await server(17));
  await using run = await copyDatabase({
    source: source.url,
    target: { url: target.url, dependents: 'cascade' },
    steps,
    pipeline: 'cascade',
  });
  assert.deepEqual(await target.query(`SELECT to_regclass('public.v') AS v`), [{ v: null }]);
  assert.equal(
    run.log.lines.some((line) => line.event === 'dependents-dropped'),
    true,
  );
});

test('computed columns get their type and excluded tables are not kept', async () => {
  const source = await shop();
  const target = await database(await server(17));
  await using run = await copyDatabase({
    source: source.url,
    target: { url: target.url },
    exclude: ['public.orders'],
    steps: [
      step(set({ columns: { age: 'age::bigint * 10000000000', label: 'upper(name)' } } as never), ['public.customer']),
    ],
  }).catch(async (error: { code: string; message: string }) => {
    // The view reads the excluded table.
    assert.equal(error.code, 'PGS3004');
    assert.match(error.message, /view public\.v/);
    await target.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP SCHEMA pgsluice CASCADE');
    await source.query('DROP VIEW v');
    return copyDatabase({
      source: source.url,
      target: { url: target.url },
      exclude: ['public.orders'],
      pipeline: 'again',
      steps: [
        step(set({ columns: { age: 'age::bigint * 10000000000', label: 'upper(name)' } } as never), [
          'public.customer',
        ]),
      ],
    });
  });
  assert.deepEqual(await target.query('SELECT age::text, label FROM customer WHERE id = 3'), [
    { age: '30000000000', label: 'N3' },
  ]);
  assert.deepEqual(await target.query(`SELECT to_regclass('public.orders') AS o`), [{ o: null }]);
  assert.equal(run.plans.length, 3);
});

test('a filter that leaves orphans fails the foreign key and names them, and cascade gives the key up', async () => {
  const source = await shop();
  const steps = [step(filter({ where: 'id > 5' }), ['public.customer'])];
  const target = await database(await server(17));
  let query = '';
  await assert.rejects(
    copyDatabase({ source: source.url, target: { url: target.url }, steps }),
    (error: { code: string; message: string }) => {
      assert.equal(error.code, 'PGS3022');
      assert.match(error.message, /25 rows of public\.orders \(customer\) .* ctid \(\d+,\d+\), .* and 20 more/);
      query = /all of them: (SELECT .*)$/.exec(error.message)![1]!;
      return true;
    },
  );
  assert.equal((await target.query(query)).length, 25);
  const other = await database(await server(17));
  await using run = await copyDatabase({
    source: source.url,
    target: { url: other.url, dependents: 'cascade' },
    steps,
    pipeline: 'cascade',
  });
  assert.deepEqual(await other.query(`SELECT count(*)::int AS n FROM pg_constraint WHERE contype = 'f'`), [{ n: 0 }]);
  assert.equal(
    run.log.lines.some((line) => line.event === 'foreign-key-dropped'),
    true,
  );
});
