import type { StreamBatch } from '../../../core/api/change.ts';
import type { CommitLsn } from '../../../core/postgres/lsn.ts';
import type { SessionStream } from '../apply/stream-sink.ts';

/** One write of a lane joins what waits up to this many bytes of the wire. */
const mostBytes = 4 << 20;

/** One session with its queue: one write in flight while the next batches wait. The first failure ends it. */
export class Lane {
  readonly session: SessionStream;
  /** Bytes that wait or are being written, for all lanes' bound (I8). */
  bytes = 0;
  durable: CommitLsn | null = null;
  failure: unknown = null;
  #queue: StreamBatch[] = [];
  #running: Promise<void> | null = null;

  constructor(session: SessionStream) {
    this.session = session;
  }

  offer(batch: StreamBatch, signal: AbortSignal): void {
    this.#queue.push(batch);
    this.bytes += sizeOf(batch);
    this.#running ??= this.#work(signal);
  }

  get busy(): boolean {
    return this.#running !== null;
  }

  /** Resolves when all that was offered is committed, or the lane has failed. */
  async rest(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  /** Resolves at the end of the next write, or of the lane. */
  progress(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }
  #waiters: (() => void)[] = [];

  /** What waits is given up; resolves when nothing is in flight. */
  async end(): Promise<void> {
    this.#queue = [];
    await this.rest();
    this.bytes = 0;
    this.failure = null;
    this.durable = null;
  }

  async #work(signal: AbortSignal): Promise<void> {
    // What is offered in one go is written in one.
    await Promise.resolve();
    try {
      while (this.#queue.length > 0) {
        await this.#apply(this.#take(), signal);
        this.#wake();
      }
    } catch (error) {
      this.failure = error;
      this.#queue = [];
    } finally {
      this.#running = null;
      this.#wake();
    }
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }

  async #apply(batch: StreamBatch, signal: AbortSignal): Promise<void> {
    const receipt = await this.session.write(batch, signal);
    this.bytes -= sizeOf(batch);
    if (receipt.status === 'durable') this.durable = receipt.upTo;
  }

  /** Whole transactions are joined; a piece of a larger one goes alone: were it to fail, those before it are committed. */
  #take(): StreamBatch {
    const taken: StreamBatch[] = [];
    let bytes = 0;
    for (const batch of this.#queue) {
      if (taken.length > 0 && (batch.boundary === null || bytes + batch.bytes > mostBytes)) break;
      taken.push(batch);
      bytes += batch.bytes;
      if (batch.boundary === null) break;
    }
    this.#queue.splice(0, taken.length);
    const last = taken[taken.length - 1]!;
    if (taken.length === 1) return last;
    return { ...last, changes: taken.flatMap(({ changes }) => changes), bytes };
  }
}

function sizeOf({ bytes, changes }: StreamBatch): number {
  return 2 * bytes + 300 * changes.length;
}
