import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventsOf, migration } from '../support/migration.ts';
import { server } from '../support/servers.ts';

const [from, to] = [await server(17), await server(14)];

/** Of 15 to 17, which 14 cannot make: a constraint, a view, and what needs the view. */
const newer = `
  CREATE SCHEMA s;
  CREATE TABLE s.t (id int PRIMARY KEY, a int, CONSTRAINT one_null UNIQUE NULLS NOT DISTINCT (a));
  CREATE VIEW s.arrays AS SELECT JSON_ARRAY(id, a) AS j FROM s.t;
  CREATE VIEW s."On top" AS SELECT j FROM s.arrays; COMMENT ON VIEW s."On top" IS 'c';
  CREATE FUNCTION s.plain() RETURNS int LANGUAGE sql AS 'SELECT 1';
  CREATE VIEW s.fine AS SELECT s.plain() AS one;
  CREATE INDEX t_a ON s.t (a); INSERT INTO s.t VALUES (1, 1), (2, NULL);`;

test('all that the target refuses is told at once; made by hand it counts, and the rest goes on', async () => {
  const m = await migration({ from, to });
  await m.source.query(newer);
  const run = await m.verb('run', '--stop-at', 'now');
  assert.equal(run.code, 1, run.stderr);
  const lines = run.stderr.split('\n').filter((line) => line.startsWith('PGS3002'));
  assert.equal(lines.length, 2, run.stderr);
  assert.match(run.stderr, /VIEW s\.arrays: .*without it VIEW s\.On top, COMMENT s\.VIEW "On top" cannot be made/);
  assert.match(run.stderr, /CONSTRAINT s\.t one_null: /);
  // The others are there, and what is needed for the mend with them.
  await m.target.query(
    `CREATE VIEW s.arrays AS SELECT json_build_array(id, a)::text AS j FROM s.t; ALTER TABLE s.t ADD CONSTRAINT one_null UNIQUE (a)`,
  );
  const again = await m.verb('run', '--stop-at', 'now', '--log', 'json');
  assert.equal(again.code, 0, again.stderr);
  assert.deepEqual(await m.target.query(`SELECT count(*)::int AS n FROM s."On top"`), [{ n: 2 }]);
  assert.deepEqual(await m.target.query(`SELECT one FROM s.fine`), [{ one: 1 }]);
});

test('--on-restore-error skip leaves them out, names them with what needs them, and the cutover names them again', async () => {
  const m = await migration({ from, to });
  await m.source.query(newer);
  const run = await m.verb('run', '--stop-at', 'now', '--log', 'json', '--on-restore-error', 'skip');
  assert.equal(run.code, 0, run.stderr);
  const skipped = eventsOf(run, 'object-skipped').map((line) => line['object']);
  assert.deepEqual(skipped.sort(), [
    'COMMENT s.VIEW "On top"',
    'CONSTRAINT s.t one_null',
    'VIEW s.On top',
    'VIEW s.arrays',
  ]);
  assert.deepEqual(await m.target.query(`SELECT count(*)::int AS n FROM s.t`), [{ n: 2 }]);
  const cut = await m.verb('cutover', '--dry-run');
  assert.equal(cut.stdout.match(/left out of the target: /g)?.length, 4, cut.stdout + cut.stderr);
  // What is missing keeps the cutover from its GO, a comment with its view.
  assert.equal(cut.code, 4, cut.stderr);
  assert.equal(cut.stdout.match(/MISSING +(?:view|constraint) /g)?.length, 3, cut.stdout + cut.stderr);
});

test('an order that does not work at first: what is refused is tried again behind the others', async () => {
  const m = await migration({ from: await server(15), to: await server(18) });
  // A sql body is not looked at when it is dumped, so that pg_dump does not know that the default needs the table.
  await m.source.query(`
    CREATE TABLE numbers (n int PRIMARY KEY); INSERT INTO numbers VALUES (7);
    CREATE FUNCTION a_number() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT max(n) FROM public.numbers';
    CREATE MATERIALIZED VIEW aa AS SELECT a_number() AS n;
    CREATE TABLE checked (n int PRIMARY KEY CHECK (n <= a_number())); INSERT INTO checked VALUES (1);
    CREATE TYPE int42; CREATE FUNCTION int42_in(cstring) RETURNS int42 AS 'int4in' LANGUAGE internal STRICT IMMUTABLE;
    CREATE FUNCTION int42_out(int42) RETURNS cstring AS 'int4out' LANGUAGE internal STRICT IMMUTABLE;
    CREATE TYPE int42 (internallength = 4, input = int42_in, output = int42_out, alignment = int4, default = 42, passedbyvalue);
    CREATE CAST (int4 AS int42) WITHOUT FUNCTION AS ASSIGNMENT; CREATE CAST (int42 AS int4) WITHOUT FUNCTION;
    CREATE TABLE has_int42 (id int PRIMARY KEY, v int42, w int42 DEFAULT 43); INSERT INTO has_int42 VALUES (1, 5);`);
  const check = await m.verb('check');
  assert.doesNotMatch(check.stdout, /int42/);
  await m.run();
  assert.deepEqual(await m.target.query(`SELECT v::text, w::text FROM has_int42`), [{ v: '5', w: '43' }]);
  assert.deepEqual(await m.target.query(`SELECT count(*)::int AS n FROM pg_cast WHERE oid >= 16384`), [{ n: 2 }]);
  assert.deepEqual(await m.target.query(`SELECT n FROM aa`), [{ n: 7 }]);
});

test('extensions and schemas that the file leaves out are not made', async () => {
  const m = await migration({
    from: await server(17),
    to: await server(18),
    source: '  tables: { exclude: ["cron.*"] }',
    sink: '    schema: { mode: create, exclude: { extensions: [hstore, pg_trgm], schemas: [cron, "X x"] } }',
  });
  await m.source.query(`
    CREATE SCHEMA cron; CREATE SCHEMA "X x"; CREATE EXTENSION hstore; CREATE EXTENSION pg_trgm WITH SCHEMA "X x"; CREATE EXTENSION citext;
    COMMENT ON EXTENSION hstore IS 'x'; GRANT USAGE ON SCHEMA cron TO PUBLIC; COMMENT ON SCHEMA "X x" IS 'y';
    CREATE TABLE cron.job (id int PRIMARY KEY); CREATE FUNCTION "X x".f() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE TABLE t (id int PRIMARY KEY, name citext); INSERT INTO t VALUES (1, 'A');`);
  const check = await m.verb('check');
  assert.match(check.stdout, /target-extensions .*1 extensions, all there.*left out: hstore, pg_trgm/);
  await m.run();
  const schemas = await m.target.query(`SELECT nspname FROM pg_namespace WHERE nspname IN ('cron', 'X x')`);
  assert.deepEqual(schemas, []);
  assert.deepEqual(await m.target.query(`SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'`), [
    { extname: 'citext' },
  ]);
  assert.deepEqual(await m.target.query(`SELECT id FROM t WHERE name = 'a'`), [{ id: 1 }]);
});

test('a schema that is left out and tables in it that the file copies: an error that names them', async () => {
  const m = await migration({
    from: await server(17),
    to: await server(18),
    sink: '    schema: { mode: create, exclude: { schemas: [cron] } }',
  });
  await m.source.query(`
    CREATE SCHEMA cron; CREATE TABLE cron.job (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY);`);
  const check = await m.verb('check');
  assert.equal(check.code, 3, check.stdout);
  assert.match(check.stdout, /target-exclude[^\n]*cron\.job/);
  assert.doesNotMatch(check.stdout, /target-exclude[^\n]*public\.t/);
});
