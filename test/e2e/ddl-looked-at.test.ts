import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Live, live } from '../support/live.ts';
import { short } from '../support/long.ts';
import { schemaDifferences } from '../support/manifest.ts';
import { server } from '../support/servers.ts';

await server(14);
await server(18);

const source = `
CREATE TYPE mood AS ENUM ('low', 'high'); CREATE TYPE pair AS (a int, b text); CREATE DOMAIN small AS int CHECK (VALUE < 10);
CREATE TYPE tone AS ENUM ('flat', 'sharp'); CREATE TABLE typed (id int PRIMARY KEY, m mood, ms mood[], p pair, s small, n tone);
INSERT INTO typed VALUES (1, 'low', '{high}', '(1,x)', 1, 'flat');
CREATE TABLE plain (id int PRIMARY KEY, a int, b text DEFAULT 'b', c text);
CREATE TABLE wide (id int PRIMARY KEY, v varchar(5) NOT NULL, n int);
CREATE TABLE "Old N" (id int PRIMARY KEY, v int);
CREATE TABLE gone (id int PRIMARY KEY);
CREATE TABLE loose (id int PRIMARY KEY, v int NOT NULL CHECK (v > 0), u int CONSTRAINT loose_u UNIQUE);
CREATE TABLE tree (k int PRIMARY KEY, a int, b text) PARTITION BY RANGE (k);
CREATE TABLE tree_1 PARTITION OF tree FOR VALUES FROM (0) TO (10);
CREATE TABLE tree_2 PARTITION OF tree FOR VALUES FROM (10) TO (20);
CREATE TABLE tree_3 PARTITION OF tree FOR VALUES FROM (20) TO (30);
CREATE TABLE tree_4 PARTITION OF tree FOR VALUES FROM (30) TO (40);
CREATE TABLE twigs (k int PRIMARY KEY, a int, b text) PARTITION BY RANGE (k);
CREATE TABLE upped (id int PRIMARY KEY, c text);
CREATE TABLE drawn (id int PRIMARY KEY);
CREATE TABLE early (id int PRIMARY KEY, a text, last text);
INSERT INTO plain SELECT i, i, 'b' || i, 'c' FROM generate_series(1, 5) i;
INSERT INTO wide SELECT i, 'v' || i, i FROM generate_series(1, 5) i;
INSERT INTO "Old N" VALUES (1, 1); INSERT INTO gone VALUES (1); INSERT INTO loose VALUES (1, 1, 1);
INSERT INTO tree SELECT i, i, 'b' FROM generate_series(1, 39) i;
INSERT INTO upped VALUES (1, 'low'); INSERT INTO drawn VALUES (1), (2); INSERT INTO early VALUES (1, 'a', 'l');
`;

