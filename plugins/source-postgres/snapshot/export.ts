import type pg from 'pg';
import { parseLsn } from '../../../core/postgres/lsn.ts';

export interface ExportedSnapshot {
  /** Importable until the client's transaction ends. */
  readonly name: string;
  /** pg_current_snapshot: equal texts see the same transactions, and so the same rows. */
  readonly sees: string;
  /** End of WAL when it was taken. Not exact (a commit may be in WAL and not yet visible): for people and sinks that print one. */
  readonly at: bigint;
}

/** A snapshot without a slot: needs neither wal_level logical nor the replication privilege, and works on a standby. */
export async function exportSnapshot(client: pg.Client): Promise<ExportedSnapshot> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  const { rows } = await client.query<Record<'name' | 'sees' | 'at', string>>(
    `SELECT pg_export_snapshot() AS name, pg_current_snapshot()::text AS sees,
            CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0') ELSE pg_current_wal_insert_lsn() END AS at`,
  );
  const row = rows[0]!;
  return { name: row.name, sees: row.sees, at: parseLsn(row.at) };
}
