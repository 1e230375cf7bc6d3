import type pg from 'pg';
import { pause } from '../../core/base/backoff.ts';
import { formatLsn, parseLsn } from '../../core/postgres/lsn.ts';
import { sourceError } from './errors.ts';
import { KeptClient } from './kept-client.ts';
import type { PostgresSourceOptions } from './options.ts';
import { type SourceAccess, ask, withClient } from './session.ts';

/** Milliseconds that a standby may take to replay a change that the pipeline made on the primary. */
const patience = 120_000;

/**
 * Where objects are made that cannot be made on a standby: publication, triggers, messages, the fence. The source
 * itself, if it is no standby.
 */
export function primaryOf(access: SourceAccess): SourceAccess {
  const { primary } = access;
  if (primary === undefined || primary === null) return access;
  return { ...access, connection: primary, primary: null, name: `${access.name} primary`, kept: new KeptClient() };
}

/** The standbys that ranges of tables are read from. */
export function replicasOf(
  access: SourceAccess,
  { snapshot, ...options }: PostgresSourceOptions,
): readonly SourceAccess[] {
  return (snapshot.from ?? []).map((url, i) => ({
    ...access,
    connection: { ...options, url },
    primary: null,
    name: `${access.name} standby ${i + 1}`,
    kept: new KeptClient(),
  }));
}

/**
 * Changes something on the primary. Resolves when the source has the change, too: the stream decodes with the standby's
 * catalog, and a missing publication would end it.
 */
export async function changePrimary<T>(
  access: SourceAccess,
  signal: AbortSignal | null,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const result = await withClient(primaryOf(access), signal, work);
  await replayed(access, signal);
  return result;
}

/** Waits until a standby has replayed what its primary has written so far. */
export async function replayed(access: SourceAccess, signal: AbortSignal | null): Promise<void> {
  if (primaryOf(access) === access) return;
  const until = await withClient(primaryOf(access), signal, writtenAt);
  const deadline = Date.now() + patience;
  while (!(await ask(access, signal, (client) => hasReplayed(client, until)))) {
    if (Date.now() > deadline) {
      throw sourceError(
        'PGS2199',
        `the standby did not replay ${formatLsn(until)}, which its primary wrote, in ${patience / 1000} s`,
        { where: { connection: access.name, lsn: formatLsn(until) } },
      );
    }
    await pause(50, signal ?? new AbortController().signal);
  }
}

async function writtenAt(client: pg.Client): Promise<bigint> {
  const { rows } = await client.query<{ at: string }>('SELECT pg_current_wal_flush_lsn() AS at');
  return parseLsn(rows[0]!.at);
}

/** A standby that was promoted meanwhile has the position, or never will. */
async function hasReplayed(client: pg.Client, until: bigint): Promise<boolean> {
  const { rows } = await client.query<{ there: string }>(
    'SELECT NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() >= $1::pg_lsn AS there',
    [formatLsn(until)],
  );
  return rows[0]!.there === 't';
}

/** Milliseconds between records of running transactions; a slot needs up to three. */
const helpEvery = 200;

/**
 * The creation of a slot on a standby completes when the primary's WAL reports the running transactions, which an idle
 * primary does not do by itself. Runs until the signal. A failure does not stop the creation: the primary logs them
 * periodically.
 */
export async function helpStandby(access: SourceAccess, ended: AbortSignal): Promise<void> {
  const primary = primaryOf(access);
  if (primary !== access) await logTransactions(primary, helpEvery, ended);
}

/** Milliseconds from the start of a stream; after that the server's own records, one every 15 seconds, are enough. */
const syncHelp = 60_000;

/**
 * A standby copies a failover slot once the slot's position is beyond what the standby itself keeps. The slot advances
 * with the records of running transactions, so these are written every second in the first minute.
 */
export async function helpSlotSync(access: SourceAccess, ended: AbortSignal): Promise<void> {
  if (access.failover) await logTransactions(access, 1000, AbortSignal.any([ended, AbortSignal.timeout(syncHelp)]));
}

async function logTransactions(access: SourceAccess, every: number, ended: AbortSignal): Promise<void> {
  try {
    await withClient(access, null, async (client) => {
      while (!ended.aborted) {
        await client.query('SELECT pg_log_standby_snapshot()');
        await pause(every, ended).catch(() => {});
      }
    });
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    access.log.log('debug', 'standby-snapshot-failed', `pg_log_standby_snapshot(): ${said}`);
  }
}