/** Looked at before rows come: the target is brought there without a copy. */
const told = [
  `ALTER TABLE plain ADD d text NOT NULL DEFAULT 'q', ADD e int`,
  'ALTER TABLE plain RENAME a TO aa',
  'ALTER TABLE plain RENAME c TO a',
  `ALTER TABLE plain ALTER b SET DEFAULT 'other'`,
  `COMMENT ON COLUMN plain.b IS 'é'`,
  'CREATE INDEX plain_b ON plain (b)',
  'ALTER TABLE wide ALTER v TYPE varchar(50), ALTER v DROP NOT NULL',
  'ALTER TABLE wide DROP n',
  'ALTER TABLE "Old N" RENAME TO "New N"',
  'DROP TABLE gone',
  'ALTER TABLE loose DROP CONSTRAINT loose_v_check, DROP CONSTRAINT loose_u, ALTER v DROP NOT NULL',
  'ALTER TABLE tree DETACH PARTITION tree_3',
  'ALTER TABLE tree DETACH PARTITION tree_4',
  'ALTER TABLE twigs ATTACH PARTITION tree_4 FOR VALUES FROM (30) TO (40)',
  'ALTER TABLE tree DROP a',
  `ALTER TABLE tree ADD c int DEFAULT 7`,
  'CREATE INDEX tree_b ON tree (b)',
  'CREATE INDEX twigs_b ON twigs (b)',
  `ALTER TYPE mood ADD VALUE 'middle' BEFORE 'high'`,
  `ALTER TYPE tone RENAME VALUE 'flat' TO 'minor'`,
  'ALTER DOMAIN small DROP CONSTRAINT small_check',
  `ALTER DOMAIN small SET DEFAULT 3`,
  'ALTER TYPE pair ADD ATTRIBUTE c mood',
  `CREATE TYPE fresh AS ENUM ('f')`,
  'CREATE DOMAIN fresh_too AS fresh[]',
  `ALTER TABLE typed ADD f fresh, ADD ff fresh_too DEFAULT '{f}'`,
];
const rows = [
  `INSERT INTO plain (id, a) VALUES (9, 9)`,
  `UPDATE plain SET aa = 0 WHERE id = 1`,
  `INSERT INTO wide VALUES (9, 'longer than five'), (10, NULL)`,
  `INSERT INTO "New N" VALUES (2, 2)`,
  `INSERT INTO loose VALUES (2, -1, 1), (3, NULL, 1)`,
  `UPDATE tree SET c = k`,
  `INSERT INTO tree VALUES (0, 'z')`,
  `UPDATE twigs SET a = 0`,
  `INSERT INTO typed VALUES (2, 'middle', '{low,middle}', '(2,y,middle)', 1000, 'minor', 'f', '{f,f}')`,
];

/** The rows were written before anybody looked, or have values that only the source knows: the table is copied again. */
const copied = [
  `ALTER TABLE upped ALTER c TYPE text USING upper(c)`,
  'ALTER TABLE drawn ADD r float8 DEFAULT random()',
  'ALTER TABLE early DROP last',
  'ALTER TABLE early ADD last text',
  `INSERT INTO early VALUES (2, 'a2', 'new')`,
  'ALTER TABLE plain ADD f int DEFAULT 3',
  'INSERT INTO plain (id, f) VALUES (11, 4)',
  'CREATE TABLE late (id int PRIMARY KEY, v text)',
  `INSERT INTO late VALUES (1, 'one')`,
];

async function same(pipeline: Live): Promise<void> {
  const tables = await pipeline.source.query<{ name: string }>(
    `SELECT format('%I', relname) AS name FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY 1`,
  );
  for (const { name } of tables) await pipeline.same(`SELECT * FROM ONLY ${name}`, `SELECT * FROM ONLY ${name}`);
  const differences = await schemaDifferences(pipeline.target, pipeline.source);
  assert.deepEqual(
    differences.filter((line) => !/publication|schema pgsluice|owner|acl/.test(line)),
    [],
  );
}

for (const from of short(1, [14, 18, 15, 16, 17])) {
  test(`ddl: follow, from ${from}, where the source's user may make no event triggers: the catalog is looked at`, async () => {
    const pipeline = await live({
      from,
      to: 18,
      source,
      owners: true,
      yaml: 'ddl: follow',
      sinkKeys: '    owners: skip',
    });
    await pipeline.settle();
    assert.deepEqual(await pipeline.source.query('SELECT evtname FROM pg_event_trigger'), []);
    for (const sql of told) await pipeline.source.query(sql);
    const first = await pipeline.settle();
    assert.doesNotMatch(first.stdout, /table-copied-again/);
    for (const sql of rows) await pipeline.source.query(sql);
    const second = await pipeline.settle();
    assert.doesNotMatch(second.stdout, /table-copied-again/);
    await same(pipeline);
    for (const sql of copied) await pipeline.source.query(sql);
    const third = await pipeline.settle();
    for (const table of ['upped', 'drawn', 'early', 'plain']) {
      assert.match(third.stdout, new RegExp(`"table-copied-again"[^\\n]*public\\.${table}\\b`));
    }
    await same(pipeline);
    const cleaned = await pipeline.verb('cleanup', '--yes');
    assert.equal(cleaned.code, 0, cleaned.stderr);
    assert.deepEqual(await pipeline.source.query(`SELECT nspname FROM pg_namespace WHERE nspname = 'pgsluice'`), []);
  });
}
