import type pg from 'pg';
import type { IdleSlot, SlotStatus } from '../../../core/api/source-control.ts';
import { parseLsn } from '../../../core/postgres/lsn.ts';

/** Null when there is no slot of this name. */
export async function readSlot(client: pg.Client, name: string, application: string): Promise<SlotStatus | null> {
  const { rows } = await client.query<Record<string, string | null>>(
    `SELECT active, coalesce(confirmed_flush_lsn, restart_lsn, '0/0') AS confirmed, wal_status, safe_wal_size,
            here AS current, greatest(0, coalesce(here - restart_lsn, 0)) AS retained,
            held.seconds AS held, held.xids, CASE WHEN held.seconds IS NOT NULL THEN (SELECT sum(n_dead_tup) FROM pg_stat_user_tables) END AS dead
     FROM pg_replication_slots,
          LATERAL (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END) w (here),
          LATERAL (SELECT extract(epoch FROM max(clock_timestamp() - xact_start)), max(age(backend_xmin)) FROM pg_stat_activity
            WHERE application_name = $2 AND datname = current_database() AND backend_type = 'client backend'
              AND backend_xmin IS NOT NULL AND xact_start IS NOT NULL AND pid <> pg_backend_pid()) held (seconds, xids)
     WHERE slot_name = $1`,
    [name, application],
  );
  const row = rows[0];
  if (row === undefined) return null;
  return {
    name,
    active: row['active'] === 't',
    confirmed: parseLsn(row['confirmed']!),
    current: parseLsn(row['current']!),
    retainedBytes: Number(row['retained']),
    walStatus: row['wal_status'] ?? 'lost',
    safeBytes: nullOrNumber(row['safe_wal_size']),
    held:
      row['held'] === null
        ? null
        : { seconds: Number(row['held']), transactions: Number(row['xids']), deadRows: Number(row['dead'] ?? 0) },
  };
}

function nullOrNumber(text: string | null | undefined): number | null {
  return text === null || text === undefined ? null : Number(text);
}

/** Slots of the client's database, or of the whole server, that no connection reads. */
export async function readIdleSlots(client: pg.Client): Promise<readonly IdleSlot[]> {
  const { rows } = await client.query<{ name: string; retained: string }>(
    `SELECT slot_name AS name, greatest(0, coalesce(here - restart_lsn, 0)) AS retained
     FROM pg_replication_slots,
          LATERAL (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END) w (here)
     WHERE NOT active AND (database = current_database() OR database IS NULL) ORDER BY 1`,
  );
  return rows.map((row) => ({ name: row.name, retainedBytes: Number(row.retained) }));
}
