import type { Change } from '../../api/change.ts';
import type { Contained } from '../ddl/contained.ts';

/**
 * Leaves out what a sink already has: transactions at or below its own position (after a restart the stream begins at
 * the slowest sink's position), and what the copies of its tables contain (I5). A transaction is in a snapshot, or below a position, iff its commit record starts below it.
 */
export class Skip {
  readonly #position: bigint;
  readonly #contained: Contained | null;
  readonly #highest: bigint;

  /** `contained` null: the position alone counts. */
  constructor(position: bigint, contained: Contained | null) {
    this.#position = position;
    this.#contained = contained;
    const copied = contained?.highest ?? 0n;
    this.#highest = copied > position ? copied : position;
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
    const contained = this.#contained;
    if (contained === null) return change;
    if (change.kind === 'message') return contained.hasMessage(change) ? null : change;
    if (change.kind !== 'truncate') return contained.hasRow(change.relation, at) ? null : change;
    const relations = change.relations.filter((relation) => !contained.hasRow(relation, at));
    if (relations.length === 0) return null;
    return relations.length === change.relations.length ? change : { ...change, relations };
  }
}
