import type { Change, StreamBatch } from '../../../core/api/change.ts';
import type { CommitLsn } from '../../../core/postgres/lsn.ts';

/**
 * Gathers decoded changes and cuts batches: all transactions that are complete, or a piece of one that alone is larger
 * than the budget (its boundary is null, so nothing of it can be confirmed: I1).
 */
export class BatchBuilder {
  readonly #budget: number;
  readonly #values: StreamBatch['values'];
  #changes: Change[] = [];
  #bytes = 0;
  /** Of {@link #changes} and {@link #bytes}, what belongs to whole transactions. */
  #wholeChanges = 0;
  #wholeBytes = 0;
  #transactions = 0;
  #boundary: CommitLsn | null = null;
  #commitTime = 0n;
  /** Changes of the open transaction went out in a piece, so its commit must be handed out though nothing be left of it. */
  #inPieces = false;

  constructor(budget: number, values: StreamBatch['values']) {
    this.#budget = budget;
    this.#values = values;
  }

  /** Wire bytes of what waits here. */
  get bytes(): number {
    return this.#bytes;
  }
  get full(): boolean {
    return this.#bytes >= this.#budget;
  }
  get empty(): boolean {
    return this.#changes.length === 0 && this.#boundary === null;
  }

  add(change: Change, bytes: number): void {
    this.#changes.push(change);
    this.#bytes += bytes;
  }

  /**
   * The open transaction is complete. False when it had no change and nothing waits that its position could go with:
   * then it is not worth a batch.
   */
  commit(end: CommitLsn, commitTime: bigint): boolean {
    const had = this.#changes.length > this.#wholeChanges || this.#inPieces;
    this.#inPieces = false;
    if (!had && this.#boundary === null) return false;
    this.#wholeChanges = this.#changes.length;
    this.#wholeBytes = this.#bytes;
    this.#boundary = end;
    this.#commitTime = commitTime;
    if (had) this.#transactions++;
    return true;
  }

  /** Forgets the open transaction. False when a piece of it is out already, so that it must be finished. */
  drop(): boolean {
    if (this.#inPieces) return false;
    this.#changes.length = this.#wholeChanges;
    this.#bytes = this.#wholeBytes;
    return true;
  }

  /** What can be handed out now, or null. */
  take(): StreamBatch | null {
    if (this.#boundary !== null) return this.#takeWhole(this.#boundary);
    return this.full ? this.#takePiece() : null;
  }

  #takeWhole(boundary: CommitLsn): StreamBatch {
    const all = this.#changes;
    const whole = this.#wholeChanges === all.length;
    const batch: StreamBatch = {
      changes: whole ? all : all.slice(0, this.#wholeChanges),
      boundary,
      commitTime: this.#commitTime,
      transactions: this.#transactions,
      bytes: this.#wholeBytes,
      values: this.#values,
    };
    this.#changes = whole ? [] : all.slice(this.#wholeChanges);
    this.#bytes -= this.#wholeBytes;
    this.#wholeChanges = 0;
    this.#wholeBytes = 0;
    this.#transactions = 0;
    this.#boundary = null;
    return batch;
  }

  #takePiece(): StreamBatch {
    const batch: StreamBatch = {
      changes: this.#changes,
      boundary: null,
      commitTime: null,
      transactions: 0,
      bytes: this.#bytes,
      values: this.#values,
    };
    this.#changes = [];
    this.#bytes = 0;
    this.#inPieces = true;
    return batch;
  }
}
