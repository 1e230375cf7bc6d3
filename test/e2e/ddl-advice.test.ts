import assert from 'node:assert/strict';
import { test } from 'node:test';
import { live, openWriter } from '../support/live.ts';
import { short } from '../support/long.ts';
import { server } from '../support/servers.ts';

await server(18);

const t = `CREATE TABLE t (id int PRIMARY KEY, b int, c text); INSERT INTO t SELECT i, i, 'c' || i FROM generate_series(1, 5) i;`;
const tree = `CREATE TABLE p (k int PRIMARY KEY, a int, b text) PARTITION BY RANGE (k); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
  CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20); INSERT INTO p SELECT i, i, 'b' FROM generate_series(1, 19) i;`;

/** DDL under which a run stops, and rows behind it. */
const inputs: Readonly<Record<string, { readonly before: string; readonly ddl: readonly string[] }>> = {
  'a column with a default in a tree': {
    before: tree,
    ddl: [`ALTER TABLE p ADD d text DEFAULT 'q'`, `UPDATE p SET d = 'u' WHERE k IN (1, 11)`],
  },
  'a column with a default': {
    before: t,
    ddl: [`ALTER TABLE t ADD d text NOT NULL DEFAULT 'q' COLLATE "C"`, `INSERT INTO t VALUES (9, 9, 'n')`],
  },
  'a column of a typed table': {
    before: `CREATE TYPE ty AS (id int, b int); CREATE TABLE t OF ty (PRIMARY KEY (id)); INSERT INTO t VALUES (1, 1);`,
    ddl: ['ALTER TYPE ty ADD ATTRIBUTE d text CASCADE', `INSERT INTO t VALUES (2, 2, 'd')`],
  },
  'a table that goes with what depends on it': {
    before: `${t} CREATE TABLE o (id int PRIMARY KEY); CREATE TABLE r (id int PRIMARY KEY, t int REFERENCES t); CREATE VIEW v AS SELECT * FROM t;`,
    ddl: ['DROP TABLE t CASCADE', 'INSERT INTO o VALUES (1)', 'INSERT INTO r VALUES (1, 77)'],
  },
  'a column that goes with what depends on it': {
    before: `${t} CREATE VIEW v AS SELECT id, b FROM t; CREATE INDEX ON t (b);`,
    ddl: ['ALTER TABLE t DROP b CASCADE', `UPDATE t SET c = 'x'`],
  },
};

for (const [what, { before, ddl }] of short(3, Object.entries(inputs))) {
  test(`ddl: stop, ${what}: the statements of verify --schema work as printed`, async () => {
    const pipeline = await live({ from: 18, to: 18, source: before });
    await pipeline.settle();
    const writer = await openWriter(pipeline.source.url);
    for (const sql of ddl) await writer.query(sql);
    await writer.end();
    const stopped = await pipeline.toNow();
    assert.equal(stopped.code, 1, stopped.stdout);
    assert.match(stopped.stderr, /PGS40(12|16).*verify FILE --schema/);
    const told = await pipeline.verb('verify', '--schema');
    const statements = [...told.stdout.matchAll(/^ {13}(.*);( {2}-- .*)?$/gm)].map((match) => match[1]!);
    assert.notEqual(statements.length, 0, told.stdout);
    for (const sql of statements) await pipeline.target.query(sql);
    await pipeline.settle();
    const verified = await pipeline.verb('verify', '--schema');
    assert.match(verified.stdout, /schema: \d+ objects compared with sink postgres: all agree/);
  });
}
