import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalServer } from '../../core/servers/local-server.ts';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { rowsOf } from '../support/failover.ts';
import { database, ownServer, server as shared } from '../support/servers.ts';
import { caughtUp, promote, standbyOf } from '../support/standby.ts';

async function targetPair(waits: number) {
  const source = await database(await shared(17), 'src');
  await source.query(
    `CREATE TABLE t (id serial PRIMARY KEY, v text); INSERT INTO t (v) SELECT 'r' || g FROM generate_series(1, 500) g`,
  );
  const primary = await ownServer(17);
  await primary.query('CREATE DATABASE dst');
  const standby = await standbyOf(primary);
  const hosts = `127.0.0.1:${primary.port},127.0.0.1:${standby.port}`;
  const file = await pipelineFile(`pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
sinks:
  - plugin: postgres
    url: "postgres://postgres:local-only@${hosts}/dst?target_session_attrs=read-write"
    apply: { wait_for_standbys: ${waits} }
`);
  return { source, primary, standby, file };
}

/** The standby receives nothing more. */
async function cutOff(standby: LocalServer): Promise<void> {
  await standby.query(`ALTER SYSTEM SET primary_conninfo = ''`);
  await standby.query('SELECT pg_reload_conf()');
  while ((await standby.query('SELECT FROM pg_stat_wal_receiver')).length > 0) await sleep(50);
}

test('with wait_for_standbys nothing that was acknowledged is lost: the run goes on at the promoted target', {
  timeout: 240_000,
}, async () => {
  const { source, primary, standby, file } = await targetPair(1);
  const run = new CliProcess(['run', file, '--log', 'json']);
  await run.until('caught-up');
  await source.query(`INSERT INTO t (v) SELECT 'a' || g FROM generate_series(1, 100) g`);
  const confirmed = async () => {
    const [row] = await source.query<{ at: string }>(
      `SELECT confirmed_flush_lsn - '0/0' AS at FROM pg_replication_slots WHERE database = current_database()`,
    );
    return Number(row!.at);
  };
  const [now] = await source.query<{ at: string }>(`SELECT pg_current_wal_lsn() - '0/0' AS at`);
  while ((await confirmed()) < Number(now!.at)) await sleep(50);
  await cutOff(standby);
  await source.query(`INSERT INTO t (v) SELECT 'b' || g FROM generate_series(1, 100) g`);
  while ((await primary.query(`SELECT FROM t WHERE v LIKE 'b%'`, 'dst')).length < 100) await sleep(50);
  const [applied] = await source.query<{ at: string }>(`SELECT pg_current_wal_lsn() - '0/0' AS at`);
  await sleep(1500);
  assert.ok((await confirmed()) < Number(applied!.at), 'what no standby has is not confirmed');
  await primary.stop('immediate');
  await promote(standby);
  // One that is alone has no standby to wait for.
  const second = await standbyOf(standby, {}, 'second');
  await caughtUp(standby, second);
  while ((await rowsOf(standby, 'dst')) !== (await rowsOf(source))) {
    assert.equal(run.process.exitCode, null, run.stderr);
    await sleep(100);
  }
  run.process.kill('SIGINT');
  assert.equal((await run.ended).code, 0, run.stderr);
});

test('without it, what the promoted target lost is a gap, told and repaired', { timeout: 240_000 }, async () => {
  const { source, primary, standby, file } = await targetPair(0);
  const first = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
  assert.equal(first.code, 0, first.stderr);
  await caughtUp(primary, standby);
  await cutOff(standby);
  await source.query(`INSERT INTO t (v) SELECT 'b' || g FROM generate_series(1, 100) g; DELETE FROM t WHERE id <= 10`);
  const more = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
  assert.equal(more.code, 0, more.stderr);
  await primary.stop('immediate');
  await promote(standby);
  const lost = await cli(['run', file, '--log', 'json']);
  assert.equal(lost.code, 1, lost.stdout);
  assert.match(lost.stderr, /^PGS2156 .*confirmed up to .*resync FILE --verify-first/m);
  // The proof that the slot is ours was lost with the state: it stands beyond what this pipeline knows to have confirmed.
  const unproved = await cli(['resync', file, '--verify-first']);
  assert.equal(unproved.code, 3, unproved.stderr);
  const drop = /^PGS2113 .*(SELECT pg_drop_replication_slot\('\w+'\);)$/m.exec(unproved.stderr)?.[1];
  assert.ok(drop !== undefined, unproved.stderr);
  await source.query(drop);
  const repaired = await cli(['resync', file, '--verify-first']);
  assert.equal(repaired.code, 0, repaired.stderr);
  assert.match(repaired.stdout, /public\.t: 110 rows copied again/);
  await source.query(`INSERT INTO t (v) VALUES ('after')`);
  const run = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
  assert.equal(run.code, 0, run.stderr);
  assert.equal(await rowsOf(standby, 'dst'), await rowsOf(source));
});
