import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { parseLsn } from '../../core/postgres/lsn.ts';
import type { LocalServer } from '../../core/servers/local-server.ts';
import { hashes, migration } from '../support/migration.ts';
import { ownServer, server } from '../support/servers.ts';

/**
 * The target dies between the commit of a batch and its flush (I1). Its WAL writer sleeps ten seconds, so that whatever was
 * committed with synchronous_commit off, and not flushed since, is lost.
 */
const target = await ownServer(17, { fsync: 'on', wal_writer_delay: '10s', wal_writer_flush_after: '64MB' });
/** Kills: TARGET_CRASHES=30 is the long form. */
const crashes = Number(process.env['TARGET_CRASHES'] ?? 4);

interface Written {
  readonly id: number;
  /** A WAL position behind its commit. */
  readonly behind: bigint;
}

async function writeUntil(url: string, stop: AbortSignal, written: Written[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  for (let id = 1; !stop.aborted; id++) {
    await client.query(`INSERT INTO t VALUES (${id}); INSERT INTO twice VALUES (${id})`);
    const { rows } = await client.query<{ at: string }>('SELECT pg_current_wal_insert_lsn() AS at');
    written.push({ id, behind: parseLsn(rows[0]!.at) });
    // Some pauses are long enough for the sink to flush by itself, most are not.
    await sleep(Math.random() * (id % 20 === 0 ? 200 : 15));
  }
  await client.end();
}

/** Every process of the server at once, so that none of them still writes anything out. */
async function killAll({ pid }: LocalServer): Promise<void> {
  const children: number[] = [];
  for (const name of await readdir('/proc')) {
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid) children.push(Number(name));
  }
  for (const one of [pid!, ...children]) {
    try {
      process.kill(one, 'SIGKILL');
    } catch {}
  }
}

test(`the target dies ${crashes} times between commits and their flush: the slot is never ahead of it`, async (t) => {
  const m = await migration({ from: await server(15), to: target });
  await m.source.query(
    'CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE twice (id int); ALTER TABLE twice REPLICA IDENTITY FULL',
  );
  const run = m.start();
  await run.until('stream-started');
  const stop = new AbortController();
  const written: Written[] = [];
  const writer = writeUntil(m.source.url, stop.signal, written);
  t.after(() => stop.abort());
  let lost = 0;
  for (let crash = 0; crash < crashes; crash++) {
    await sleep(700 + Math.random() * 700);
    const before = await newest(m.target);
    if (crash % 2 === 0) await target.stop('immediate');
    else await killAll(target).then(() => target.stop('immediate'));
    // What the source has been told by now must be there when the target comes back.
    const [slot] = await m.source.query<{ at: string }>(
      `SELECT confirmed_flush_lsn AS at FROM pg_replication_slots WHERE slot_name = 'pgsluice_${m.source.name}'`,
    );
    const confirmed = parseLsn(slot!.at);
    const told = written.filter(({ behind }) => behind <= confirmed).at(-1)?.id ?? 0;
    await target.startAgain();
    const after = await newest(m.target);
    if (after < before) lost++;
    t.diagnostic(`saw ${before}, told ${told}, after the crash ${after}`);
    assert.ok(after >= told, `the slot stands behind row ${told}, the target has ${after} rows`);
  }
  stop.abort();
  await writer;
  assert.ok(lost > 0, 'no crash lost a commit: nothing was tested');
  run.process.kill('SIGTERM');
  await run.ended;
  await m.run();
  assert.deepEqual(await hashes(m.target, ['t', 'twice']), await hashes(m.source, ['t', 'twice']));
});

/** Without a transaction id: a read must not make anything durable. */
async function newest(db: { query(sql: string): Promise<Record<string, unknown>[]> }): Promise<number> {
  const [row] = await db.query('SELECT coalesce(max(id), 0)::int AS id FROM t');
  return Number(row!['id']);
}
