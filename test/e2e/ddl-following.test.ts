import assert from 'node:assert/strict';
import { test } from 'node:test';
import { live, openWriter } from '../support/live.ts';
import { short } from '../support/long.ts';
import { server } from '../support/servers.ts';

await server(14);
await server(18);

interface Input {
  readonly before: string;
  readonly ddl: string;
  /** First version of the source that knows the command. */
  readonly since?: number;
}

const tree = `CREATE TABLE p (k int PRIMARY KEY, a int, b text) PARTITION BY RANGE (k); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
  CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20); INSERT INTO p SELECT i, i, 'b' FROM generate_series(1, 19) i;`;
const other = `CREATE TABLE q (k int PRIMARY KEY, a int, b text) PARTITION BY RANGE (k); CREATE TABLE q1 PARTITION OF q FOR VALUES FROM (100) TO (110);
  INSERT INTO q VALUES (101, 1, 'q');`;
const heirs = `CREATE TABLE par (k int PRIMARY KEY, a int, b text); CREATE TABLE ch (PRIMARY KEY (k)) INHERITS (par); INSERT INTO par VALUES (1, 1, 'p');
  INSERT INTO ch VALUES (2, 2, 'c');`;
const t = `CREATE TABLE t (id int PRIMARY KEY, b int, c text); INSERT INTO t SELECT i, i, 'c' || i FROM generate_series(1, 5) i;`;
const generated = `CREATE TABLE t (id int PRIMARY KEY, b int, g int GENERATED ALWAYS AS (b * 2) STORED); INSERT INTO t VALUES (1, 1), (2, 2);`;

const inputs: Readonly<Record<string, Input>> = {
  'detached, then a column dropped': {
    before: tree,
    ddl: `ALTER TABLE p DETACH PARTITION p2; ALTER TABLE p2 DROP COLUMN a; UPDATE p2 SET b = 'x'; UPDATE p SET a = 5`,
  },
  'detached, then an index of the tree and another partition in its place': {
    before: tree,
    ddl: `ALTER TABLE p DETACH PARTITION p2; CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (10) TO (30); CREATE INDEX p_a ON p (a);
      INSERT INTO p VALUES (25, 1, 'x'); UPDATE p2 SET b = 'd'`,
  },
  'detached, then columns and constraints of the tree': {
    before: tree,
    ddl: `ALTER TABLE p DETACH PARTITION p2; ALTER TABLE p ADD z int DEFAULT 4; ALTER TABLE p ADD CHECK (a < 100); UPDATE p SET b = 'u'; UPDATE p2 SET a = 500`,
  },
  'detached without a lock, then an index': {
    before: tree,
    ddl: `ALTER TABLE p DETACH PARTITION p2 CONCURRENTLY; CREATE INDEX p_a ON p (a); ALTER TABLE p2 ADD x int`,
  },
  'a partition dropped, then an index': { before: tree, ddl: `DROP TABLE p2; CREATE INDEX p_a ON p (a)` },
  'from one tree into another': {
    before: tree + other,
    ddl: `ALTER TABLE p DETACH PARTITION p2; ALTER TABLE q ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20); CREATE INDEX p_a ON p (a); CREATE INDEX q_b ON q (b);
      UPDATE q SET b = 'moved'`,
  },
  'another bound': {
    before: tree,
    ddl: `ALTER TABLE p DETACH PARTITION p2; ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (40); INSERT INTO p VALUES (35, 1, 'b'); CREATE INDEX p_a ON p (a)`,
  },
  'an index of the parent alone, then attached': {
    before: tree,
    ddl: `CREATE INDEX p_a ON ONLY p (a); CREATE INDEX p1_a ON p1 (a); CREATE INDEX p2_a ON p2 (a); ALTER INDEX p_a ATTACH PARTITION p1_a; ALTER INDEX p_a ATTACH PARTITION p2_a`,
  },
  'a default partition that is split': {
    before: `CREATE TABLE p (k int PRIMARY KEY, b text) PARTITION BY RANGE (k); CREATE TABLE pd PARTITION OF p DEFAULT; INSERT INTO p SELECT i, 'b' FROM generate_series(1, 19) i;`,
    ddl: `BEGIN; ALTER TABLE p DETACH PARTITION pd; CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (10) TO (15); INSERT INTO p SELECT * FROM pd WHERE k BETWEEN 10 AND 14;
      DELETE FROM pd WHERE k BETWEEN 10 AND 14; ALTER TABLE p ATTACH PARTITION pd DEFAULT; COMMIT; CREATE INDEX p_b ON p (b)`,
  },
  'a tree leaves a tree': {
    before: `CREATE TABLE p (k int PRIMARY KEY, a int, b text) PARTITION BY RANGE (k); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
      CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (k); CREATE TABLE p21 PARTITION OF p2 FOR VALUES FROM (10) TO (15);
      INSERT INTO p SELECT i, i, 'b' FROM generate_series(1, 14) i;`,
    ddl: `ALTER TABLE p DETACH PARTITION p2; CREATE INDEX p_a ON p (a); CREATE INDEX p2_b ON p2 (b); UPDATE p2 SET b = 'd'; ALTER TABLE p2 ADD z int DEFAULT 3; ALTER TABLE p ADD y int DEFAULT 2`,
  },
  'a tree comes into a tree': {
    before: tree + other,
    ddl: `ALTER TABLE p ATTACH PARTITION q FOR VALUES FROM (100) TO (200); CREATE INDEX p_a ON p (a); ALTER TABLE p ADD z int DEFAULT 3; UPDATE p SET b = 'at'`,
  },
  'dropped of the parent only': { before: heirs, ddl: `ALTER TABLE ONLY par DROP COLUMN a; UPDATE ch SET a = 7` },
  'no longer inherited, then dropped': {
    before: heirs,
    ddl: `ALTER TABLE ch NO INHERIT par; ALTER TABLE ch DROP COLUMN a; UPDATE ONLY par SET a = 3; UPDATE ch SET b = 'n'`,
  },
  'no longer inherited, then dropped of the parent': {
    before: heirs,
    ddl: `ALTER TABLE ch NO INHERIT par; ALTER TABLE par DROP COLUMN a; UPDATE ch SET a = 3`,
  },
  'a child that is older than its parent': {
    before: `CREATE TABLE ch (k int PRIMARY KEY, a int); CREATE TABLE par (k int PRIMARY KEY, a int); ALTER TABLE ch INHERIT par; INSERT INTO ch VALUES (2, 2);`,
    ddl: `ALTER TABLE par RENAME a TO z; UPDATE par SET z = 9`,
  },
  'a type and a new column in one command': {
    before: t,
    ddl: `ALTER TABLE t ALTER b TYPE bigint, ADD d text DEFAULT 'q'; INSERT INTO t VALUES (9, 5000000000, 'n')`,
  },
  'USING of the same type': {
    before: t,
    ddl: `ALTER TABLE t ALTER c TYPE text USING upper(c); UPDATE t SET b = 0 WHERE id = 1`,
  },
  'USING of another type': {
    before: t,
    ddl: `ALTER TABLE t ALTER b TYPE bigint USING b * 2; UPDATE t SET c = 'z' WHERE id = 1`,
  },
  'a volatile default': { before: t, ddl: `ALTER TABLE t ADD d float8 DEFAULT random(); UPDATE t SET c = 'z'` },
  'a serial column': { before: t, ddl: `ALTER TABLE t ADD d serial; UPDATE t SET c = 'z' WHERE id = 1` },
  'a default with another delimiter': {
    before: t,
    ddl: `ALTER TABLE t ADD x box DEFAULT '(1,1),(0,0)'; INSERT INTO t VALUES (9, 9, 'n')`,
  },
  'another expression': {
    since: 17,
    before: generated,
    ddl: `ALTER TABLE t ALTER g SET EXPRESSION AS (b * 3); UPDATE t SET b = 5 WHERE id = 1`,
  },
  'no expression any more': {
    before: generated,
    ddl: `ALTER TABLE t ALTER g DROP EXPRESSION; UPDATE t SET g = 77 WHERE id = 1`,
  },
  'a generated column': {
    before: t,
    ddl: `ALTER TABLE t ADD g int GENERATED ALWAYS AS (b * 2) STORED; UPDATE t SET b = 6 WHERE id = 1`,
  },
  'a new table with a generated column': {
    before: t,
    ddl: `CREATE TABLE n (id int PRIMARY KEY, b int, g int GENERATED ALWAYS AS (b * 2) STORED); INSERT INTO n VALUES (1, 2)`,
  },
  'a typed table': {
    before: `CREATE TYPE ty AS (id int, b int); CREATE TABLE t OF ty (PRIMARY KEY (id)); INSERT INTO t VALUES (1, 1);`,
    ddl: `ALTER TYPE ty ADD ATTRIBUTE d text CASCADE; INSERT INTO t VALUES (2, 2, 'd')`,
  },
  'a new type': {
    before: t,
    ddl: `CREATE TYPE m AS ENUM ('a', 'b'); ALTER TABLE t ADD m m DEFAULT 'b'; INSERT INTO t VALUES (9, 9, 'n', 'a')`,
  },
};

