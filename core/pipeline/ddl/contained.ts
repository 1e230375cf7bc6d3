import type { MessageChange, RowChange } from '../../api/change.ts';
import type { SnapshotLsn } from '../../postgres/lsn.ts';
import { type Oid, type Relation, relationName } from '../../postgres/relation.ts';
import { decodeDdl, type DdlMessage } from '../plan/ddl/message.ts';
import type { PlannedSink, RunContext } from '../open/instances.ts';
import { RangedTable } from '../ledger/ranged-table.ts';
import { pendingTables } from '../state/known-tables.ts';
import type { PipelineState } from '../state/pipeline-state.ts';

/** A table of the source as a change names it. */
export interface Named {
  readonly oid: Oid;
  readonly schema: string;
  readonly name: string;
}

/**
 * What the copies of one sink contain of the stream: all changes of a table, including its DDL, up to the exact
 * position of its copy (I5). Tables are known by their oid, as they may have had another name at that time; a table
 * that was dropped and created again before its copy, by its name.
 */
export class Contained {
  /** The highest of the positions; beyond it nothing is contained. */
  readonly highest: bigint;
  /** Up to this position keys of rows decide what is contained, so keys must come as text. */
  readonly readsKeysUpTo: bigint;
  readonly #pipeline: string;
  readonly #names: ReadonlyMap<string, SnapshotLsn>;
  readonly #oids: ReadonlyMap<Oid, SnapshotLsn>;
  readonly #ranged: ReadonlyMap<string | Oid, RangedTable>;
  readonly #parents: { readonly at: bigint; readonly names: ReadonlySet<string> };

  /**
   * `exact`: positions by the names under which tables were copied; `ranged`: the tables among them whose ranges have
   * positions of their own, up to the given one; `tables`: the tables that are known so far.
   */
  constructor(
    state: Pick<PipelineState, 'get'>,
    pipeline: string,
    given: {
      readonly exact: ReadonlyMap<string, SnapshotLsn>;
      readonly ranged?: ReadonlyMap<string, RangedTable>;
      readonly tables: readonly Named[];
    },
  ) {
    this.#pipeline = pipeline;
    this.#names = given.exact;
    this.#oids = new Map(
      given.tables.flatMap((table) => {
        const at = given.exact.get(relationName(table));
        return at === undefined ? [] : [[table.oid, at] as const];
      }),
    );
    const ranged = new Map<string | Oid, RangedTable>(given.ranged);
    for (const table of given.tables) {
      const of = ranged.get(relationName(table));
      if (of !== undefined) ranged.set(table.oid, of);
    }
    this.#ranged = ranged;
    this.readsKeysUpTo = [...ranged.values()].reduce((up, of) => (of.highest > up ? of.highest : up), 0n);
    const noted = state.get('parents');
    this.#parents = { at: noted?.at ?? 0n, names: new Set(noted?.names ?? []) };
    let highest = this.#parents.at;
    for (const at of given.exact.values()) if (at > highest) highest = at;
    this.highest = highest;
  }

  /** The part of a row's change that the copy lacks; null: nothing. */
  left(change: RowChange): RowChange | null {
    const { relation, tx } = change;
    if (!this.hasTable(relation, tx.finalLsn)) return change;
    const ranged = this.#rangedOf(relation);
    return ranged === null ? null : ranged.left(change);
  }

  hasTruncate(relation: Relation, finalLsn: bigint): boolean {
    if (!this.hasTable(relation, finalLsn)) return false;
    return this.#rangedOf(relation)?.hasTruncate(relation, finalLsn) ?? true;
  }

  #rangedOf(relation: Relation): RangedTable | null {
    if (this.#ranged.size === 0) return null;
    return this.#ranged.get(relation.oid) ?? this.#ranged.get(relationName(relation)) ?? null;
  }

  /**
   * Whether the table's copy is exact beyond this position: it contains all DDL of the table that was committed up to
   * there, and, for a table that was copied in one piece, all rows. (The DDL of a table that was copied in ranges is no
   * exception: DDL between their positions would have restarted the copy.)
   */
  hasTable(table: Named, finalLsn: bigint): boolean {
    const exact = this.#oids.get(table.oid) ?? this.#names.get(relationName(table));
    return exact !== undefined && finalLsn < exact;
  }

  hasMessage(change: MessageChange): boolean {
    if (change.tx.finalLsn >= this.highest) return false;
    const message = decodeDdl(change, this.#pipeline);
    return message !== null && this.hasDdl(message, change.tx.finalLsn);
  }

  hasDdl(message: DdlMessage, finalLsn: bigint): boolean {
    if (message.op === 'failed' || message.op === 'types') return false;
    if (message.op === 'parts')
      return message.tables.every((table) => table.kind === 'partitioned' || this.hasTable(table, finalLsn));
    const shape = message.op === 'create' ? message.after : message.before;
    // A partitioned table has no copy. The table in the snapshot is not the one that was dropped before.
    if (shape.kind === 'partitioned')
      return message.op === 'drop' && finalLsn < this.#parents.at && this.#parents.names.has(relationName(shape));
    return this.hasTable(shape, finalLsn);
  }
}

/** Tables that are copied beside this stream have their changes skipped until they join it (I5). */
const notYet = (1n << 64n) as SnapshotLsn;

export function containedIn(
  { state, pipeline, uncopied }: Pick<RunContext, 'state' | 'pipeline' | 'uncopied'>,
  sink: PlannedSink,
): Contained {
  const exact = new Map<string, SnapshotLsn>();
  const ranged = new Map<string, RangedTable>();
  for (const [table, { exactAt }] of state.tables(sink.name)) {
    exact.set(table, exactAt);
    const ledger = state.of('ledger', `${sink.name}:${table}`);
    if (ledger === null || ledger.exact.length === 0) continue;
    const ranges = new RangedTable(ledger);
    // A range of an earlier copy of the table says nothing about this one.
    if (ranges.highest === exactAt && ranges.lowest < exactAt) ranged.set(table, ranges);
  }
  for (const { source } of uncopied === undefined ? [] : sink.plans) {
    const table = relationName(source);
    if (exact.has(table)) continue;
    exact.set(table, uncopied!.at.get(sink.name)!);
    const ranges = uncopied!.ranges.get(`${sink.name}:${table}`);
    if (ranges !== undefined) ranged.set(table, new RangedTable(ranges));
  }
  for (const table of pendingTables(state)) {
    exact.set(table, notYet);
    ranged.delete(table);
  }
  return new Contained(state, pipeline, { exact, ranged, tables: sink.plans.map(({ source }) => source) });
}
