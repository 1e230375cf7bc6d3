import type { MessageChange } from '../../api/change.ts';
import type { SnapshotLsn } from '../../postgres/lsn.ts';
import { type Oid, relationName } from '../../postgres/relation.ts';
import { decodeDdl, type DdlMessage } from '../plan/ddl/message.ts';
import type { PlannedSink, RunContext } from '../open/instances.ts';
import { pendingTables } from '../state/known-tables.ts';
import type { PipelineState } from '../state/pipeline-state.ts';

/** A table of the source as a change names it. */
export interface Named {
  readonly oid: Oid;
  readonly schema: string;
  readonly name: string;
}

/**
 * What the copies of one sink contain of the stream: all changes of a table, its DDL among them, up to the position at which its copy
 * is exact (I5). Tables are known by their identity, as they may have had another name then; one that was dropped and made
 * again before its copy, by the name.
 */
export class Contained {
  /** The highest of the positions; beyond it nothing is contained. */
  readonly highest: bigint;
  readonly #pipeline: string;
  readonly #names: ReadonlyMap<string, SnapshotLsn>;
  readonly #oids: ReadonlyMap<Oid, SnapshotLsn>;
  readonly #parents: { readonly at: bigint; readonly names: ReadonlySet<string> };

  /** `exact`: positions by the names under which tables were copied; `tables`: those that are known by now. */
  constructor(
    state: Pick<PipelineState, 'get'>,
    pipeline: string,
    given: { readonly exact: ReadonlyMap<string, SnapshotLsn>; readonly tables: readonly Named[] },
  ) {
    this.#pipeline = pipeline;
    this.#names = given.exact;
    this.#oids = new Map(
      given.tables.flatMap((table) => {
        const at = given.exact.get(relationName(table));
        return at === undefined ? [] : [[table.oid, at] as const];
      }),
    );
    const noted = state.get('parents');
    this.#parents = { at: noted?.at ?? 0n, names: new Set(noted?.names ?? []) };
    let highest = this.#parents.at;
    for (const at of given.exact.values()) if (at > highest) highest = at;
    this.highest = highest;
  }

  /** Whether the copy has a change of the table that was committed at this position. */
  hasRow(table: Named, finalLsn: bigint): boolean {
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
      return message.tables.every((table) => table.kind === 'partitioned' || this.hasRow(table, finalLsn));
    const shape = message.op === 'create' ? message.after : message.before;
    // A partitioned table has no copy. The one of the snapshot is not the one that was dropped before.
    if (shape.kind === 'partitioned')
      return message.op === 'drop' && finalLsn < this.#parents.at && this.#parents.names.has(relationName(shape));
    return this.hasRow(shape, finalLsn);
  }
}

/** Tables that are copied beside this stream have changes of theirs skipped until they join it (I5). */
const notYet = (1n << 64n) as SnapshotLsn;

export function containedIn({ state, pipeline }: Pick<RunContext, 'state' | 'pipeline'>, sink: PlannedSink): Contained {
  const exact = new Map<string, SnapshotLsn>();
  for (const [table, { exactAt }] of state.tables(sink.name)) exact.set(table, exactAt);
  for (const table of pendingTables(state)) exact.set(table, notYet);
  return new Contained(state, pipeline, { exact, tables: sink.plans.map(({ source }) => source) });
}
