import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { database, ownServer, server } from '../support/servers.ts';
import { caughtUp, standbyOf } from '../support/standby.ts';

const major = 16;
const target = await database(await server(major), 'dst');
const rows = 12_000;
const schema = `CREATE TABLE sale (id int PRIMARY KEY, v int NOT NULL DEFAULT 0, pad text NOT NULL);
  INSERT INTO sale SELECT i * 10, 0, repeat('x', 80) FROM generate_series(1, ${rows}) i;
  CREATE TABLE small (id int PRIMARY KEY); INSERT INTO small SELECT generate_series(1, 10); ANALYZE;
  CREATE ROLE mover LOGIN PASSWORD 'local-only'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO mover`;
const all = `SELECT count(*) || ' ' || md5(string_agg(s::text, ',' ORDER BY id)) AS rows FROM sale s`;

/** Updates, and moves between ranges. */
async function write(url: string, stop: AbortSignal): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  for (let i = 1; !stop.aborted; i++) {
    const at = ((i * 7919) % rows) * 10;
    await client.query(`BEGIN; UPDATE sale SET v = v + 1 WHERE id = ${at}; UPDATE sale SET id = ${((i * 4801) % rows) * 10 + 1 + (i % 9)} WHERE id = ${at + 10}
      AND NOT EXISTS (SELECT FROM sale WHERE id = ${((i * 4801) % rows) * 10 + 1 + (i % 9)}); COMMIT`);
    await pause(5);
  }
  await client.end();
}

test('ranges are read from a standby that replays under load and loses its readers, each exact at its position; the source is read for none of them', async () => {
  const primary = await ownServer(major);
  await primary.query('CREATE DATABASE shop');
  await primary.query(schema, 'shop');
  const standby = await standbyOf(primary, { hot_standby_feedback: 'on' });
  await caughtUp(primary, standby);
  const fileOf = (from: string) =>
    pipelineFile(`pipeline: from_standby
source:
  plugin: postgres
  url: "${primary.url('shop')}"
  snapshot: { workers: 2, chunk_size: 64kB, ledger_above: 128kB, max_age: 3s, from: ["${from}"] }
sinks: [{ plugin: postgres, url: "${target.url}" }]
limit: { rate: 250kB/s }
`);
  // `check` (its part `replicas`) prints what a role lacks that may not hold replay.
  const asked = await cli(['check', await fileOf(standby.url('shop', 'mover')), '--sql']);
  assert.equal(asked.code, 3, asked.stdout);
  const [grant] = /^GRANT EXECUTE ON FUNCTION pg_wal_replay_pause.*$/m.exec(asked.stdout) ?? [];
  await primary.query(grant!, 'shop');
  await caughtUp(primary, standby);
  const file = await fileOf(standby.url('shop', 'mover'));
  const stop = new AbortController();
  const writer = write(primary.url('shop'), stop.signal);
  const run = new CliProcess(['run', file, '--stop-at', 'now', '--log', 'json']);
  const read = new Set<string>();
  const seen = (async () => {
    while (run.process.exitCode === null) {
      const found = await primary.query<{ query: string }>(
        `SELECT left(query, 200) AS query FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%COPY (SELECT%sale%' AND pid <> pg_backend_pid()`,
      );
      for (const { query } of found) read.add(query);
      await pause(30);
    }
  })();
  await run.until('standby-reads');
  await pause(700);
  const lost = await standby.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pgsluice%'`,
  );
  assert.ok(lost.length > 0);
  const first = await run.ended;
  stop.abort();
  await Promise.all([writer, seen]);
  assert.equal(first.code, 0, first.stderr);
  assert.ok(run.events('standby-reads').length >= 2, `${run.events('standby-reads').length} snapshots of the standby`);
  assert.deepEqual([...read], []);
  const last = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
  assert.equal(last.code, 0, last.stderr);
  assert.deepEqual(await target.query(all), await primary.query(all, 'shop'));
  const [state] = await standby.query<{ state: string }>('SELECT pg_get_wal_replay_pause_state() AS state');
  assert.equal(state!.state, 'not paused');
});
