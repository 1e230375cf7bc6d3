import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { CliProcess } from '../support/cli.ts';
import { hashes, type Migration, migration } from '../support/migration.ts';
import { ownServer } from '../support/servers.ts';

/** What happens to servers and sessions while a run follows, beyond what the fault suite throws at random. */
const source = await ownServer(15, { logical_decoding_work_mem: '64kB', wal_sender_timeout: '2s' });
const target = await ownServer(17, { max_connections: '12', superuser_reserved_connections: '0' });

const tables = ['t', 'twice'];
const schema = `CREATE TABLE t (id int PRIMARY KEY, v int, pad text); CREATE TABLE twice (id int);
  ALTER TABLE twice REPLICA IDENTITY FULL; INSERT INTO t SELECT i, 0, 'p' FROM generate_series(1, 200) i`;

async function following(more = ''): Promise<{ m: Migration; run: CliProcess }> {
  const m = await migration({ from: source, to: target, source: more });
  await m.source.query(schema);
  const run = m.start();
  await run.until('caught-up');
  return { m, run };
}

async function equalAfterAll(m: Migration, run: CliProcess): Promise<void> {
  run.process.kill('SIGTERM');
  const { code, stderr } = await run.ended;
  assert.equal(code, 0, stderr);
  await m.run();
  assert.deepEqual(await hashes(m.target, tables), await hashes(m.source, tables));
  assert.equal((await m.verb('cleanup', '--yes')).code, 0);
}

/** Resolves when the target holds the row; a connection that the target refuses is tried again. */
async function arrives(m: Migration, id: number): Promise<void> {
  for (const deadline = Date.now() + 60_000; ; await sleep(100)) {
    const found = await m.target.query(`SELECT FROM t WHERE id = ${id}`).catch(() => []);
    if (found.length === 1) return;
    assert.ok(Date.now() < deadline, `row ${id} did not come`);
  }
}

test('the target has no connection left when the apply session is lost: tried again until there is one', async () => {
  const { m, run } = await following();
  const held: pg.Client[] = [];
  const kill = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${m.target.name}' AND application_name LIKE 'pgsluice%'`;
  const inside = new pg.Client({ connectionString: target.url() });
  await inside.connect();
  const fill = async () => {
    for (;;) {
      const client = new pg.Client({ connectionString: target.url() });
      client.on('error', () => {});
      try {
        await client.connect();
      } catch {
        return;
      }
      held.push(client);
    }
  };
  await fill();
  await inside.query(kill);
  await fill();
  await m.source.query('INSERT INTO t VALUES (1001, 1); INSERT INTO twice VALUES (1), (1)');
  await run.until('stream-retry', 2);
  for (const client of held) await client.end();
  await arrives(m, 1001);
  await inside.end();
  await equalAfterAll(m, run);
});

test('every session of ours is ended, one after the other, again and again', async () => {
  const { m, run } = await following();
  const stop = new AbortController();
  const writing = (async () => {
    for (let id = 2000; !stop.signal.aborted; id++) {
      await m.source.query(`INSERT INTO t VALUES (${id}, 0); UPDATE t SET v = v + 1 WHERE id = ${1 + (id % 200)};
        INSERT INTO twice VALUES (${id % 9}); DELETE FROM twice WHERE ctid = (SELECT min(ctid) FROM twice WHERE id = ${id % 7})`);
      await sleep(5);
    }
  })();
  let ended = 0;
  for (let round = 0; round < 6; round++) {
    for (const side of [m.source, m.target]) {
      const sessions = await side.server.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE datname = '${side.name}' AND application_name LIKE 'pgsluice%'`,
      );
      for (const { pid } of sessions) {
        await side.server.query(`SELECT pg_terminate_backend(${pid})`);
        ended++;
        await sleep(Math.random() * 150);
      }
    }
  }
  stop.abort();
  await writing;
  assert.ok(ended >= 6, `${ended} sessions ended`);
  await equalAfterAll(m, run);
});

for (const streaming of [false, true]) {
  test(`the source crashes in the middle of a large transaction (streaming: ${streaming}): nothing of it arrives`, async () => {
    const { m, run } = await following(`  streaming: ${streaming}`);
    const large = new pg.Client({ connectionString: m.source.url });
    large.on('error', () => {});
    await large.connect();
    await large.query(`BEGIN; INSERT INTO t SELECT i, 0, repeat('x', 200) FROM generate_series(10000, 30000) i;
      UPDATE t SET v = -1 WHERE id <= 200; SAVEPOINT s; DELETE FROM t WHERE id < 100; ROLLBACK TO s`);
    await m.source.query('INSERT INTO t VALUES (3001, 1)');
    await arrives(m, 3001);
    await source.restart('immediate');
    await m.source.query('INSERT INTO t VALUES (3002, 1); INSERT INTO twice VALUES (7)');
    await arrives(m, 3002);
    assert.deepEqual(await m.target.query('SELECT FROM t WHERE v = -1 OR id >= 10000'), []);
    await equalAfterAll(m, run);
  });
}

test('stopped for longer than wal_sender_timeout: it goes on where it was', async () => {
  const { m, run } = await following();
  run.process.kill('SIGSTOP');
  await m.source.query('INSERT INTO t SELECT i, 0 FROM generate_series(5000, 5999) i; INSERT INTO twice VALUES (5)');
  const walsender = `SELECT FROM pg_stat_replication WHERE application_name LIKE 'pgsluice%'`;
  for (const deadline = Date.now() + 60_000; (await source.query(walsender)).length > 0; await sleep(100))
    assert.ok(Date.now() < deadline, 'the walsender did not give up');
  run.process.kill('SIGCONT');
  await arrives(m, 5999);
  assert.ok(run.events('stream-retry').length > 0, run.stdout);
  await equalAfterAll(m, run);
});

test('the publication is dropped while it is followed: an error that says so', async () => {
  const { m, run } = await following();
  const name = `pgsluice_${m.source.name}`;
  await m.source.query(`DROP PUBLICATION ${name}; INSERT INTO t VALUES (4001, 1)`);
  const { code, stderr } = await run.ended;
  assert.equal(code, 1, stderr);
  assert.match(stderr, /PGS(2182|2155) .*publication/);
  // One that somebody makes again does not bring back what was written while there was none.
  await m.source.query(`CREATE PUBLICATION ${name} FOR TABLE t, twice; INSERT INTO t VALUES (4002, 1)`);
  const again = await m.verb('run', '--stop-at', 'now', '--log', 'json');
  assert.equal(again.code, 1, again.stdout);
  assert.match(again.stderr, /PGS2182 .*dropped and made again/);
});
