import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Relation } from '../../../../../core/postgres/relation.ts';
import { server } from '../../../../support/servers.ts';
import { brief, readAll, Reader, streamSource } from '../../../../support/stream-source.ts';

for (const major of [14, 18]) {
  test(`PostgreSQL ${major}: replica identity full, index and nothing`, async () => {
    const source = await streamSource(
      await server(major),
      `CREATE TABLE f (a int, b text); ALTER TABLE f REPLICA IDENTITY FULL;
       CREATE TABLE i (a int PRIMARY KEY, b text NOT NULL UNIQUE); ALTER TABLE i REPLICA IDENTITY USING INDEX i_b_key;
       CREATE TABLE n (a int)`,
    );
    await source.db.query(
      `INSERT INTO f VALUES (1, 'x'), (1, 'x'); UPDATE f SET b = NULL; DELETE FROM f WHERE ctid = '(0,3)'`,
    );
    await source.db.query(`INSERT INTO i VALUES (1, 'k'); UPDATE i SET a = 2; UPDATE i SET b = 'l'; DELETE FROM i`);
    await source.db.query('INSERT INTO n VALUES (1)');
    const changes = await readAll(source);
    assert.deepEqual(changes.map(brief), [
      'insert f 1,x',
      'insert f 1,x',
      'update f full(1,x) 1,-',
      'update f full(1,x) 1,-',
      'delete f full(1,-)',
      'insert i 1,k',
      'update i 2,k',
      'update i key(-,k) 2,l',
      'delete i key(-,l)',
      'insert n 1',
    ]);
    const identity = (name: string) => {
      const change = changes.find((c) => c.kind === 'insert' && c.relation.name === name);
      return change?.kind === 'insert' ? change.relation.identity : null;
    };
    assert.deepEqual(identity('f'), { kind: 'full' });
    assert.deepEqual(identity('i'), { kind: 'key', positions: [1] });
    assert.deepEqual(identity('n'), { kind: 'nothing' });
  });

  test(`PostgreSQL ${major}: a large value that an UPDATE does not touch is unchanged, never NULL`, async () => {
    const source = await streamSource(
      await server(major),
      `CREATE TABLE t (id int PRIMARY KEY, big text, small int); ALTER TABLE t ALTER big SET STORAGE EXTERNAL`,
    );
    await source.db.query(`INSERT INTO t VALUES (1, repeat('x', 20000), 1)`);
    await source.db.query('UPDATE t SET small = 2');
    await source.db.query('UPDATE t SET id = 2');
    await source.db.query('ALTER TABLE t REPLICA IDENTITY FULL');
    await source.db.query('UPDATE t SET small = 3');
    await source.db.query(`UPDATE t SET big = repeat('é', 10000)`);
    const [x, e] = ['x'.repeat(20_000), 'é'.repeat(10_000)];
    assert.deepEqual((await readAll(source)).map(brief), [
      `insert t 1,${x},1`,
      'update t 1,~,2',
      'update t key(1,-,-) 2,~,2',
      `update t full(2,${x},2) 2,~,3`,
      `update t full(2,${x},3) 2,${e},3`,
    ]);
  });

  test(`PostgreSQL ${major}: partition leaves, and the root where the publication says so`, async () => {
    const schema = `CREATE TABLE p (id int PRIMARY KEY, a text) PARTITION BY RANGE (id);
      CREATE TABLE p1 (a text, id int NOT NULL);
      ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (10);
      CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20)`;
    const work = `INSERT INTO p VALUES (1, 'a'), (11, 'b'); UPDATE p SET id = 12 WHERE id = 1`;
    const leaves = await streamSource(await server(major), schema);
    await leaves.db.query(work);
    assert.deepEqual((await readAll(leaves)).map(brief), [
      'insert p1 a,1',
      'insert p2 11,b',
      'delete p1 key(-,1)',
      'insert p2 12,a',
    ]);
    const root = await streamSource(
      await server(major),
      schema,
      'FOR TABLE p WITH (publish_via_partition_root = true)',
    );
    await root.db.query(work);
    assert.deepEqual((await readAll(root)).map(brief), [
      'insert p 1,a',
      'insert p 11,b',
      'delete p key(1,-)',
      'insert p 12,a',
    ]);
  });
}

