import type pg from 'pg';
import { quoteLiteral } from '../../../core/postgres/quote.ts';

/** Columns of pg_replication_slots that decide whether a slot can be read; null if the server is too old for one. */
export interface SlotState {
  readonly plugin: string | null;
  readonly database: string | null;
  readonly activePid: string | null;
  readonly confirmed: string | null;
  readonly walStatus: string | null;
  /** From 16 on: for a standby, whether rows that the slot needs were removed. */
  readonly conflicting: boolean;
  /** 17 and later. */
  readonly invalidation: string | null;
  readonly failover: boolean;
}

/** As text only, as on a replication connection. Null: there is no slot of this name. */
export async function readSlotState(client: pg.Client, slot: string): Promise<SlotState | null> {
  const { rows } = await client.query<{ state: string }>(
    `SELECT pg_catalog.to_jsonb(s)::text AS state FROM pg_catalog.pg_replication_slots s WHERE slot_name = ${quoteLiteral(slot)}`,
  );
  if (rows[0] === undefined) return null;
  const found = JSON.parse(rows[0].state) as Record<string, string | number | boolean | null>;
  const text = (key: string): string | null =>
    found[key] === null || found[key] === undefined ? null : String(found[key]);
  return {
    plugin: text('plugin'),
    database: text('database'),
    activePid: text('active_pid'),
    confirmed: text('confirmed_flush_lsn'),
    walStatus: text('wal_status'),
    conflicting: found['conflicting'] === true,
    invalidation: text('invalidation_reason'),
    failover: found['failover'] === true,
  };
}

const reasons: Readonly<Record<string, string>> = {
  wal_removed: 'WAL that it needs was removed (max_slot_wal_keep_size)',
  rows_removed:
    'rows of the catalog that it needs were removed on the primary (rows_removed): hot_standby_feedback = on keeps them',
  wal_level_insufficient: 'the primary no longer has wal_level = logical (wal_level_insufficient)',
  idle_timeout: 'it was not read for idle_replication_slot_timeout',
};

/** Null: the slot can be read. */
export function whyUnusable({ invalidation, walStatus, conflicting }: SlotState): string | null {
  if (invalidation !== null) return reasons[invalidation] ?? invalidation;
  if (walStatus === 'lost')
    return conflicting ? 'it conflicts with recovery: rows or wal_level' : reasons['wal_removed']!;
  return conflicting ? 'it conflicts with recovery: rows that it needs were removed, or wal_level was lowered' : null;
}
