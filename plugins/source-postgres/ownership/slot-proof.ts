import type pg from 'pg';
import type { Json } from '../../../core/api/checkpoint.ts';
import { formatLsn, parseLsn } from '../../../core/postgres/lsn.ts';
import { readDefinition } from '../publication/definition.ts';
import { type Owner, isOurs, readMark } from './mark.ts';

/** The note about a slot, written before its creation. */
export interface SlotNote {
  /** System identifier of the server. */
  readonly system: string;
  /** Consistent point. */
  readonly from: string;
}

export const slotKey = (name: string): string => `slot:${name}`;

/** A slot with a description; `ours`: it is provably the one that this pipeline made. */
export interface SlotProof {
  readonly ours: boolean;
  /** Why it is not ours, or not provably. */
  readonly why: string;
  /** A logical slot of this database for pgoutput: it could be streamed from, whoever made it. */
  readonly readable: boolean;
  readonly activePid: number | null;
  readonly reader: string | null;
}

export interface Names {
  readonly slot: string;
  readonly publication: string;
  /** For tables that are copied beside the stream, whose positions are not the pipeline's. */
  readonly beside?: boolean;
}

/**
 * Null: there is no slot of this name. A slot is ours if it belongs to this database, uses pgoutput, and its position
 * is between the consistent point that was noted before its creation and the position that the pipeline may have
 * confirmed: one that another user made since begins after that.
 */
export async function proveSlot(client: pg.Client, owner: Owner, names: Names): Promise<SlotProof | null> {
  const { rows } = await client.query<Record<string, string | null>>(
    `SELECT s.plugin, s.slot_type, s.database, s.database = current_database() AS here, s.confirmed_flush_lsn AS confirmed,
            s.active_pid, a.application_name AS reader, (SELECT system_identifier FROM pg_control_system()) AS system
     FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid WHERE s.slot_name = $1`,
    [names.slot],
  );
  const row = rows[0];
  if (row === undefined) return null;
  const pid = row['active_pid'] ?? null;
  const reader = row['reader'] ?? null;
  const kind = wrongKind(row);
  const why = kind ?? (await whyNot(client, owner, names, row));
  return {
    ours: why === null,
    why: why ?? '',
    readable: kind === null,
    activePid: pid === null ? null : Number(pid),
    reader,
  };
}

function wrongKind(row: Record<string, string | null>): string | null {
  if (row['slot_type'] !== 'logical') return 'it is a physical slot';
  if (row['here'] !== 't') return `it belongs to database ${row['database']}`;
  return row['plugin'] === 'pgoutput' ? null : `it is read with ${row['plugin']}`;
}

async function whyNot(
  client: pg.Client,
  owner: Owner,
  names: Names,
  row: Record<string, string | null>,
): Promise<string | null> {
  const note = await noteOf(client, owner, names);
  if (note === null) return 'this pipeline has no note of having made it';
  if (note.system !== null && note.system !== row['system']) return 'this pipeline made it on another server';
  const from = parseLsn(note.from);
  const confirmed = row['confirmed'] ?? null;
  if (confirmed === null) return 'it is not ready';
  if (parseLsn(confirmed) < from) return `it stands before ${note.from}, where this pipeline made its own`;
  if (parseLsn(confirmed) === from || note.system === null || names.beside === true) return null;
  const reached = await owner.ownership?.reached();
  if (reached === undefined) return null;
  // No connection reads a slot before the copy is complete: it stays where it was made.
  if (reached === null) return `it stands at ${confirmed}, and this pipeline made its own at ${note.from}`;
  if (parseLsn(confirmed) <= reached) return null;
  return `it stands at ${confirmed}, and this pipeline confirmed ${formatLsn(reached)} at most: somebody made it again or moved it`;
}

/** From the state, or from the comment on our publication if the state is lost (`system` is null then). */
async function noteOf(
  client: pg.Client,
  owner: Owner,
  names: Names,
): Promise<{ readonly system: string | null; readonly from: string } | null> {
  const noted = owner.ownership?.noted(slotKey(names.slot)) ?? null;
  if (isNote(noted)) return noted;
  const mark = readMark((await readDefinition(client, names.publication))?.comment ?? null);
  if (!isOurs(mark, owner) || mark?.slot !== names.slot || mark.from === undefined) return null;
  return { system: null, from: mark.from };
}

function isNote(value: Json): value is { readonly system: string; readonly from: string } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && 'from' in value && 'system' in value;
}
