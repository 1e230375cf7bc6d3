import assert from 'node:assert/strict';
import { appendFileSync, cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { cli, CliProcess } from '../support/cli.ts';
import { brokers, kafkaAvailable } from '../support/kafka.ts';
import { readAll } from '../support/kafka-read.ts';
import { database, server } from '../support/servers.ts';

/** The source of configs/plugins, as a user's own, into both built-in sinks. */
const folder = mkdtempSync(join(tmpdir(), 'pgsluice-own-source-'));
after(() => rmSync(folder, { recursive: true }));
cpSync(fileURLToPath(new URL('../../configs/plugins', import.meta.url)), folder, { recursive: true });
const file = join(folder, 'follow-file.yaml');
const lines = join(folder, 'events.jsonl');
const target = await database(await server(18));
await target.query(`CREATE TABLE public.event (id bigint PRIMARY KEY, at timestamptz, kind text, payload jsonb)`);
const rows = () =>
  target.query(
    `SELECT id::text, kind, payload::text, at AT TIME ZONE 'UTC' = '2026-01-02 03:04:05' AS at FROM event ORDER BY id`,
  );

function write(...objects: readonly unknown[]): void {
  appendFileSync(lines, objects.map((each) => `${typeof each === 'string' ? each : JSON.stringify(each)}\n`).join(''));
}

if (await kafkaAvailable()) {
  const addresses = await brokers();
  const env = { TARGET_URL: target.url, BROKER: addresses[0]! };
  const run = (...args: readonly string[]) => cli([...args, file], env);
  const topic = 'follow_file.public.event';
  const at = '2026-01-02 03:04:05+00';

  test('a file of lines is followed into a table and a topic, over restarts, each line once', async () => {
    const large =
      '{"id": 9007199254740993, "at": "2026-01-02 03:04:05+00", "kind": "é", "payload": {"n": 12345678901234567890}}';
    write({ id: 1, at, kind: 'a', payload: { x: 1 } }, large);
    // A line that is being written is none yet.
    appendFileSync(lines, '{"id": 2, "at":');
    assert.equal((await run('run', '--stop-at', 'now')).stderr, '');
    assert.deepEqual(await rows(), [
      { id: '1', kind: 'a', payload: '{"x": 1}', at: true },
      { id: '9007199254740993', kind: 'é', payload: '{"n": 12345678901234567890}', at: true },
    ]);
    appendFileSync(lines, ' "2026-01-02 03:04:05+00", "kind": "b"}\n');
    write({ id: 1, at, kind: 'changed', payload: [] }, { id: 9007199254740993n.toString(), _deleted: true });
    assert.equal((await run('run', '--stop-at', 'now')).stderr, '');
    const after = [
      { id: '1', kind: 'changed', payload: '[]', at: true },
      { id: '2', kind: 'b', payload: null, at: true },
    ];
    assert.deepEqual(await rows(), after);
    assert.equal((await run('run', '--stop-at', 'now')).stderr, '');
    assert.deepEqual(await rows(), after);
    const records = await readAll(addresses, [topic]);
    assert.deepEqual(records.filter(({ value }) => value !== null).length, 5);
  });

  /** The server may take the locks of a killed run for held a little longer. */
  async function onceFree(): Promise<void> {
    for (const until = Date.now() + 60_000; ; await sleep(200)) {
      const { stderr } = await run('run', '--stop-at', 'now');
      if (stderr === '') return;
      if (!/^PGS(?:3110|6050|6051) /.test(stderr) || Date.now() > until) assert.equal(stderr, '');
    }
  }

  test('while it is followed a kill loses no line; what it lacks is named', async () => {
    const first = new CliProcess(['run', file, '--log', 'json'], env);
    await first.until('stream-started');
    for (let id = 100; id < 200; id++) write({ id, at, kind: 'k', payload: id });
    await sleep(300);
    first.process.kill('SIGKILL');
    await first.ended;
    for (let id = 200; id < 250; id++) write({ id, at, kind: 'k', payload: id });
    await onceFree();
    assert.deepEqual(await target.query('SELECT count(*)::int AS n FROM event WHERE id >= 100'), [{ n: 150 }]);
    const verify = await run('verify');
    assert.equal(verify.code, 1);
    assert.match(verify.stderr, /^PGS7050 .*verification needs `\w+`, which this source does not have/);
    const status = await run('status');
    assert.equal(status.code, 0, status.stderr);
    for (const verb of ['check', 'plan']) assert.equal((await run(verb)).stderr, '', verb);
    assert.match(status.stdout, /1 tables followed/);
  });

  test('a line that is no JSON, and a file that was cut, stop the run with their place', async () => {
    write('{oops');
    const bad = await run('run', '--stop-at', 'now');
    assert.equal(bad.code, 1);
    assert.match(bad.stderr, /^PGS9006 .*no JSON object at byte \d+/);
    writeFileSync(lines, '');
    const cut = await run('run', '--stop-at', '0/FFFFFFFF');
    assert.equal(cut.code, 1);
    assert.match(cut.stderr, /^PGS9006 .*it was cut/);
    assert.equal((await run('cleanup', '--yes')).code, 0);
  });
}
