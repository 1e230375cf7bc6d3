import { type Oid, type Relation, relationName } from '../../postgres/relation.ts';
import type { SourceTable } from '../../api/source.ts';
import type { StoredRows } from '../../api/source-database.ts';
import type { PipelineState } from '../state/pipeline-state.ts';
import { type Member, member, type StateEntry } from '../state/entries.ts';

/** A table's shape, from the commit that brought it: see the entries of the state. */
export type ShapeEntry = Member<'shape'>[number];

const start = { since: 0n, lsn: 0n };

/**
 * The source's tables as the targets know them, with the position from which each shape holds, in the checkpoint. The
 * present catalog would be wrong for changes from before a DDL: a restart plans with the shapes at the position of its
 * sinks, and reads the DDL in its place again. An entry is durable before the change that needs it is written; for a
 * sink whose position is at or below the entry's, the entry does not hold yet.
 */
export class ShapeHistory {
  readonly #state: PipelineState;
  readonly #tables = new Map<Oid, readonly ShapeEntry[]>();

  constructor(state: PipelineState) {
    this.#state = state;
    for (const [oid, entries] of state.all('shape')) this.#tables.set(Number(oid), entries);
  }

  get empty(): boolean {
    return this.#tables.size === 0;
  }

  has(oid: Oid): boolean {
    return this.#tables.has(oid);
  }

  /** The shapes that hold for a sink at this position. */
  at(position: bigint): readonly SourceTable[] {
    const found: Relation[] = [];
    for (const entries of this.#tables.values()) {
      const relation = entries.findLast((entry) => entry.since < position || entry.since === 0n)?.relation ?? null;
      if (relation !== null) found.push(relation);
    }
    return found.map(asTable);
  }

  /** The shapes after all DDL so far. */
  newest(): readonly SourceTable[] {
    return [...this.#tables.values()].flatMap((entries) => entries.at(-1)?.relation ?? []).map(asTable);
  }

  /** Resolves when the entry is durable. An entry that is read again after a restart is not new. */
  async note(oid: Oid, at: { readonly since: bigint; readonly lsn: bigint }, relation: Relation | null): Promise<void> {
    const before = (this.#tables.get(oid) ?? []).filter((entry) => entry.since !== at.since || entry.lsn !== at.lsn);
    const entries = [...before, { ...at, relation }].sort(inOrder);
    this.#tables.set(oid, entries);
    await this.#state.putAll([member('shape', oid, entries), member('stored', oid, null)]);
  }

  /** Adds the relations that are not in the history yet, as they are. */
  async add(relations: readonly Relation[]): Promise<void> {
    const fresh = relations.filter((relation) => !this.#tables.has(relation.oid));
    await Promise.all(fresh.map((relation) => this.note(relation.oid, start, relation)));
  }

  /** The table is copied again: its earlier shapes are forgotten. The copy that waits is as the source was at `copyAt`. */
  async renew(relation: Relation, copyAt = 0n): Promise<void> {
    this.#tables.set(relation.oid, [{ since: 0n, lsn: copyAt, relation }]);
    const entries = this.#tables.get(relation.oid)!;
    await this.#state.putAll([member('shape', relation.oid, entries), member('stored', relation.oid, null)]);
  }

  /** The table is dropped on both sides: later changes of it do not matter. */
  async leave(oid: Oid): Promise<void> {
    this.#tables.set(oid, [{ ...start, relation: null }]);
    await this.#state.putAll([member('shape', oid, this.#tables.get(oid)!), member('stored', oid, null)]);
  }

  /** The table no longer belongs to this pipeline, at any position. */
  async forget(oid: Oid): Promise<void> {
    this.#tables.delete(oid);
    await this.#state.putAll([member('shape', oid, null), member('stored', oid, null)]);
  }

  /** Tables that no longer belong to this pipeline for a sink at this position. */
  left(position: bigint): readonly Oid[] {
    const there = new Set(this.at(position).map(({ relation }) => relation.oid));
    return [...this.#tables]
      .filter(([oid, entries]) => !there.has(oid) && entries.some((entry) => entry.relation === null))
      .map(([oid]) => oid);
  }

  /** Notes that a run ended with a report of this DDL. False: an earlier run has reported it. */
  async tell(oid: Oid, lsn: bigint): Promise<boolean> {
    if (this.#state.of('told', oid) === lsn) return false;
    await this.#state.putAll([member('told', oid, lsn)]);
    return true;
  }

  /** Where the table stored its rows under its newest shape; null: not noted. */
  stored(oid: Oid): StoredRows | null {
    return this.#state.of('stored', oid);
  }

  async noteStored(stored: ReadonlyMap<Oid, StoredRows>): Promise<void> {
    if (stored.size > 0) await this.#state.putAll([...stored].map(([oid, rows]) => member('stored', oid, rows)));
  }

  /** Whether a copy holds what this change made of the table: its readers have met that shape. */
  inCopy(oid: Oid, lsn: bigint): boolean {
    const first = this.#tables.get(oid)?.[0];
    return first !== undefined && first.since === 0n && lsn < first.lsn;
  }

  /** The newest shape of a table; the relation itself if the history does not have it. */
  of(relation: Relation): Relation {
    return this.#tables.get(relation.oid)?.at(-1)?.relation ?? relation;
  }

  byName(name: string): Relation | null {
    return this.newest().find(({ relation }) => relationName(relation) === name)?.relation ?? null;
  }
}

/** Entries of the state that remove tables of these names from the history: the copy determines their shape. */
export function forgottenShapes(state: PipelineState, names: readonly string[]): readonly StateEntry[] {
  return oidsOf(state, names).flatMap((oid) => [member('shape', oid, null), member('stored', oid, null)]);
}

/**
 * Entries of the state after tables of these names were compared and repaired: the effect of commands on their rows is
 * in the target.
 */
export function forgottenRows(state: PipelineState, names: readonly string[]): readonly StateEntry[] {
  return oidsOf(state, names).map((oid) => member('stored', oid, null));
}

function oidsOf(state: PipelineState, names: readonly string[]): readonly string[] {
  const asked = new Set(names);
  return [...state.all('shape')].flatMap(([oid, entries]) => {
    const relation = entries.findLast((entry) => entry.relation !== null)?.relation ?? null;
    return relation !== null && asked.has(relationName(relation)) ? [oid] : [];
  });
}

/** The first one holds from the start, wherever the copy was that brought it. */
function inOrder(a: ShapeEntry, b: ShapeEntry): number {
  if (a.since !== b.since) return a.since < b.since ? -1 : 1;
  return a.lsn < b.lsn ? -1 : 1;
}

function asTable(relation: Relation): SourceTable {
  return { relation, bytes: 0, rows: -1, persistence: 'permanent' };
}
