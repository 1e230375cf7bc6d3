import type { Change, StreamBatch, TransactionInfo } from '../../../core/api/change.ts';
import type { CommitLsn, IdleLsn } from '../../../core/postgres/lsn.ts';
import type { StreamItem } from '../../../core/api/source.ts';
import { passed } from './liveness.ts';

export interface AssemblyOptions {
  readonly batchBytes: number;
  readonly binary: boolean;
  /** Positions up to here count as handed out. */
  readonly from: bigint;
  /** {@link StreamStart.until} */
  readonly until: bigint | null;
  /** Least milliseconds between two idle items. */
  readonly idleEvery: number;
}

/** Turns decoded messages into items in order, and decides where the stream ends. No I/O, no clock. */
export class Assembly {
  readonly #builder: BatchBuilder;
  readonly #until: bigint | null;
  readonly #idleEvery: number;
  #handed: bigint;
  #ended = false;
  /** A position up to which everything was decoded, as long as nothing follows it (I3). */
  #idle: bigint | null = null;
  #nextIdle = Number.NEGATIVE_INFINITY;

  constructor(options: AssemblyOptions) {
    this.#builder = new BatchBuilder(options.batchBytes, options.binary ? 'binary' : 'text');
    this.#until = options.until;
    this.#idleEvery = options.idleEvery;
    this.#handed = options.from;
  }

  /** Highest position handed out: no higher one can be confirmed. */
  get handed(): bigint {
    return this.#handed;
  }
  /** `until` was reached: nothing further is decoded. Waiting items can still be taken. */
  get ended(): boolean {
    return this.#ended;
  }
  get full(): boolean {
    return this.#builder.full;
  }

  begin(tx: TransactionInfo): void {
    // The commit record starts at or after the limit, so it ends beyond it; so do all later ones.
    if (this.#until !== null && tx.finalLsn >= this.#until) this.#ended = true;
  }

  change(change: Change, bytes: number): void {
    this.#idle = null;
    this.#builder.add(change, bytes);
  }

  commit(tx: TransactionInfo, end: CommitLsn): void {
    if (this.#until !== null && end > this.#until) {
      // The limit lies inside this commit record. A transaction of which pieces were handed out is finished
      // nevertheless: the stream must not end within it.
      this.#ended = true;
      if (this.#builder.drop()) return;
    }
    // PostgreSQL 14 sends transactions that touch no published table as well; their end is an idle position.
    if (!this.#builder.commit(end, tx.commitTime)) this.#idle = end;
  }

  lone(change: Change, end: CommitLsn, bytes: number): void {
    if (this.#until !== null && end > this.#until) {
      this.#ended = true;
      return;
    }
    this.change(change, bytes);
    this.#builder.commit(end, change.kind === 'message' ? change.tx.commitTime : 0n);
  }

  /** `between`: no transaction is partly received. Otherwise the keepalive is ignored. */
  keepalive(walEnd: bigint, between: boolean): void {
    if (!between) return;
    if (this.#until !== null && passed(walEnd, this.#until)) this.#ended = true;
    else this.#idle = walEnd;
  }

  /**
   * The next item; null if there is none now; or the time at which an idle item is due. `drained`: everything received
   * is decoded. `now`: milliseconds of a monotonic clock.
   */
  take(now: number, drained: boolean): StreamItem | number | null {
    const batch = this.#builder.take();
    if (batch !== null) {
      this.#handed = upTo(batch, this.#handed);
      return { kind: 'batch', batch };
    }
    const idle = this.#idle;
    if (idle === null || idle <= this.#handed || !drained || !this.#builder.empty) return null;
    if (now < this.#nextIdle) return this.#nextIdle;
    this.#nextIdle = now + this.#idleEvery;
    this.#handed = idle;
    this.#idle = null;
    return { kind: 'idle', at: idle as IdleLsn };
  }
}

/**
 * A piece of a transaction shows that every earlier commit was handed out: up to the start of the transaction's commit
 * record, from which the server sends it again completely. That is the boundary of what a sink commits before the
 * piece.
 */
function upTo({ boundary, changes }: StreamBatch, before: bigint): bigint {
  if (boundary !== null) return boundary;
  const start = changes[changes.length - 1]?.tx.finalLsn ?? before;
  return start > before ? start : before;
}

/**
 * Collects decoded changes and cuts batches: all complete transactions, or a piece of one that alone is larger than the
 * budget (the boundary of a piece is null, so none of it can be confirmed: I1).
 */
export class BatchBuilder {
  readonly #budget: number;
  readonly #values: StreamBatch['values'];
  #changes: Change[] = [];
  #bytes = 0;
  /** The part of {@link #changes} and {@link #bytes} that belongs to complete transactions. */
  #wholeChanges = 0;
  #wholeBytes = 0;
  #transactions = 0;
  #boundary: CommitLsn | null = null;
  #commitTime = 0n;
  /** A piece of the open transaction was handed out, so its commit must be handed out even if no change is left. */
  #inPieces = false;

  constructor(budget: number, values: StreamBatch['values']) {
    this.#budget = budget;
    this.#values = values;
  }

  /** Wire bytes of waiting changes. */
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
   * The open transaction is complete. False if it had no change and no waiting batch can carry its position: it is then
   * not worth a batch.
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

  /** Drops the open transaction. False if a piece of it was handed out already, so that it must be finished. */
  drop(): boolean {
    if (this.#inPieces) return false;
    this.#changes.length = this.#wholeChanges;
    this.#bytes = this.#wholeBytes;
    return true;
  }

  /** The batch that can be handed out now, or null. */
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
