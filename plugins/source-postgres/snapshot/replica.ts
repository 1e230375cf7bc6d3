import type pg from 'pg';
import { pause } from '../../../core/base/backoff.ts';
import type { SnapshotSession } from '../../../core/api/snapshot.ts';
import type { ReplicaStart, SnapshotReplica } from '../../../core/api/source-database.ts';
import type { LentSnapshot } from '../../../core/api/shared-copy.ts';
import { formatLsn, parseLsn, type SnapshotLsn } from '../../../core/postgres/lsn.ts';
import { sourceError } from '../errors.ts';
import { type SourceAccess, withClient } from '../session.ts';
import { PostgresSnapshot, type ReadTables } from './session.ts';

/** Milliseconds for which a standby that is behind is waited for, and for which replay is held at most. */
const patience = { behind: 30_000, held: 10_000 };
const lockClass = 7041;

/**
 * Holds replay until a lock of this session's number is taken, or for `held`. The server itself goes on with it when we are gone. A
 * pause that somebody else made is left alone.
 */
const hold = `DO $$
DECLARE ends timestamptz := clock_timestamp() + interval '${patience.held} ms';
BEGIN
  IF pg_get_wal_replay_pause_state() <> 'not paused' THEN RETURN; END IF;
  PERFORM pg_wal_replay_pause();
  BEGIN
    WHILE clock_timestamp() < ends AND NOT EXISTS (SELECT FROM pg_locks
      WHERE locktype = 'advisory' AND classid = ${lockClass} AND objid = pg_backend_pid() AND objsubid = 2 AND granted)
    LOOP
      PERFORM pg_sleep(0.01);
    END LOOP;
  EXCEPTION WHEN OTHERS OR query_canceled THEN
    PERFORM pg_wal_replay_resume();
    RAISE;
  END;
  PERFORM pg_wal_replay_resume();
END $$`;

/** A physical standby of the source that is only read. */
export class Replica implements SnapshotReplica {
  readonly name: string;
  readonly #source: SourceAccess;
  readonly #access: SourceAccess;
  readonly #given: { readonly workers: number; readonly tables: ReadTables };

  constructor(
    source: SourceAccess,
    access: SourceAccess,
    given: { readonly workers: number; readonly tables: ReadTables },
  ) {
    this.name = access.name;
    this.#source = source;
    this.#access = access;
    this.#given = given;
  }

  async open({ handoff, least }: ReplicaStart, signal: AbortSignal): Promise<SnapshotSession> {
    const source = await withClient(this.#source, signal, identityOf);
    return withClient(this.#access, signal, async (client) => {
      this.#check(source, await identityOf(client));
      await this.#untilReplayed(client, least, signal);
      const { name, exactAt } = await this.#exact(client, signal);
      const session = await PostgresSnapshot.start(this.#access, { ...this.#given, name }, { handoff, exactAt });
      if (!signal.aborted) return session;
      await session[Symbol.asyncDispose]();
      throw signal.reason;
    });
  }

  join(lent: LentSnapshot, signal: AbortSignal): Promise<SnapshotSession | null> {
    signal.throwIfAborted();
    return PostgresSnapshot.join(this.#access, lent, this.#given);
  }

  #check(source: Identity, here: Identity): void {
    const why =
      here.standby !== 't'
        ? 'it is no standby'
        : source.system !== here.system || source.database !== here.database
          ? 'it is another system or database than the source'
          : source.timeline !== here.timeline
            ? `it is on timeline ${here.timeline}, the source on ${source.timeline}`
            : null;
    if (why !== null) throw this.#unusable(why);
  }

  /** What the stream begins with must be in the snapshot, or it would be missing between the two. */
  async #untilReplayed(client: pg.Client, least: bigint, signal: AbortSignal): Promise<void> {
    for (const ends = Date.now() + patience.behind; ; await pause(100, signal)) {
      const { at } = await replayOf(client);
      if (at >= least) return;
      if (Date.now() > ends)
        throw this.#unusable(`it has replayed ${formatLsn(at)}, and ${formatLsn(least)} is needed`);
    }
  }

  /**
   * A snapshot that has exactly what was committed below its position: replay stood at one position, between two records, before and
   * after it was taken, and what is replayed below it was visible (docs/design.md).
   */
  async #exact(client: pg.Client, signal: AbortSignal): Promise<{ name: string; exactAt: SnapshotLsn }> {
    const ours = (await replayOf(client)).state === 'not paused';
    return withClient(this.#access, signal, async (holder) => {
      const { rows } = await holder.query<{ pid: string }>('SELECT pg_backend_pid() AS pid');
      const held = holder.query(hold).then(
        () => null,
        (error: unknown) => error,
      );
      try {
        const before = await this.#untilHeld(client, held, signal);
        await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
        const exported = await client.query<{ name: string }>('SELECT pg_export_snapshot() AS name');
        const after = await replayOf(client);
        if (!after.held || after.at !== before) throw this.#unusable('its replay went on while the snapshot was taken');
        return { name: exported.rows[0]!.name, exactAt: before as SnapshotLsn };
      } finally {
        await client.query('SELECT pg_advisory_lock($1, $2::int)', [lockClass, rows[0]!.pid]).catch(() => {});
        // A session that was ended from outside does not let go of what it held.
        if ((await held) !== null && ours) await this.#letGo();
      }
    });
  }

  /** Whoever cannot be reached any more has been restarted, which ends the pause, or ends it after a while. */
  async #letGo(): Promise<void> {
    await withClient(this.#access, null, async (client) => {
      if ((await replayOf(client)).state !== 'not paused') await client.query('SELECT pg_wal_replay_resume()');
    }).catch(() => {});
  }

  async #untilHeld(client: pg.Client, held: Promise<unknown>, signal: AbortSignal): Promise<bigint> {
    let failed: unknown = null;
    void held.then((error) => (failed = error));
    for (const ends = Date.now() + patience.held / 2; ; await pause(10, signal)) {
      if (failed !== null) throw failed;
      const { at, held: stands } = await replayOf(client);
      if (stands) return at;
      if (Date.now() > ends) throw this.#unusable('its replay could not be held');
    }
  }

  #unusable(why: string): Error {
    return sourceError('PGS2185', `${this.name} cannot be read: ${why}`, { where: { connection: this.name } });
  }
}

type Identity = Readonly<Record<'standby' | 'system' | 'database' | 'timeline', string>>;

/** The timeline that a standby receives; where the role may not see it, that of its last restart point. */
async function identityOf(client: pg.Client): Promise<Identity> {
  const { rows } = await client.query<Identity>(
    `SELECT pg_is_in_recovery() AS standby, current_database() AS database, (SELECT system_identifier FROM pg_control_system()) AS system,
       CASE WHEN pg_is_in_recovery() THEN coalesce((SELECT received_tli FROM pg_stat_wal_receiver), (SELECT timeline_id FROM pg_control_checkpoint()))
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END AS timeline`,
  );
  return rows[0]!;
}

async function replayOf(client: pg.Client): Promise<{ at: bigint; state: string; held: boolean }> {
  const { rows } = await client.query<{ at: string; state: string }>(
    // In this order: what stood when the position was read had not moved before.
    `SELECT pg_get_wal_replay_pause_state() AS state, coalesce(pg_last_wal_replay_lsn(), '0/0') AS at`,
  );
  const { at, state } = rows[0]!;
  return { at: parseLsn(at), state, held: state === 'paused' };
}
