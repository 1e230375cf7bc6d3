import assert from 'node:assert/strict';
import { test } from 'node:test';
import { server } from '../../../../support/servers.ts';
import { brief, readAll, streamSource } from '../../../../support/stream-source.ts';

for (const major of [14, 15, 16, 17, 18]) {
  test(`PostgreSQL ${major}: every kind of change, once and in order`, async () => {
    const source = await streamSource(
      await server(major),
      `CREATE TABLE t (id int PRIMARY KEY, a text, b numeric);
       CREATE TABLE u (id int PRIMARY KEY, t int);
       CREATE SEQUENCE s OWNED BY u.id`,
    );
    const { db } = source;
    await db.query(`INSERT INTO t VALUES (1, 'eins', 1.50), (2, NULL, 'NaN'), (3, '', -0.1)`);
    await db.query(`UPDATE t SET a = 'zwei' WHERE id = 2`);
    await db.query(`UPDATE t SET id = 20 WHERE id = 2`);
    await db.query(`DELETE FROM t WHERE id = 3`);
    await db.query(`BEGIN; INSERT INTO u VALUES (1, 1); SAVEPOINT a; INSERT INTO u VALUES (2, 2); ROLLBACK TO a;
                    INSERT INTO u VALUES (3, 3); COMMIT`);
    await db.query(`BEGIN; INSERT INTO u VALUES (9, 9); ROLLBACK`);
    await db.query('TRUNCATE t, u RESTART IDENTITY');
    await db.query('TRUNCATE t CASCADE');
    await db.query(`SELECT pg_logical_emit_message(true, 'pgsluice', 'barrier')`);
    await db.query(`SELECT pg_logical_emit_message(false, 'other', 'alone')`);
    assert.deepEqual((await readAll(source)).map(brief), [
      'insert t 1,eins,1.50',
      'insert t 2,-,NaN',
      'insert t 3,,-0.1',
      'update t 2,zwei,NaN',
      'update t key(2,-,-) 20,zwei,NaN',
      'delete t key(3,-,-)',
      'insert u 1,1',
      'insert u 3,3',
      'truncate t,u restart',
      'truncate t cascade',
      'message pgsluice barrier',
      'message other alone alone',
    ]);
  });
}
