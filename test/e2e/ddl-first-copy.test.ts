import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Live, type LiveOptions, live, openWriter } from '../support/live.ts';
import { short } from '../support/long.ts';
import { schemaDifferences } from '../support/manifest.ts';
import { server } from '../support/servers.ts';

await server(14);
await server(18);

/** What each kind of DDL gets in a schema of its own. */
const template = `CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL, b text DEFAULT 'b', c varchar(9));
  CREATE INDEX t_a ON t (a);
  CREATE TABLE ref (id int PRIMARY KEY, t int REFERENCES t (id));
  CREATE VIEW seen AS SELECT id, a, b FROM t;
  CREATE VIEW seen_again AS SELECT id, a FROM seen;
  CREATE FUNCTION has(t) RETURNS int LANGUAGE sql AS 'SELECT $1.a';
  CREATE TABLE p (k int, v text, PRIMARY KEY (k)) PARTITION BY RANGE (k);
  CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);
  CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (200);
  CREATE INDEX p_v ON p (v);
  CREATE TABLE up (id int PRIMARY KEY, v text);
  CREATE TABLE down (w text, PRIMARY KEY (id)) INHERITS (up);
  INSERT INTO t SELECT i, i * 10, 'b' || i, 'c' FROM generate_series(1, 20) i; INSERT INTO ref SELECT i, i FROM generate_series(1, 9) i;
  INSERT INTO p SELECT i, 'v' FROM generate_series(1, 199, 3) i; INSERT INTO up VALUES (1, 'u'); INSERT INTO down VALUES (2, 'd', 'w');`;

/** DDL between the schema and the copy, each with rows before and after. */
const kinds: Readonly<Record<string, string>> = {
  'rename a column': `ALTER TABLE t RENAME a TO r; UPDATE t SET r = r + 1 WHERE id < 5`,
  'exchange names': `ALTER TABLE t RENAME b TO x; ALTER TABLE t RENAME c TO b; ALTER TABLE t RENAME x TO c; UPDATE t SET b = 'n' WHERE id = 1`,
  'rename the key that others refer to': `ALTER TABLE t RENAME id TO key; DELETE FROM ref WHERE id = 9`,
  'add, with a default, an index and a check': `ALTER TABLE t ADD d int NOT NULL DEFAULT 7; CREATE INDEX t_d ON t (d); ALTER TABLE t ADD CHECK (d > 0); INSERT INTO t VALUES (100, 1, 'b', 'c', 9)`,
  'add with values of its own': `ALTER TABLE t ADD d double precision DEFAULT random(); UPDATE t SET d = 0 WHERE id = 2`,
  'add of a new type': `CREATE TYPE colour AS ENUM ('red', 'green'); ALTER TABLE t ADD k colour DEFAULT 'red'; UPDATE t SET k = 'green' WHERE id = 3`,
  'drop a column, and what needs it': `ALTER TABLE t DROP a CASCADE; UPDATE t SET b = 'after' WHERE id = 4`,
  'drop and add under one name': `ALTER TABLE t DROP c; ALTER TABLE t ADD c int DEFAULT 3; UPDATE t SET c = 4 WHERE id = 4`,
  'another type': `ALTER TABLE t ALTER c TYPE text USING upper(c); UPDATE t SET c = 'longer than nine' WHERE id = 5`,
  'a type that rewrites': `DROP VIEW seen_again; DROP VIEW seen; ALTER TABLE t ALTER a TYPE bigint; INSERT INTO t VALUES (100, 5000000000, 'b', 'c')`,
  'drop the table': `DROP TABLE t CASCADE; INSERT INTO ref VALUES (50, 50)`,
  'drop and make again': `DROP TABLE t CASCADE; CREATE TABLE t (id int PRIMARY KEY, z date); INSERT INTO t VALUES (1, '2025-01-01')`,
  'rename the table': `ALTER TABLE t RENAME TO tt; UPDATE tt SET a = 0 WHERE id = 6`,
  'exchange tables': `ALTER TABLE t RENAME TO old; CREATE TABLE t (LIKE old INCLUDING ALL); INSERT INTO t SELECT * FROM old WHERE id < 9; DROP TABLE old CASCADE`,
  'another schema': `CREATE SCHEMA k_s; ALTER TABLE t SET SCHEMA k_s; UPDATE k_s.t SET a = 0 WHERE id = 6`,
  'a new table': `CREATE TABLE fresh (id int PRIMARY KEY); INSERT INTO fresh VALUES (1), (2)`,
  'another key': `ALTER TABLE ref DROP CONSTRAINT ref_pkey; ALTER TABLE ref ADD n int; ALTER TABLE ref ADD PRIMARY KEY (id); UPDATE ref SET n = 1 WHERE id = 1`,
  'a column of a tree': `ALTER TABLE p RENAME v TO w; UPDATE p SET w = 'n' WHERE k < 9`,
  'a column more in a tree': `ALTER TABLE p ADD w int DEFAULT 1; UPDATE p SET w = 2 WHERE k > 150`,
  'a new partition': `CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (200) TO (300); INSERT INTO p VALUES (250, 'n')`,
  detach: `ALTER TABLE p DETACH PARTITION p2; UPDATE p2 SET v = 'alone' WHERE k > 150`,
  attach: `CREATE TABLE p3 (k int PRIMARY KEY, v text); INSERT INTO p3 VALUES (210, 'w'); ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM (200) TO (300); INSERT INTO p VALUES (220, 'x')`,
  'drop a partition': `DROP TABLE p1; INSERT INTO p VALUES (198, 'n')`,
  'drop a tree and make it again': `DROP TABLE p; CREATE TABLE p (k int, n text, PRIMARY KEY (k)) PARTITION BY LIST (k); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); INSERT INTO p VALUES (1, 'n')`,
  inherited: `ALTER TABLE up RENAME v TO u; ALTER TABLE up ADD n int DEFAULT 2; INSERT INTO down VALUES (5, 'd', 'w', 3)`,
  'no longer inherited': `ALTER TABLE down NO INHERIT up; ALTER TABLE down DROP v; UPDATE down SET w = 'x'`,
};

