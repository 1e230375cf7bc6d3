import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventsOf, type Migration, migration } from '../support/migration.ts';
import { type TestDatabase, dropDatabase, server } from '../support/servers.ts';

/** Streams of bytes between databases that are not alike, or do not stay so while they run. */
const on = await server(17);

async function encoded(encoding: string): Promise<TestDatabase> {
  const name = `enc_${randomBytes(5).toString('hex')}`;
  await on.query(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C'`);
  const made: TestDatabase = { name, url: on.url(name), server: on, query: (sql) => on.query(sql, name) };
  after(() => dropDatabase(made));
  return made;
}

const tables = ['k', 'f'] as const;
const same = async ({ source, target }: Migration) => {
  for (const table of tables) {
    const sql = `SELECT md5(convert_to(t::text, 'UTF8')) AS row FROM ${table} t ORDER BY 1`;
    assert.deepEqual(await target.query(sql), await source.query(sql), table);
  }
};

for (const [from, to] of [
  ['LATIN1', 'UTF8'],
  ['UTF8', 'LATIN1'],
] as const) {
  test(`text in bytes from ${from} to ${to}`, async () => {
    const databases = { source: await encoded(from), target: await encoded(to) };
    const run = await migration({ from: on, to: on, databases });
    await run.source.query(`CREATE TYPE mood AS ENUM ('gut', 'böse');
      CREATE TABLE k (a text, b bytea, n int, big text, j jsonb, m mood, c char(5), PRIMARY KEY (b, a));
      ALTER TABLE k ALTER big SET STORAGE EXTERNAL;
      CREATE TABLE f (a varchar(9), v numeric(6,2), p point, g int[]); ALTER TABLE f REPLICA IDENTITY FULL;`);
    await run.run();
    await run.source.query(`
      INSERT INTO k SELECT 'é' || i, ('\\x00ff3a3' || i % 10)::bytea, -i, repeat('ü', 3000), '{"ß": [1.50]}', 'böse', 'o' FROM generate_series(1, 40) i;
      INSERT INTO f SELECT 'ä', 1.5, '(1,2)', '{1,NULL}' FROM generate_series(1, 3)`);
    await run.source.query(`
      UPDATE k SET n = n - 1; UPDATE k SET m = 'gut', c = NULL WHERE n % 3 = 0; UPDATE k SET a = a || 'ÿ', big = big || '' WHERE n % 5 = 0;
      DELETE FROM k WHERE n % 7 = 0; UPDATE f SET v = NULL, g = NULL WHERE ctid = (SELECT min(ctid) FROM f);
      DELETE FROM f WHERE ctid = (SELECT max(ctid) FROM f)`);
    const [started] = eventsOf(await run.run(), 'stream-started').filter((event) => 'values' in event);
    assert.equal(started?.['values'], 'binary');
    await same(run);
  });
}

test('a target column that is altered while bytes flow gets the values, as text', async () => {
  const run = await migration({ from: on, to: on });
  await run.source.query(`CREATE TABLE k (id int PRIMARY KEY, v int); CREATE TABLE f (v int PRIMARY KEY)`);
  const flow = run.start();
  await flow.until('stream-started', 2);
  await run.source.query('INSERT INTO k SELECT i, i FROM generate_series(1, 30) i');
  while ((await run.target.query('SELECT 1 FROM k')).length < 30) await sleep(50);
  await run.target.query('ALTER TABLE k ALTER v TYPE text, ALTER id TYPE int8');
  await run.source.query(
    `INSERT INTO k SELECT i, 1094795585 FROM generate_series(31, 60) i; UPDATE k SET v = v - 1 WHERE id > 20`,
  );
  await flow.until('stream-as-text');
  while ((await run.target.query(`SELECT 1 FROM k WHERE id > 30 AND v = '1094795584'`)).length < 30) await sleep(50);
  flow.process.kill('SIGTERM');
  assert.equal((await flow.ended).code, 0);
  const [sum] = await run.target.query('SELECT count(*)::int AS n, sum(v::int8)::text AS sum FROM k');
  assert.deepEqual(sum, (await run.source.query('SELECT count(*)::int AS n, sum(v)::text AS sum FROM k'))[0]);
});
