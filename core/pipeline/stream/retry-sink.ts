import type { StreamBatch } from '../../api/change.ts';
import type { Logger } from '../../base/logger.ts';
import type { CommitLsn } from '../../postgres/lsn.ts';
import type { LaneView, Receipt, StreamSink } from '../../api/sink.ts';
import type { SinkView } from '../progress/run-view.ts';
import { pause, retryable, retryDelay } from '../../base/backoff.ts';
import { memoryOf, Skip } from './batches.ts';

export interface RetryOptions {
  readonly sink: StreamSink;
  /** The sink's position at the start. */
  readonly position: CommitLsn;
  /** Bytes of memory that may be kept for a repetition. */
  readonly keepBytes: number;
  /** Milliseconds of retrying once the other sinks have to wait, too. */
  readonly patienceMs: number;
  /** Whether the other sinks wait for this one. */
  readonly blocking: () => boolean;
  readonly stop: AbortSignal;
  readonly view: SinkView;
  readonly log: Logger;
}

/** Milliseconds between two tries. */
const longestWait = 5000;

/**
 * Lets one sink of several fail without an effect on the others: keeps the batches until they are durable, and after a
 * transient failure writes them again, from the position that the sink then reports. While the queue has room it
 * retries without limit; when the queue is full, for some minutes more. A failure that cannot be repeated this way (a
 * transaction larger than the budget) is rethrown: the runtime then starts again from what all sinks have, as after a
 * crash.
 */
export class RetrySink implements StreamSink {
  readonly #options: RetryOptions;
  #kept: StreamBatch[] = [];
  #keptBytes = 0;
  /** False: a batch that is not durable was too large to keep. */
  #complete = true;
  #durable: bigint;

  constructor(options: RetryOptions) {
    this.#options = options;
    this.#durable = options.position;
  }

  get keptBytes(): number {
    return this.#keptBytes;
  }

  lanes(): readonly LaneView[] {
    return this.#options.sink.lanes?.() ?? [];
  }

  resume(signal: AbortSignal): Promise<CommitLsn | null> {
    return this.#options.sink.resume(signal);
  }

  async write(batch: StreamBatch, signal: AbortSignal): Promise<Receipt> {
    this.#keep(batch);
    try {
      return this.#settled(await this.#options.sink.write(batch, signal));
    } catch (error) {
      await this.#again(error, signal);
      return this.#lastReceipt();
    }
  }

  async flush(signal: AbortSignal): Promise<CommitLsn | null> {
    const flush = async () => {
      const upTo = await this.#options.sink.flush(signal);
      if (upTo !== null) this.#settle(upTo);
      return upTo;
    };
    try {
      return await flush();
    } catch (error) {
      await this.#again(error, signal);
      return flush();
    }
  }

  /** Resumes the sink and writes what it lacks, until that works or further tries are pointless. */
  async #again(first: unknown, signal: AbortSignal): Promise<void> {
    const { patienceMs, blocking, stop, view, log } = this.#options;
    const either = AbortSignal.any([signal, stop]);
    let error = first;
    let before = this.#durable;
    let blockedSince: number | null = null;
    for (let attempt = 1; ; attempt++) {
      blockedSince = blocking() ? (blockedSince ?? Date.now()) : null;
      const lost = blockedSince !== null && Date.now() - blockedSince > patienceMs;
      if (lost || !this.#complete || either.aborted || !retryable(error, 0, 1)) throw error;
      const { code } = error;
      const waitMs = Math.min(retryDelay(attempt), longestWait);
      view.retrying = code;
      log.log('warn', 'sink-retry', error.message, { sink: view.name, code, attempt, waitMs });
      await pause(waitMs, either).catch(() => {});
      if (either.aborted) throw error;
      try {
        await this.#replay(error, signal);
        view.retrying = null;
        return;
      } catch (next) {
        error = next;
        if (this.#durable > before) {
          attempt = 0;
          blockedSince = null;
        }
        before = this.#durable;
      }
    }
  }

  async #replay(error: unknown, signal: AbortSignal): Promise<void> {
    const { sink } = this.#options;
    const at = (await sink.resume(signal)) ?? this.#durable;
    // The sink lost changes that it had reported as durable: only the source may still have them.
    if (at < this.#durable) {
      this.#complete = false;
      throw error;
    }
    this.#settle(at);
    const skip = new Skip(at as CommitLsn, null);
    const again = this.#kept.slice();
    for (const batch of again) {
      const changes = skip.filter(batch.changes);
      this.#settled(await sink.write(changes === batch.changes ? batch : { ...batch, changes }, signal));
    }
  }

  #keep(batch: StreamBatch): void {
    const bytes = memoryOf(batch);
    // A batch that is being written is in memory in any case.
    const fits = this.#kept.length === 0 || this.#keptBytes + bytes <= this.#options.keepBytes;
    if (!this.#complete || !fits) {
      this.#complete = false;
      this.#kept = [];
      this.#keptBytes = 0;
      this.#end = batch.boundary;
      return;
    }
    this.#kept.push(batch);
    this.#keptBytes += bytes;
  }
  /** Boundary of the last batch, while not all of them are kept. */
  #end: CommitLsn | null = null;

  #settled(receipt: Receipt): Receipt {
    if (receipt.status === 'durable') this.#settle(receipt.upTo);
    return receipt;
  }

  #settle(upTo: bigint): void {
    if (upTo > this.#durable) this.#durable = upTo;
    if (!this.#complete) {
      if (this.#end !== null && this.#end <= upTo) this.#complete = true;
      return;
    }
    let done = this.#kept.length;
    while (done > 0 && !reached(this.#kept[done - 1]!, upTo)) done--;
    for (const batch of this.#kept.splice(0, done)) this.#keptBytes -= memoryOf(batch);
  }

  #lastReceipt(): Receipt {
    return this.#kept.length === 0 ? { status: 'durable', upTo: this.#durable as CommitLsn } : { status: 'accepted' };
  }
}

function reached(batch: StreamBatch, upTo: bigint): boolean {
  return batch.boundary !== null && batch.boundary <= upTo;
}
