import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { hashes, type Migration, migration } from '../support/migration.ts';
import { server } from '../support/servers.ts';

const servers = { from: await server(17), to: await server(17) };
const schema = `
  CREATE TABLE sale (id int PRIMARY KEY, v int NOT NULL DEFAULT 0, pad text NOT NULL);
  CREATE TABLE paged (id int PRIMARY KEY, n int UNIQUE, pad text NOT NULL);
  CREATE TABLE small (id int PRIMARY KEY);
  INSERT INTO sale SELECT i, 0, repeat('x', 80) FROM generate_series(1, 25000) i;
  INSERT INTO paged SELECT i, i, repeat('x', 80) FROM generate_series(1, 2000) i;
  INSERT INTO small SELECT generate_series(1, 10); ANALYZE`;

async function begun(maxAge: string, rate: string): Promise<Migration> {
  const run = await migration({
    ...servers,
    source: `  snapshot: { workers: 2, chunk_size: 64kB, ledger_above: 128kB, max_age: ${maxAge} }`,
    more: `limit: { rate: ${rate} }`,
  });
  await run.source.query(schema);
  return run;
}

/** The source is written and asked for the age of our oldest snapshot, in seconds, until it is told to stop. */
async function watch(run: Migration, stop: AbortSignal): Promise<{ oldest: number; snapshots: number }> {
  const client = new pg.Client({ connectionString: run.source.url });
  await client.connect();
  let oldest = 0;
  const begins = new Set<string>();
  for (let i = 0; !stop.aborted; i++) {
    const { rows } = await client.query<{ age: string; begin: string }>(
      `SELECT extract(epoch FROM clock_timestamp() - min(xact_start)) AS age, min(xact_start)::text AS begin FROM pg_stat_activity
       WHERE datname = current_database() AND application_name LIKE 'pgsluice%' AND backend_type = 'client backend'
         AND backend_xmin IS NOT NULL AND query LIKE '%COPY (SELECT%public"."sale"%' HAVING min(xact_start) IS NOT NULL`,
    );
    for (const { age, begin } of rows) {
      oldest = Math.max(oldest, Number(age));
      begins.add(begin);
    }
    await client.query(`UPDATE sale SET v = v + 1 WHERE id = ${1 + ((i * 7919) % 25000)};
      UPDATE sale SET id = id + 100000 WHERE id = ${1 + ((i * 4801) % 25000)}`);
    await pause(20);
  }
  await client.end();
  return { oldest, snapshots: begins.size };
}

test('no snapshot is read for longer than max_age, and the copies of all of them become the source', async () => {
  const run = await begun('8s', '250kB/s');
  const stop = new AbortController();
  const watched = watch(run, stop.signal);
  const first = await run.run();
  stop.abort();
  const { oldest, snapshots } = await watched;
  assert.ok(oldest > 0 && oldest <= 8, `${oldest} s`);
  assert.ok(snapshots >= 2, `${snapshots} snapshots`);
  assert.match(first.stdout, /"event":"snapshot-renewed"/);
  await run.run();
  const tables = ['sale', 'paged', 'small'];
  assert.deepEqual(await hashes(run.target, tables), await hashes(run.source, tables));
});

test('an age in which nothing can be copied ends the run with its code, and a higher one goes on', async () => {
  const run = await begun('10ms', '2MB/s');
  const vain = await run.verb('run', '--stop-at', 'now');
  assert.equal(vain.code, 1);
  assert.match(vain.stderr, /PGS3202/);
  const copyOnly = await migration({ ...servers, source: '  snapshot: { mode: initial_only, max_age: 1h }' });
  await copyOnly.source.query('CREATE TABLE t (id int PRIMARY KEY)');
  const refused = await copyOnly.verb('run');
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /PGS3203/);
});
