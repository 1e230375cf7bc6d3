import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalServer } from '../../core/servers/local-server.ts';
import { hashes, migration, type Migration } from '../support/migration.ts';
import { onlyLong, short } from '../support/long.ts';
import { database, ownServer } from '../support/servers.ts';
import { newCopy, Witness, writeUntil } from './copy-kills.ts';

/** Servers and backends that go away under a copy: the run goes on by itself, in the same process. */
const source = await ownServer(15);
const target = await ownServer(17);

/** A copy of some seconds, with a writer; `disturb` is called when the first table is in. */
async function disturbed(disturb: (run: Migration) => Promise<void>): Promise<{ codes: string[]; events: string[] }> {
  const run = await newCopy({ from: source, to: target }, 1500, '500kB/s');
  const stop = new AbortController();
  // A server that restarts ends its writer; what it had written is written.
  const writer = writeUntil(run.source.url, 1500, stop.signal).catch(() => 0);
  const running = run.start('--stop-at', 'now');
  await running.until('table-copied');
  await disturb(run);
  const { code, stderr } = await running.ended;
  assert.equal(code, 0, stderr);
  stop.abort();
  await writer;
  const events = running.events();
  const witness = new Witness(run);
  await witness.look(running);
  await witness.end();
  return {
    codes: events.flatMap((event) => (typeof event['code'] === 'string' ? [event['code']] : [])),
    events: events.map((event) => String(event['event'])),
  };
}

async function restart(server: LocalServer, mode: 'fast' | 'immediate'): Promise<void> {
  await server.stop(mode);
  await sleep(500);
  await server.startAgain();
}

for (const mode of short(1, ['immediate', 'fast'] as const)) {
  test(`the target is restarted (${mode}) in the middle of the copy`, async () => {
    const { events } = await disturbed(() => restart(target, mode));
    assert.ok(events.includes('chunk-retry') || events.includes('snapshot-retry'), events.join(' '));
  });
}

for (const mode of ['immediate'] as const) {
  test(`the source is restarted (${mode}) in the middle of the copy: the rest comes under a new snapshot`, async () => {
    const { events } = await disturbed(() => restart(source, mode));
    assert.ok(events.includes('snapshot-retry'), events.join(' '));
    assert.ok(events.filter((event) => event === 'copy-started').length >= 2);
  });
}

test('the backend of a worker is killed: its chunk is read again under the same snapshot', {
  skip: onlyLong,
}, async () => {
  const databases = { source: await database(source, 'worker'), target: await database(target, 'worker') };
  const run = await migration({ from: source, to: target, databases, more: 'limit: { rate: 4MB/s }' });
  // A backend is active until the last of its rows is in the socket's buffers, which hold up to 8 MB: there are more than that.
  await run.source.query(
    `CREATE TABLE big (id int PRIMARY KEY, v text); INSERT INTO big SELECT i, repeat('b', 1000) FROM generate_series(1, 30000) i`,
  );
  const running = run.start('--stop-at', 'now');
  await running.until('copy-started');
  let killed = 0;
  while (killed < 2 && running.events('table-copied').length === 0) {
    const gone = await run.source.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%COPY%TO STDOUT%' AND state = 'active' AND pid <> pg_backend_pid()`,
    );
    killed += gone.length;
    await sleep(200);
  }
  const { code, stderr } = await running.ended;
  assert.equal(code, 0, stderr);
  assert.equal(killed, 2);
  assert.equal(running.events('chunk-retry').length, 2);
  assert.equal(running.events('copy-started').length, 1);
  assert.deepEqual(await hashes(run.target, ['big']), await hashes(run.source, ['big']));
});

test('backends of the target are killed while they load and build', { skip: onlyLong }, async () => {
  await disturbed(async (run) => {
    for (let i = 0; i < 5; i++) {
      await run.target.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pgsluice%' AND datname = current_database()
           AND query ~ 'COPY|CREATE.*INDEX|ANALYZE' AND pid <> pg_backend_pid()`,
      );
      await sleep(400);
    }
  });
});

test('a source that is gone for good ends the run with a code, and a later run goes on with what is left', async () => {
  const own = await ownServer(16);
  const databases = { source: await database(own, 'gone'), target: await database(target, 'gone') };
  const run = await migration({
    from: own,
    to: target,
    databases,
    source: '  snapshot: { workers: 1 }',
    more: 'limit: { rate: 200kB/s }',
  });
  await run.source.query(
    `CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT i, repeat('a', 50) FROM generate_series(1, 3000) i;
     CREATE TABLE b (id int PRIMARY KEY, v text); INSERT INTO b SELECT i, repeat('b', 50) FROM generate_series(1, 2000) i;`,
  );
  const running = run.start('--stop-at', 'now');
  await running.until('table-copied');
  await own.stop('immediate');
  running.process.kill('SIGTERM');
  const { code } = await running.ended;
  assert.ok(code === 0 || code === 1);
  const down = await run.verb('run', '--stop-at', 'now', '--log', 'json');
  assert.match(down.stderr, /^PGS2001 /);
  assert.equal(down.code, 1);
  await own.startAgain();
  await run.run();
  assert.deepEqual(await hashes(run.target, ['a', 'b']), await hashes(run.source, ['a', 'b']));
});
