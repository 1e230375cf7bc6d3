import type { CommitLsn, IdleLsn } from '../../postgres/lsn.ts';

/**
 * The only place that decides which position is confirmed to the source (I1): the minimum over all sinks of what is
 * durable there. Positions only grow (I2). Pure: saving and sending are the caller's, in that order.
 */
export class AckLedger {
  readonly #durable: Map<string, bigint>;
  #confirmed: bigint;

  constructor(start: ReadonlyMap<string, bigint>, confirmed: bigint) {
    this.#durable = new Map(start);
    this.#confirmed = confirmed;
  }

  /** A sink has everything up to this position. */
  durable(sink: string, upTo: CommitLsn): void {
    const before = this.#durable.get(sink);
    if (before === undefined) throw new RangeError(`the ledger does not know a sink ${sink}`);
    if (upTo > before) this.#durable.set(sink, upTo);
  }

  /** The position that may be confirmed now and was not yet; null: none. */
  due(): CommitLsn | null {
    const least = this.least();
    return least > this.#confirmed ? (least as CommitLsn) : null;
  }

  /** The position that every sink has reached. */
  least(): bigint {
    let least: bigint | null = null;
    for (const at of this.#durable.values()) if (least === null || at < least) least = at;
    return least ?? this.#confirmed;
  }

  /**
   * An idle position may be confirmed if every sink is durable up to everything that was handed out (I3); the caller
   * knows that.
   */
  dueIdle(at: IdleLsn): IdleLsn | null {
    return at > this.#confirmed ? at : null;
  }

  confirmed(upTo: bigint): void {
    if (upTo > this.#confirmed) this.#confirmed = upTo;
  }

  /** The durable position of each sink. */
  bySink(): ReadonlyMap<string, bigint> {
    return this.#durable;
  }

  get position(): bigint {
    return this.#confirmed;
  }
}
