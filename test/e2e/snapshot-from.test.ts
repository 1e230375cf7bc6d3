import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { HandoffLsn, SnapshotLsn } from '../../core/postgres/lsn.ts';
import { parseLsn } from '../../core/postgres/lsn.ts';
import { readCatalog } from '../../core/api/source.ts';
import type { SnapshotSession } from '../../core/api/snapshot.ts';
import type { PostgresSource } from '../../plugins/source-postgres/source.ts';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { onlyLong } from '../support/long.ts';
import { database, ownServer, server } from '../support/servers.ts';
import { calm, postgresSource } from '../support/source-context.ts';
import { caughtUp, standbyOf } from '../support/standby.ts';

const major = 16;
const target = await database(await server(major), 'dst');
const primary = await ownServer(major);
const standby = await standbyOf(primary, { hot_standby_feedback: 'off', max_standby_streaming_delay: '100ms' });
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

/** Rows of a table of integers under a snapshot. */
async function idsOf(session: SnapshotSession, at: PostgresSource): Promise<string[]> {
  const { relation } = (await readCatalog(at, calm)).tables[0]!;
  const chunk = { id: 't#0', relation, range: null, bytes: 0 };
  const { rows } = await session.openRows(chunk, { select: ['id'], where: null, plain: ['id'] }, calm);
  const found: string[] = [];
  for await (const batch of rows) for (const [id] of batch) found.push(String(id));
  return found;
}

async function paused(): Promise<string> {
  const [row] = await standby.query<{ state: string }>('SELECT pg_get_wal_replay_pause_state() AS state');
  return row!.state;
}

test('a snapshot of a standby has what was committed below its position, and nothing else, while it replays, lags, was paused, or loses the session that holds it', async () => {
  await primary.query('CREATE DATABASE exact');
  await primary.query('CREATE TABLE t (id int PRIMARY KEY)', 'exact');
  await primary.query(`SELECT pg_create_logical_replication_slot('judge', 'test_decoding')`, 'exact');
  await caughtUp(primary, standby);
  const from = [standby.url('exact'), primary.url('exact')];
  await using source = postgresSource({ url: primary.url('exact'), snapshot: { workers: 1, from } }, 'exact');
  const [replica, none] = source.snapshot.replicas!;
  const stop = new AbortController();
  const writers = Array.from({ length: 4 }, async (_, w) => {
    const client = new pg.Client({ connectionString: primary.url('exact') });
    await client.connect();
    for (let i = w; !stop.signal.aborted; i += 4) await client.query('INSERT INTO t VALUES ($1)', [i]);
    await client.end();
  });
  const seen: { ids: string[]; at: SnapshotLsn }[] = [];
  const look = async (handoff = 0n) => {
    await using session = await replica!.open({ handoff: handoff as HandoffLsn, least: handoff }, calm);
    seen.push({ ids: await idsOf(session, source), at: session.exactAt });
    return session.exactAt;
  };
  for (let i = 0; i < 8; i++) await look();
  assert.equal(await paused(), 'not paused');

  // It lags.
  await standby.query('SELECT pg_wal_replay_pause()');
  const [now] = await primary.query<{ at: string }>('SELECT pg_current_wal_insert_lsn() AS at');
  const lagging = look(parseLsn(now!.at));
  await pause(300);
  await standby.query('SELECT pg_wal_replay_resume()');
  assert.ok((await lagging) >= parseLsn(now!.at));

  // Somebody else's pause is left alone.
  await standby.query('SELECT pg_wal_replay_pause()');
  await look();
  assert.equal(await paused(), 'paused');
  await standby.query('SELECT pg_wal_replay_resume()');

  // The session that holds replay is ended.
  const ending = standby.query(`DO $$ BEGIN
    FOR i IN 1..5000 LOOP
      PERFORM pg_stat_clear_snapshot(), pg_sleep(0.001);
      PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE query LIKE 'DO %pg_wal_replay_pause%' AND application_name LIKE 'pgsluice%' AND pg_get_wal_replay_pause_state() = 'paused';
      IF FOUND THEN RETURN; END IF;
    END LOOP;
    RAISE EXCEPTION 'nobody held replay';
  END $$`);
  await Promise.allSettled([look(), ending]);
  await ending;
  assert.equal(await paused(), 'not paused');
  await look();

  await assert.rejects(async () => none!.open({ handoff: 0n as HandoffLsn, least: 0n }, calm), { code: 'PGS2185' });
  stop.abort();
  await Promise.all(writers);
  const changes = await primary.query<{ lsn: string; data: string }>(
    `SELECT lsn, data FROM pg_logical_slot_get_changes('judge', NULL, NULL)`,
    'exact',
  );
  // test_decoding gives the end of the commit record with COMMIT.
  const commits: { id: string; end: bigint }[] = [];
  let id = '';
  for (const { lsn, data } of changes) {
    if (data.startsWith('table ')) id = /:(\d+)$/.exec(data)![1]!;
    else if (data.startsWith('COMMIT')) commits.push({ id, end: parseLsn(lsn) });
  }
  assert.ok(seen.length >= 11);
  for (const { ids, at } of seen) {
    const below = commits.filter(({ end }) => end <= at).map((commit) => commit.id);
    assert.deepEqual(ids.sort(), below.sort());
  }
  assert.ok(new Set(seen.map(({ ids }) => ids.length)).size > 8);
});

test('ranges are read from a standby that replays under load, cancels reads and loses its readers, each exact at its position; the source is read for none of them', {
  skip: onlyLong,
}, async () => {
  await primary.query('CREATE DATABASE shop');
  await primary.query(schema, 'shop');
  await caughtUp(primary, standby);
  const fileOf = (from: string) =>
    pipelineFile(`pipeline: from_standby
source:
  plugin: postgres
  url: "${primary.url('shop')}"
  snapshot: { workers: 2, chunk_size: 64kB, ledger_above: 128kB, max_age: 3s, from: ["${from}"] }
sinks: [{ plugin: postgres, url: "${target.url}" }]
limit: { rate: 50kB/s }
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
  // Without feedback a vacuum on the source cancels what the standby reads, once the run's snapshot of the source is gone.
  while (run.events('standby-retry').length === 0 && run.process.exitCode === null) {
    await primary.query('VACUUM sale', 'shop');
    await pause(300);
  }
  await run.until('standby-retry');
  // It reads again, and loses its sessions.
  let lost: unknown[] = [];
  while (lost.length === 0 && run.process.exitCode === null) {
    await pause(50);
    lost = await standby.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pgsluice%' AND query LIKE '%COPY (SELECT%'`,
    );
  }
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
  assert.equal(await paused(), 'not paused');
});
