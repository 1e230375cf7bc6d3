import { execFile } from 'node:child_process';
import { cp, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after } from 'node:test';
import { promisify } from 'node:util';
import pg from 'pg';
import type { LocalServer } from '../../core/servers/local-server.ts';

/** Replication slot of a standby on its primary. */
export const standbySlot = 'standby';

/** A standby that streams from `primary`, removed at the end of the file. */
export async function standbyOf(
  primary: LocalServer,
  settings: Readonly<Record<string, string>> = {},
  slot: string = standbySlot,
): Promise<LocalServer> {
  const standby = await startStandby(primary, settings, slot);
  after(() => standby.remove());
  return standby;
}

/**
 * A base backup by the low-level functions (manual: "Making a Base Backup Using the Low Level API"), as the servers of npm come
 * without pg_basebackup.
 */
export async function startStandby(
  primary: LocalServer,
  settings: Readonly<Record<string, string>> = {},
  slot: string = standbySlot,
): Promise<LocalServer> {
  await primary.query(`SELECT pg_create_physical_replication_slot('${slot}', true)`);
  const conninfo = `host=127.0.0.1 port=${primary.port} user=postgres password=local-only dbname=postgres application_name=${slot}`;
  return await primary.another((data) => baseBackup(primary, data), {
    primary_conninfo: `'${conninfo}'`,
    primary_slot_name: `'${slot}'`,
    hot_standby: 'on',
    wal_receiver_status_interval: '1s',
    ...settings,
  });
}

/** Not copied: what belongs to the running server, and WAL, which the slot keeps. */
const left: ReadonlySet<string> = new Set([
  'postmaster.pid',
  'postmaster.opts',
  'standby.signal',
  'postgresql.auto.conf',
]);
const emptied = [
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
];

async function baseBackup(primary: LocalServer, to: string): Promise<void> {
  const from = join(primary.directory, 'data');
  const client = new pg.Client({ connectionString: primary.url() });
  await client.connect();
  const old = primary.major === 14;
  await client.query(old ? `SELECT pg_start_backup('t', true, false)` : `SELECT pg_backup_start('t', true)`);
  for (const name of await readdir(from)) {
    if (left.has(name)) continue;
    if (emptied.includes(name)) await promisify(execFile)('mkdir', ['-p', join(to, name)]);
    // A temporary file may go while it is copied.
    else
      await promisify(execFile)('cp', ['-a', join(from, name), to]).catch(() =>
        cp(join(from, name), join(to, name), { recursive: true, force: true }),
      );
  }
  await promisify(execFile)('mkdir', ['-p', join(to, 'pg_wal', 'archive_status'), join(to, 'pg_wal', 'summaries')]);
  const { rows } = await client.query<{ labelfile: string }>(
    old ? 'SELECT labelfile FROM pg_stop_backup(false, false)' : 'SELECT labelfile FROM pg_backup_stop(false)',
  );
  await client.end();
  await writeFile(join(to, 'backup_label'), rows[0]!.labelfile);
  await writeFile(join(to, 'standby.signal'), '');
  await writeFile(join(to, 'postgresql.auto.conf'), '');
}

/** Until the standby has replayed what the primary wrote so far. */
export async function caughtUp(primary: LocalServer, standby: LocalServer): Promise<void> {
  const [at] = await primary.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn');
  for (;;) {
    const [row] = await standby.query<{ there: boolean }>(`SELECT pg_last_wal_replay_lsn() >= '${at!.lsn}' AS there`);
    if (row!.there) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function promote(standby: LocalServer): Promise<void> {
  await standby.query('SELECT pg_promote(true, 120)');
}
