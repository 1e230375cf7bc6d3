import assert from 'node:assert/strict';
import { test } from 'node:test';
import { live } from '../support/live.ts';
import { server } from '../support/servers.ts';

await server(14);
await server(17);

const source = `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'one');
  CREATE TABLE audit (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t int REFERENCES t, v text); INSERT INTO audit (v) VALUES ('source');
  CREATE INDEX audit_v ON audit (v); COMMENT ON TABLE audit IS 'source'; CREATE STATISTICS audit_s ON id, v FROM audit;
  CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER tr BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION f();
  ALTER TABLE t ADD a int REFERENCES audit;
  CREATE TABLE tree (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE tree_1 PARTITION OF tree FOR VALUES FROM (0) TO (9);
  CREATE TABLE tree_2 PARTITION OF tree FOR VALUES FROM (9) TO (20);
  CREATE TABLE free (id serial); CREATE TABLE seen (id int)`;

/** What somebody has in the target under names of tables that the file leaves out: as strange there as they may be. */
const own = `CREATE TABLE audit (id int, mine text); INSERT INTO audit VALUES (7, 'mine');
  CREATE TABLE tree_1 (id int NOT NULL); INSERT INTO tree_1 VALUES (1); CREATE VIEW seen AS SELECT mine FROM audit`;
const left = `SELECT (SELECT string_agg(format('%s %s %s', a.attrelid::regclass, a.attname, a.attnotnull), ',' ORDER BY 1) FROM pg_attribute a
    WHERE attrelid IN ('audit'::regclass, 'tree_1'::regclass, 'seen'::regclass) AND attnum > 0) AS columns,
  (SELECT count(*)::int FROM audit) + (SELECT count(*)::int FROM tree_1) + (SELECT count(*)::int FROM seen) AS rows,
  (SELECT count(*)::int FROM pg_constraint WHERE conrelid IN ('audit'::regclass, 'tree_1'::regclass) AND contype <> 'n')
   + (SELECT count(*)::int FROM pg_index WHERE indrelid IN ('audit'::regclass, 'tree_1'::regclass))
   + (SELECT count(*)::int FROM pg_trigger WHERE tgrelid = 'audit'::regclass)
   + (SELECT count(*)::int FROM pg_inherits WHERE inhrelid = 'tree_1'::regclass) AS parts,
  obj_description('audit'::regclass) AS comment`;

for (const [from, onError, kill] of [
  [14, 'skip', 'restored'],
  [17, 'stop', 'dumped'],
] as const)
  test(`what the target has under the name of a table that the file leaves out stays as it is (on_restore_error: ${onError})`, async () => {
    const pipeline = await live({
      from,
      to: 17,
      source,
      sourceKeys: '  tables: { include: ["public.t"] }',
      sinkKeys: `    on_restore_error: ${onError}\n    dependents: cascade`,
    });
    const { target } = pipeline;
    await target.query(own);
    const before = await target.query(left);
    await pipeline.toNow({ PGSLUICE_FAILPOINT: `${kill}:kill` });
    const { stdout } = await pipeline.settle();
    assert.deepEqual(await target.query(left), before);
    assert.equal(await pipeline.same('SELECT * FROM t', 'SELECT * FROM t'), 1);
    const [gone] = await target.query<{ free: string | null; tree: string | null }>(
      `SELECT to_regclass('free')::text AS free, to_regclass('tree')::text AS tree`,
    );
    assert.deepEqual(gone, { free: null, tree: null }, stdout);
  });

test('nor what was made by hand while the restore was refused, nor what others built on tables that go', async () => {
  const pipeline = await live({
    source: `CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE TABLE audit (id int PRIMARY KEY, v text)`,
    sourceKeys: '  tables: { include: ["public.t"] }',
    sinkKeys: '    on_restore_error: skip',
  });
  const { target } = pipeline;
  await pipeline.toNow({ PGSLUICE_FAILPOINT: 'dumped:kill' });
  await target.query(`CREATE TABLE audit (id int, mine text); INSERT INTO audit VALUES (7, 'mine')`);
  await pipeline.settle();
  assert.equal((await target.query('SELECT mine FROM audit')).length, 1);
});
