import type { Change, StreamBatch } from '../../api/change.ts';
import type { CommitLsn } from '../../api/lsn.ts';
import type { ChangeMapper } from '../../api/plan.ts';
import type { StreamSink } from '../../api/sink.ts';
import type { SinkView } from '../../observe/run-view.ts';
import { mapFailure } from '../../plan/mapper.ts';
import { join } from './join.ts';
import { memoryOf } from './memory.ts';
import { paced } from './paced.ts';
import { wholeFirst } from './whole-first.ts';
import type { Skip } from './skip.ts';

export interface LaneOptions {
  readonly name: string;
  readonly sink: StreamSink;
  readonly mapper: ChangeMapper;
  readonly skip: Skip;
  /** Where the sink stands at the start. */
  readonly position: CommitLsn;
  /** Queued batches are joined up to this many bytes when the sink was slower than the source. */
  readonly mergeBytes: number;
  /** Bytes of memory that may wait here before the source is no longer read, for any sink. */
  readonly room: number;
  /** An idle sink that accepted without being durable is flushed after this many milliseconds. */
  readonly flushAfter: number;
  readonly view: SinkView;
  readonly onDurable: (upTo: CommitLsn) => void;
  readonly onFailure: (error: unknown) => void;
  readonly signal: AbortSignal;
}

/**
 * One sink's way through the change plane: a queue bounded by its caller, one write in flight while the next batch fills,
 * a flush when it falls idle. A failure ends the lane; nothing is skipped (I9).
 */
export class Lane {
  readonly name: string;
  readonly #options: LaneOptions;
  #queue: StreamBatch[] = [];
  #queuedBytes = 0;
  #running: Promise<void> | null = null;
  #written: bigint;
  #durable: bigint;
  #failed = false;
  #timer: NodeJS.Timeout | null = null;
  #waiters: (() => void)[] = [];

  constructor(options: LaneOptions) {
    this.name = options.name;
    this.#options = options;
    this.#written = options.position;
    this.#durable = options.position;
    options.view.written = options.position;
    options.view.durable = options.position;
    options.view.waiting = 0;
  }

  get busy(): boolean {
    return this.#running !== null;
  }
  /** Nothing more may be offered until something was taken (I8). */
  get full(): boolean {
    return this.#queuedBytes > this.#options.room;
  }
  /** Everything that was offered is durable. */
  get settled(): boolean {
    return this.#running === null && this.#written === this.#durable && this.#queue.length === 0;
  }

  offer(batch: StreamBatch): void {
    this.#queue.push(batch);
    this.#queuedBytes += memoryOf(batch);
    this.#options.view.queued = this.#queuedBytes;
    this.#options.view.waiting += batch.transactions;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#start();
  }