const schemas = Object.keys(kinds).map((_, i) => `k_${i}`);
const schema = `CREATE TABLE first (id int PRIMARY KEY, v text); INSERT INTO first SELECT i, repeat('x', 200) FROM generate_series(1, 2000) i;
  ${schemas.map((name) => `CREATE SCHEMA ${name}; SET search_path TO ${name}; ${template}`).join('\n')}`;

const tables = `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND n.nspname LIKE 'k%' ORDER BY 1`;

async function equal(pipeline: Live): Promise<void> {
  const wanted = await pipeline.source.query<{ name: string }>(tables);
  assert.deepEqual(await pipeline.target.query(tables), wanted);
  for (const { name } of wanted) await pipeline.same(`SELECT * FROM ${name}`, `SELECT * FROM ${name}`);
  // A foreign key between tables of two snapshots comes with the cutover.
  const differences = await schemaDifferences(pipeline.target, pipeline.source);
  assert.deepEqual(
    differences.filter((line) => !/publication|event trigger|ref_t_fkey/.test(line)),
    [],
  );
  const verified = await pipeline.verb('verify', '--schema');
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
}

async function change(pipeline: Live): Promise<void> {
  const client = await openWriter(pipeline.source.url);
  for (const [i, sql] of Object.values(kinds).entries()) {
    await client.query(`SET search_path TO ${schemas[i]}`);
    for (const statement of sql.split(';')) await client.query(statement);
  }
  await client.end();
}

const options = (ddl: string): LiveOptions => ({
  from: ddl === 'stop' ? 18 : 14,
  to: 18,
  source: schema,
  yaml: `ddl: ${ddl}`,
  sourceKeys: '  snapshot: { workers: 1 }',
});

for (const ddl of short(1, ['stop', 'follow'])) {
  test(`ddl: ${ddl}: every kind of DDL while the run is down`, async () => {
    const pipeline = await live(options(ddl));
    // Restored and not altered yet, or ready to be filled.
    const at = ddl === 'stop' ? 'restored' : 'prepared';
    const killed = await pipeline.toNow({ PGSLUICE_FAILPOINT: `${at}:kill` });
    assert.equal(killed.code, null, killed.stderr);
    await change(pipeline);
    await pipeline.settle();
    await equal(pipeline);
  });
}

for (const ddl of short(1, ['follow', 'stop'])) {
  test(`ddl: ${ddl}: every kind of DDL while another table is copied`, async () => {
    const pipeline = await live(options(ddl));
    const started = pipeline.start();
    const holder = await openWriter(pipeline.source.url);
    await started.until('schema-dumped');
    await holder.query('BEGIN; LOCK TABLE first IN ACCESS EXCLUSIVE MODE');
    await started.until('copy-started');
    await change(pipeline);
    await holder.query('COMMIT');
    await holder.end();
    await started.until('caught-up');
    started.process.kill('SIGTERM');
    const ended = await started.ended;
    assert.equal(ended.code, 0, ended.stderr);
    await pipeline.settle();
    await equal(pipeline);
  });
}
