import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadParser } from '../../../../../core/expr/parse.ts';
import { relationName } from '../../../../../core/postgres/relation.ts';
import { copyDatabase, copyTable, openCopy } from '../../../../support/copy-database.ts';
import { type TestDatabase, database, server } from '../../../../support/servers.ts';
import { calm } from '../../../../support/source-context.ts';

await server(15);
await server(17);
await loadParser();

/** One small table, one that is not, a tree of small partitions and one that has a large one, with keys between them. */
async function shop(): Promise<TestDatabase> {
  const db = await database(await server(15), 'small');
  await db.query(`
    CREATE TABLE little (id int PRIMARY KEY, name text UNIQUE DEFERRABLE, parent int REFERENCES little);
    CREATE INDEX little_lower ON little (lower(name));
    CREATE TABLE big (id int PRIMARY KEY, little int REFERENCES little, pad text);
    CREATE INDEX big_pad ON big (pad);
    CREATE TABLE part (id int, at int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (100);
    CREATE TABLE mixed (id int, at int, pad text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE mixed_1 PARTITION OF mixed FOR VALUES FROM (0) TO (10);
    CREATE TABLE mixed_2 PARTITION OF mixed FOR VALUES FROM (10) TO (100000);
    ALTER TABLE little ADD part_id int, ADD part_at int, ADD FOREIGN KEY (part_id, part_at) REFERENCES part;
    INSERT INTO little SELECT i, 'row ' || i, nullif(i - 1, 0) FROM generate_series(1, 50) i;
    INSERT INTO big SELECT i, 1 + i % 50, repeat('x', 200) FROM generate_series(1, 8000) i;
    INSERT INTO part SELECT i, i FROM generate_series(1, 20) i;
    INSERT INTO mixed SELECT i, i, repeat('x', 200) FROM generate_series(1, 8000) i;
    UPDATE little SET part_id = 3, part_at = 3 WHERE id = 7;`);
  return db;
}

/** Read only: shared by the tests of this file. */
const source = await shop();

const tables = `('little', 'big', 'part', 'part_1', 'mixed', 'mixed_1', 'mixed_2')`;
const definitions = `
  SELECT pg_get_indexdef(indexrelid) AS def FROM pg_index WHERE indrelid::regclass::text IN ${tables}
  UNION ALL SELECT conrelid::regclass || pg_get_constraintdef(oid) || convalidated FROM pg_constraint
  WHERE conrelid::regclass::text IN ${tables} AND contype <> 'n' AND NOT (contype = 'f' AND conparentid <> 0) ORDER BY 1`;
const kept = `SELECT indexrelid::regclass::text AS name FROM pg_index
  WHERE indrelid::regclass::text IN ${tables} ORDER BY 1`;

test('indexes of small tables and of trees of small partitions stay in place, all others are set aside; at the end all is as it was', async () => {
  const target = await database(await server(17));
  await using run = await openCopy({ source: source.url, target: { url: target.url }, sizes: true });
  await run.prepare();
  assert.deepEqual(await target.query(kept), [
    { name: 'little_lower' },
    { name: 'little_name_key' },
    { name: 'little_pkey' },
    { name: 'part_1_pkey' },
    { name: 'part_pkey' },
  ]);
  assert.deepEqual(
    await target.query(`SELECT conrelid::regclass::text AS name FROM pg_constraint WHERE contype = 'f'`),
    [],
  );
  const session = await run.source.snapshot.open({ kind: 'new' }, calm);
  await run.copy(session);
  await session[Symbol.asyncDispose]();
  await run.sink.snapshot.finish(run.plans, calm);
  assert.deepEqual(await target.query(definitions), await source.query(definitions));
  for (const table of ['little', 'big', 'part', 'mixed'])
    assert.deepEqual(
      await target.query(`SELECT * FROM ${table} ORDER BY id`),
      await source.query(`SELECT * FROM ${table} ORDER BY id`),
    );
});

test('a small table that is loaded again after its commit is not doubled, by either route', async () => {
  const target = await database(await server(17));
  await using run = await openCopy({ source: source.url, target: { url: target.url }, sizes: true });
  const session = await run.source.snapshot.open({ kind: 'new' }, calm);
  await run.prepare();
  const plan = run.plans.find(({ source: table }) => relationName(table) === 'public.little')!;
  for (const route of [plan.route, { kind: 'rows', because: 'test' }] as const) {
    for (let times = 0; times < 2; times++) {
      const { rows } = await copyTable(run.sink, session, { ...plan, route }, 1 << 28);
      assert.equal(rows, 50n);
      assert.deepEqual(await target.query('SELECT count(*)::int AS n FROM little'), [{ n: 50 }]);
    }
  }
  await session[Symbol.asyncDispose]();
});

test('a row that a kept index refuses: the table, the chunk and SQLSTATE, nothing of the table stays', async () => {
  const target = await database(await server(17));
  await target.query(`CREATE TABLE little (id int PRIMARY KEY, name text, parent int, part_id int, part_at int);
    CREATE UNIQUE INDEX ON little (length(name));
    CREATE TABLE big (id int, little int, pad text); CREATE TABLE part_1 (id int, at int);
    CREATE TABLE mixed_1 (id int, at int, pad text); CREATE TABLE mixed_2 (id int, at int, pad text)`);
  await assert.rejects(
    copyDatabase({ source: source.url, target: { url: target.url, schema: 'existing' }, sizes: true }),
    (error: { code: string; message: string; where: { table: string; sqlstate: string } }) => {
      assert.equal(error.code, 'PGS3010');
      assert.equal(error.where.table, 'public.little');
      assert.equal(error.where.sqlstate, '23505');
      assert.doesNotMatch(error.message, /row \d{2}'/);
      return true;
    },
  );
  assert.deepEqual(await target.query('SELECT count(*)::int AS n FROM little'), [{ n: 0 }]);
});

test('the notes on many tables have statistics before the copies begin', async () => {
  const own = await database(await server(15), 'many');
  const many = Array.from(
    { length: 120 },
    (_, i) => `CREATE TABLE t${i} (id int PRIMARY KEY); INSERT INTO t${i} VALUES (${i})`,
  );
  await own.query(many.join(';'));
  const target = await database(await server(17));
  await using run = await openCopy({ source: own.url, target: { url: target.url } });
  await run.prepare();
  // Without them a statement about one table is planned as if it were the only one.
  const [statistics] = await target.query<{ n: number }>(
    `SELECT reltuples::int AS n FROM pg_class WHERE oid = 'pgsluice.bulk_table'::regclass`,
  );
  assert.deepEqual(statistics, { n: many.length });
});
