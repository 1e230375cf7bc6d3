import type pg from 'pg';
import type { Json } from '../../../core/api/checkpoint.ts';
import type { LargeObjectDigest } from '../../../core/api/snapshot.ts';
import { digestLargeObjects } from '../../../core/postgres/large-object-digest.ts';
import { parseLsn } from '../../../core/postgres/lsn.ts';
import type { SequenceState } from '../../../core/postgres/sequence.ts';
import { readSequences } from '../../../core/postgres/sequences.ts';
import type {
  ChangesBeyond,
  Dependent,
  FenceTable,
  Going,
  IdleSlot,
  OpenTransaction,
  PublicationTrouble,
  SlotStatus,
  SourceControl,
  TablePresence,
  WriteFence,
} from '../../../core/api/source.ts';
import type { TablesOption } from '../../../core/api/schemas.ts';
import { readDependents } from '../ddl/dependents.ts';
import { cleanSource, foreignObjects } from '../ownership/cleanup.ts';
import { readPublished } from '../ddl/published.ts';
import { readDefinition } from '../publication/definition.ts';
import { noteOf } from '../publication/differences.ts';
import { PublicationWatch } from '../publication/watch.ts';
import { type SourceAccess, ask, withClient } from '../session.ts';
import { changesBeyond } from './changes-beyond.ts';
import { PostgresFence } from './fence.ts';
import { openTransactions } from './transactions.ts';

/** Short connections: these calls are rare, and none is held while nothing is asked. */
export class PostgresControl implements SourceControl {
  readonly fence: WriteFence;
  readonly #access: SourceAccess;
  readonly #watch: PublicationWatch;

  readonly #patterns: TablesOption;

  constructor(access: SourceAccess, patterns: TablesOption) {
    this.#access = access;
    this.#watch = new PublicationWatch(access);
    this.#patterns = patterns;
    this.fence = new PostgresFence(access);
  }

  position(): Promise<bigint> {
    // Flushed, not inserted: what is not flushed is not decoded yet, and a crash could still take it back.
    return ask(this.#access, null, async (client) => {
      const { rows } = await client.query<{ at: string }>(
        `SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END AS at`,
      );
      return parseLsn(rows[0]!.at);
    });
  }

  slot(): Promise<SlotStatus | null> {
    return ask(this.#access, null, (client) => readSlot(client, this.#access.slot));
  }

  emit(content: string): Promise<bigint> {
    return withClient(this.#access, null, async (client) => {
      await client.query("SELECT pg_logical_emit_message(true, 'pgsluice', $1::text)", [content]);
      // A transaction with an xid and synchronous_commit off is not flushed yet; insert is at or past its commit.
      const { rows } = await client.query<{ at: string }>('SELECT pg_current_wal_insert_lsn() AS at');
      return parseLsn(rows[0]!.at);
    });
  }

  sequences(): Promise<readonly SequenceState[]> {
    return ask(this.#access, null, readSequences);
  }

  transactions(tables: readonly FenceTable[]): Promise<readonly OpenTransaction[]> {
    return ask(this.#access, null, (client) => openTransactions(client, tables, this.#access.application));
  }

  largeObjects(signal: AbortSignal): Promise<LargeObjectDigest> {
    return withClient(this.#access, signal, (client) => digestLargeObjects(client, signal));
  }

  changesBeyond(at: bigint): Promise<readonly ChangesBeyond[]> {
    return withClient(this.#access, null, (client) => changesBeyond(client, this.#access, at));
  }

  tables(): Promise<readonly TablePresence[]> {
    return ask(this.#access, null, (client) => readPublished(client, this.#access.publication, this.#patterns));
  }

  publication(): Promise<Json> {
    return ask(this.#access, null, async (client) => {
      const found = await readDefinition(client, this.#access.publication);
      return found === null ? null : noteOf(found);
    });
  }

  watchPublication(noted: Json, added: boolean): Promise<readonly PublicationTrouble[]> {
    return ask(this.#access, null, (client) => this.#watch.look(client, noted, added));
  }

  dependents(going: readonly Going[]): Promise<readonly Dependent[]> {
    return ask(this.#access, null, (client) => readDependents(client, going));
  }

  cleanup(): Promise<readonly string[]> {
    return withClient(this.#access, null, (client) => cleanSource(client, this.#access));
  }

  foreign(): Promise<readonly string[]> {
    return withClient(this.#access, null, (client) => foreignObjects(client, this.#access));
  }

  idleSlots(): Promise<readonly IdleSlot[]> {
    return ask(this.#access, null, async (client) => {
      const { rows } = await client.query<{ name: string; retained: string }>(
        `SELECT slot_name AS name, greatest(0, coalesce(here - restart_lsn, 0)) AS retained
         FROM pg_replication_slots,
              LATERAL (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END) w (here)
         WHERE NOT active AND (database = current_database() OR database IS NULL) ORDER BY 1`,
      );
      return rows.map((row) => ({ name: row.name, retainedBytes: Number(row.retained) }));
    });
  }
}

async function readSlot(client: pg.Client, name: string): Promise<SlotStatus | null> {
  const { rows } = await client.query<Record<string, string | null>>(
    `SELECT active, coalesce(confirmed_flush_lsn, restart_lsn, '0/0') AS confirmed, wal_status, safe_wal_size,
            here AS current, greatest(0, coalesce(here - restart_lsn, 0)) AS retained
     FROM pg_replication_slots,
          LATERAL (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END) w (here)
     WHERE slot_name = $1`,
    [name],
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
  };
}

function nullOrNumber(text: string | null | undefined): number | null {
  return text === null || text === undefined ? null : Number(text);
}