test('columns added, dropped, renamed and retyped mid-stream, also inside a transaction: rows keep their shape', async () => {
  const source = await streamSource(await server(17), 'CREATE TABLE t (id int PRIMARY KEY, a text, b text)');
  await source.db.query(`INSERT INTO t VALUES (1, 'a1', 'b1')`);
  await source.db.query(`ALTER TABLE t ADD c text DEFAULT 'c'; INSERT INTO t VALUES (2, 'a2', 'b2', 'c2')`);
  await source.db.query(`BEGIN; INSERT INTO t VALUES (3, 'a3', 'b3', 'c3'); ALTER TABLE t DROP a;
                         INSERT INTO t VALUES (4, 'b4', 'c4'); ALTER TABLE t RENAME b TO "B b";
                         INSERT INTO t VALUES (5, 'b5', 'c5'); COMMIT`);
  await source.db.query(`ALTER TABLE t RENAME TO "T ""x"; INSERT INTO "T ""x" VALUES (6, 'b6', 'c6')`);
  await source.db.query(`ALTER TABLE "T ""x" ALTER id TYPE bigint; INSERT INTO "T ""x" VALUES (7, 'b7', 'c7')`);
  const changes = await readAll(source);
  const shown = changes.map((change) => {
    assert.ok(change.kind === 'insert');
    return [change.relation.name, change.relation.columns.map(({ name }) => name).join(), change.after.join()];
  });
  assert.deepEqual(shown, [
    ['t', 'id,a,b', '1,a1,b1'],
    ['t', 'id,a,b,c', '2,a2,b2,c2'],
    ['t', 'id,a,b,c', '3,a3,b3,c3'],
    ['t', 'id,b,c', '4,b4,c4'],
    ['t', 'id,B b,c', '5,b5,c5'],
    ['T "x', 'id,B b,c', '6,b6,c6'],
    ['T "x', 'id,B b,c', '7,b7,c7'],
  ]);
  const relations = changes.map((change) => (change as { relation: Relation }).relation);
  assert.equal(relations[1], relations[2], 'an unchanged shape keeps its object');
  assert.equal(new Set(relations).size, 6);
});

test('a table whose first column is generated: its rows have the sent columns only', async () => {
  const source = await streamSource(
    await server(17),
    'CREATE TABLE t (g int GENERATED ALWAYS AS (id * 2) STORED, id int PRIMARY KEY, a text)',
  );
  await source.db.query(`INSERT INTO t (id, a) VALUES (1, 'x'); UPDATE t SET id = 2; DELETE FROM t`);
  assert.deepEqual((await readAll(source)).map(brief), ['insert t 1,x', 'update t key(1,-) 2,x', 'delete t key(2,-)']);
});

test('quoted names, types of the user, tables without columns, empty transactions', async () => {
  const source = await streamSource(
    await server(16),
    `CREATE SCHEMA "S 1"; CREATE TYPE "S 1"."Mood!" AS ENUM ('so, so', 'é');
     CREATE TABLE "S 1"."T.1" ("Id " int PRIMARY KEY, "m" "S 1"."Mood!", "ü" text[]); CREATE TABLE nothing ()`,
  );
  await source.db.query(
    `INSERT INTO "S 1"."T.1" VALUES (1, 'é', '{"a,b",NULL,"\\"x"}'); INSERT INTO nothing DEFAULT VALUES`,
  );
  await source.db.query('CREATE TEMP TABLE x (a int); INSERT INTO x VALUES (1)');
  const [first, second] = await readAll(source);
  assert.ok(first?.kind === 'insert' && second?.kind === 'insert');
  assert.deepEqual([first.relation.schema, first.relation.name], ['S 1', 'T.1']);
  assert.deepEqual(
    first.relation.columns.map(({ name }) => name),
    ['Id ', 'm', 'ü'],
  );
  assert.deepEqual(first.after, ['1', 'é', '{"a,b",NULL,"\\"x"}']);
  assert.deepEqual(second.after, []);
});

test('1,600 columns', async () => {
  const columns = Array.from({ length: 1600 }, (_, i) => `c${i} int2`);
  const source = await streamSource(await server(17), `CREATE TABLE wide (${columns.join()})`);
  await source.db.query(`INSERT INTO wide SELECT ${columns.map((_, i) => i).join()}`);
  const [change] = await readAll(source);
  assert.ok(change?.kind === 'insert');
  assert.deepEqual(
    change.after,
    columns.map((_, i) => String(i)),
  );
});

test('a description that does not fit, or that fails, ends the stream before a row of the table comes out', async () => {
  const source = await streamSource(await server(17), 'CREATE TABLE t (a int)');
  await source.db.query('INSERT INTO t VALUES (1)');
  const broken = { describe: () => Promise.reject(new Error('the catalog is gone')) };
  await using failing = await source.open(broken);
  await assert.rejects(new Reader(failing).batch(), /the catalog is gone/);
});