  /** Resolves at the next end of a write or a flush, or of the lane. */
  progress(): Promise<'progress'> {
    return new Promise((resolve) => this.#waiters.push(() => resolve('progress')));
  }

  /** Writes what is queued and makes it durable; a failure ends the lane as any other does. */
  async drain(): Promise<void> {
    while (this.#running !== null) await this.#running;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#failed || this.#written <= this.#durable) return;
    this.#run(this.#flush());
    while (this.#running !== null) await this.#running;
  }

  /** Takes nothing more; resolves when nothing is in flight. */
  async end(): Promise<void> {
    this.#close();
    while (this.#running !== null) await this.#running;
  }

  #close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#failed = true;
  }

  #start(): void {
    if (this.#running !== null || this.#failed) return;
    this.#run(this.#work());
  }

  /** Everything that touches the sink runs through here, one at a time. */
  #run(work: Promise<void>): void {
    this.#running = work.then(
      () => this.#rest(),
      (error: unknown) => {
        this.#close();
        this.#running = null;
        this.#wake();
        this.#options.onFailure(error);
      },
    );
  }

  #rest(): void {
    this.#running = null;
    this.#wake();
    if (this.#queue.length > 0) this.#start();
    else if (!this.#failed && this.#written > this.#durable)
      this.#timer = setTimeout(() => this.#idle(), this.#options.flushAfter);
  }

  #idle(): void {
    this.#timer = null;
    if (this.#running === null && !this.#failed) this.#run(this.#flush());
  }

  async #work(): Promise<void> {
    for (let batch = this.#take(); batch !== null && !this.#failed; batch = this.#take()) {
      await this.#write(batch);
      this.#options.view.waiting -= batch.transactions;
      this.#wake();
    }
  }

  async #write(batch: StreamBatch): Promise<void> {
    const changes = this.#options.skip.filter(batch.changes);
    for (const part of wholeFirst(changes === batch.changes ? batch : { ...batch, changes })) {
      for (const piece of paced(part, this.#options.mapper.pace ?? null)) await this.#writePart(piece);
    }
  }

  async #writePart(batch: StreamBatch): Promise<void> {
    const { sink, mapper, view, signal } = this.#options;
    let changes: readonly Change[];
    try {
      changes = await mapper.map(batch.changes, batch.values);
    } catch (error) {
      await this.#writeBefore(batch, error);
      throw error;
    }
    const { boundary } = batch;
    // After a restart the stream may begin below this sink's position: such a boundary must not move it back.
    const advances = boundary !== null && boundary > this.#written;
    if (changes.length === 0 && !advances) return;
    const bytes = batch.bytes + (mapper.pace?.bytes ?? 0);
    const receipt = await sink.write(changes === batch.changes ? batch : { ...batch, changes, bytes }, signal);
    if (advances) this.#written = boundary;
    view.written = this.#written;
    view.commitTime = batch.commitTime ?? view.commitTime;
    view.transactions += batch.transactions;
    view.changes += changes.length;
    view.bytes += batch.bytes;
    if (receipt.status === 'durable') this.#settle(receipt.upTo);
  }

  /**
   * What cannot be mapped ends the lane, with every transaction before it durable: so the user can change the target to
   * what the source is at exactly this position. A boundary at the start of a commit record says the same as one at the end
   * of the commit before.
   */
  async #writeBefore(batch: StreamBatch, error: unknown): Promise<void> {
    const failure = mapFailure(error);
    const { finalLsn, commitTime } = failure?.change.tx ?? { finalLsn: 0n, commitTime: null };
    const changes = (failure?.done ?? []).filter((change) => change.tx.finalLsn < finalLsn);
    if (changes.length > 0) {
      const boundary = finalLsn as bigint as CommitLsn;
      const whole = { ...batch, changes, boundary, commitTime, transactions: 0, bytes: 0 };
      await this.#options.sink.write(whole, this.#options.signal);
      this.#written = boundary;
      await this.#flush();
    }
  }

  async #flush(): Promise<void> {
    const upTo = await this.#options.sink.flush(this.#options.signal);
    if (upTo !== null) this.#settle(upTo);
  }

  #settle(upTo: CommitLsn): void {
    if (upTo <= this.#durable) return;
    this.#durable = upTo;
    this.#options.view.durable = upTo;
    this.#options.onDurable(upTo);
  }

  /** The next batch: what waits, joined up to the budget. A batch that ends inside a transaction joins what follows it. */
  #take(): StreamBatch | null {
    const first = this.#queue.shift();
    if (first === undefined) return null;
    const joined = [first];
    let bytes = first.bytes;
    this.#queuedBytes -= memoryOf(first);
    while (this.#queue.length > 0 && bytes + this.#queue[0]!.bytes <= this.#options.mergeBytes) {
      const next = this.#queue.shift()!;
      joined.push(next);
      bytes += next.bytes;
      this.#queuedBytes -= memoryOf(next);
    }
    this.#options.view.queued = this.#queuedBytes;
    return joined.length === 1 ? first : join(joined);
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }
}