async function structure(database: {
  query: (sql: string) => Promise<readonly unknown[]>;
}): Promise<readonly unknown[]> {
  const columns = await database.query(
    `SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull, a.attgenerated,
       CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END AS expression
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE n.nspname LIKE 'k%' AND c.relkind IN ('r', 'p') ORDER BY 1, 2, 3`,
  );
  const places = await database.query(
    `SELECT i.inhrelid::regclass::text, i.inhparent::regclass::text, c.relkind, x.indisvalid, pg_get_expr(c.relpartbound, c.oid) AS bound, pg_get_indexdef(x.indexrelid) AS index
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_index x ON x.indexrelid = c.oid
     WHERE n.nspname LIKE 'k%' AND (i.inhrelid IS NOT NULL OR x.indexrelid IS NOT NULL) ORDER BY n.nspname, c.relname, 2`,
  );
  return [...columns, ...places];
}

for (const from of short(1, [18, 14])) {
  test(`from ${from} to 18: what the source alone can know is copied again, and all ends equal`, async () => {
    const list = Object.values(inputs).filter(({ since = 0 }) => since <= from);
    const source = list.map(({ before }, i) => `CREATE SCHEMA k${i}; SET search_path TO k${i}; ${before}`).join('\n');
    const pipeline = await live({ from, to: 18, source, yaml: 'ddl: follow' });
    const run = pipeline.start();
    await run.until('caught-up');
    const writer = await openWriter(pipeline.source.url);
    for (const [i, { ddl }] of list.entries()) {
      await writer.query(`SET search_path TO k${i}`);
      for (const sql of ddl.split(';')) await writer.query(sql);
    }
    await writer.end();
    run.process.kill('SIGTERM');
    const ended = await run.ended;
    assert.equal(ended.code, 0, ended.stderr);
    await pipeline.settle();
    const tables = await pipeline.source.query<{ name: string }>(
      `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind IN ('r', 'p') AND n.nspname LIKE 'k%' ORDER BY 1`,
    );
    for (const { name } of tables) await pipeline.same(`SELECT * FROM ONLY ${name}`, `SELECT * FROM ONLY ${name}`);
    assert.deepEqual(await structure(pipeline.target), await structure(pipeline.source));
    const verified = await pipeline.verb('verify');
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  });
}
