import type { Change } from '../../api/change.ts';
import type { SnapshotLsn } from '../../postgres/lsn.ts';
import { type Relation, relationName } from '../../postgres/relation.ts';

/**
 * Leaves out what a sink already has: transactions at or below its own position (after a restart the stream begins at
 * the slowest sink's position), and changes of a table up to the position at which its copy is exact (I5). A transaction
 * is in a snapshot, or below a position, iff its commit record starts below it.
 */
export class Skip {
  readonly #position: bigint;
  readonly #exact: ReadonlyMap<string, SnapshotLsn>;
  readonly #highest: bigint;

  constructor(position: bigint, exact: ReadonlyMap<string, SnapshotLsn>) {
    this.#position = position;
    this.#exact = exact;
    let highest = position;
    for (const at of exact.values()) if (at > highest) highest = at;
    this.#highest = highest;
  }

  /** The changes that the sink does not have; the input itself where that is all of them. */
  filter(changes: readonly Change[]): readonly Change[] {
    const last = changes[changes.length - 1];
    // Commit records come in order, so when the first change is beyond every position, all are.
    if (last === undefined || changes[0]!.tx.finalLsn >= this.#highest) return changes;
    const kept: Change[] = [];
    for (const change of changes) {
      const left = this.#keep(change);
      if (left !== null) kept.push(left);
    }
    return kept;
  }

  #keep(change: Change): Change | null {
    const at = change.tx.finalLsn;
    if (at >= this.#highest) return change;
    if (at < this.#position) return null;
    if (change.kind === 'message') return change;
    if (change.kind !== 'truncate') return this.#has(change.relation, at) ? null : change;
    const relations = change.relations.filter((relation) => !this.#has(relation, at));
    if (relations.length === 0) return null;
    return relations.length === change.relations.length ? change : { ...change, relations };
  }

  #has(relation: Relation, at: bigint): boolean {
    const exact = this.#exact.get(relationName(relation));
    return exact !== undefined && at < exact;
  }
}
