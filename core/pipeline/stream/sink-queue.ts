import type { Change, StreamBatch } from '../../api/change.ts';
import type { CommitLsn } from '../../postgres/lsn.ts';
import type { ChangeMapper, MapperPace } from '../../api/plan.ts';
import type { StreamSink } from '../../api/sink.ts';
import type { SinkView } from '../progress/run-view.ts';
import { mapFailure } from '../plan/map-failure.ts';
import { join, mayJoin, memoryOf, paced, type Skip, typesFirst, wholeFirst } from './batches.ts';

export interface SinkQueueOptions {
  readonly name: string;
  readonly sink: StreamSink;
  readonly mapper: ChangeMapper;
  readonly skip: Skip;
  /** The sink's position at the start. */
  readonly position: CommitLsn;
  /** Queued batches are joined up to this many bytes of memory when the sink is slower than the source. */
  readonly mergeBytes: number;
  /** Bytes of memory that may wait here before reading from the source stops, for all sinks. */
  readonly room: number;
  /** An idle sink that has accepted changes without being durable is flushed after this many milliseconds. */
  readonly flushAfter: number;
  readonly view: SinkView;
  readonly onDurable: (upTo: CommitLsn) => void;
  readonly onFailure: (error: unknown) => void;
  readonly signal: AbortSignal;
}

const leastBudget = 2 << 20;

interface Queued {
  readonly batch: StreamBatch;
  readonly memory: number;
}

/** A batch taken from the queue. */
interface Taken {
  readonly batch: StreamBatch;
  readonly pieces: Iterable<StreamBatch>;
  /** The first piece, which the mapper has begun to map. */
  readonly mapped: Promise<readonly Change[]> | null;
}

/**
 * One sink's way through the change plane: a queue bounded by its caller, one write in flight while the next batch
 * fills, a flush when the sink is idle. A failure ends the queue; no change is skipped (I9).
 */
export class SinkQueue {
  readonly name: string;
  readonly #options: SinkQueueOptions;
  #queue: Queued[] = [];
  #queuedBytes = 0;
  /**
   * Bytes of memory that one write may take: twice those of the write before, so that the first writes are small and
   * neither side waits long for the other.
   */
  #budget: number;
  /** The last piece of the taken batch is being written. */
  #writing = false;
  /** The next batch, taken ahead of its turn so that the sink can prepare it. */
  #next: Taken | null = null;
  #running: Promise<void> | null = null;
  #written: bigint;
  #durable: bigint;
  #failed = false;
  #timer: NodeJS.Timeout | null = null;
  #waiters: (() => void)[] = [];

  constructor(options: SinkQueueOptions) {
    this.name = options.name;
    this.#options = options;
    this.#budget = Math.min(options.mergeBytes, leastBudget);
    this.#written = options.position;
    this.#durable = options.position;
    options.view.written = options.position;
    options.view.waiting = 0;
  }

  get busy(): boolean {
    return this.#running !== null;
  }
  /** The sink is idle, or prepares the next write and has not enough for it. */
  get hungry(): boolean {
    if (this.#running === null) return true;
    return this.#options.sink.prepare !== undefined && this.#next === null && this.#queuedBytes < this.#budget;
  }
  /** No batch may be offered until one was taken (I8). */
  get full(): boolean {
    return this.#queuedBytes > this.#options.room;
  }
  /** Everything that was offered is durable; never again true once the queue has ended. */
  get settled(): boolean {
    if (this.#failed || this.#running !== null || this.#next !== null) return false;
    return this.#written === this.#durable && this.#queue.length === 0;
  }

  offer(batch: StreamBatch): void {
    const memory = memoryOf(batch);
    this.#queue.push({ batch, memory });
    this.#queuedBytes += memory;
    this.#options.view.queued = this.#queuedBytes;
    this.#options.view.waiting += batch.transactions;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#start();
    this.#lookAhead();
  }

  /** Resolves at the next end of a write or a flush, or of the queue. */
  progress(): Promise<'progress'> {
    return new Promise((resolve) => this.#waiters.push(() => resolve('progress')));
  }

  /** Writes what is queued and makes it durable; a failure ends the queue as any other does. */
  async drain(): Promise<void> {
    while (this.#running !== null) await this.#running;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#failed || this.#written <= this.#durable) return;
    this.#run(this.#flush());
    while (this.#running !== null) await this.#running;
  }

  /** Takes no further batch; resolves when nothing is in flight, neither in the mapper nor in the sink. */
  async end(): Promise<void> {
    this.#close();
    while (this.#running !== null) await this.#running;
    await this.#next?.mapped?.catch(() => {});
    this.#next = null;
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

  /** Every call of the sink runs through here, one at a time. */
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
    while (!this.#failed) {
      const taken = this.#next ?? this.#take();
      if (taken === null) return;
      this.#next = null;
      await this.#write(taken);
      this.#options.view.waiting -= taken.batch.transactions;
      this.#wake();
    }
  }

  async #write({ pieces, mapped }: Taken): Promise<void> {
    let first = mapped;
    for (const piece of pieces) {
      const isLast = Array.isArray(pieces) && piece === pieces[pieces.length - 1];
      await this.#writePart(piece, first ?? this.#map(piece), isLast);
      first = null;
    }
  }

  #pieces(batch: StreamBatch): Iterable<StreamBatch> {
    const changes = this.#options.skip.filter(batch.changes);
    const parts = wholeFirst(changes === batch.changes ? batch : { ...batch, changes }).flatMap(typesFirst);
    const pace = this.#options.mapper.pace ?? null;
    return pace === null ? parts : pacedParts(parts, pace);
  }

  async #map({ changes, values }: StreamBatch): Promise<readonly Change[]> {
    return this.#options.mapper.map(changes, values);
  }

  /** While the sink is at work and enough for another write is there, its first piece is mapped and the sink prepares it. */
  #lookAhead(): void {
    const { sink, mapper } = this.#options;
    if (sink.prepare === undefined || (mapper.pace ?? null) !== null) return;
    if (!this.#writing || this.#next !== null || this.#queuedBytes < this.#budget) return;
    const taken = this.#take() as Taken;
    const [piece] = taken.pieces as [StreamBatch];
    const mapped = this.#map(piece);
    const next = { ...taken, mapped };
    this.#next = next;
    mapped
      .then((changes) => {
        if (this.#next !== next || changes.length === 0 || this.#failed) return;
        sink.prepare?.(changes === piece.changes ? piece : { ...piece, changes });
      })
      // An error in mapping or preparing is raised when the batch's turn comes.
      .catch(() => {});
  }

  async #writePart(batch: StreamBatch, mapped: Promise<readonly Change[]>, isLast: boolean): Promise<void> {
    const { sink, mapper, view, signal } = this.#options;
    let changes: readonly Change[];
    try {
      changes = await mapped;
    } catch (error) {
      await this.#writeBefore(batch, error);
      throw error;
    }
    const { boundary } = batch;
    // After a restart the stream may begin below this sink's position: such a boundary must not move the position back.
    const advances = boundary !== null && boundary > this.#written;
    if (changes.length === 0 && !advances) return;
    const bytes = batch.bytes + (mapper.pace?.bytes ?? 0);
    const write = sink.write(changes === batch.changes ? batch : { ...batch, changes, bytes }, signal);
    this.#writing = isLast;
    this.#lookAhead();
    const receipt = await write.finally(() => (this.#writing = false));
    if (advances) this.#written = boundary;
    view.written = this.#written;
    view.commitTime = batch.commitTime ?? view.commitTime;
    view.transactions += batch.transactions;
    view.changes += changes.length;
    view.bytes += batch.bytes;
    view.lanes = sink.lanes?.() ?? [];
    if (receipt.status === 'durable') this.#settle(receipt.upTo);
  }

  /**
   * A change that cannot be mapped ends the queue, with every transaction before it durable: so the user can alter the
   * target to the source's state at exactly this position. A boundary at the start of a commit record means the same as
   * one at the end of the commit before.
   */
  async #writeBefore(batch: StreamBatch, error: unknown): Promise<void> {
    const failure = mapFailure(error);
    const { finalLsn, commitTime } = failure?.change.tx ?? { finalLsn: 0n, commitTime: null };
    const changes = (failure?.done ?? []).filter((change) => change.tx.finalLsn < finalLsn);
    // How far the logs are read after a part of the batch is unknown: the batch comes again as a whole.
    if (changes.length > 0 && batch.logs === undefined) {
      const boundary = finalLsn as bigint as CommitLsn;
      const whole = { ...batch, changes, boundary, commitTime, transactions: 0, bytes: 0 };
      await this.#options.sink.write(whole, this.#options.signal);
      this.#written = boundary;
      await this.#flush();
    }
  }

  async #flush(): Promise<void> {
    const { sink, view } = this.#options;
    const upTo = await sink.flush(this.#options.signal);
    view.lanes = sink.lanes?.() ?? [];
    if (upTo !== null) this.#settle(upTo);
  }

  #settle(upTo: CommitLsn): void {
    if (upTo <= this.#durable) return;
    this.#durable = upTo;
    this.#options.onDurable(upTo);
  }

  /**
   * The next batch: waiting batches, joined up to the budget. A batch that ends inside a transaction joins the
   * following one.
   */
  #take(): Taken | null {
    let count = 0;
    let bytes = 0;
    for (const { batch, memory } of this.#queue) {
      if (count > 0 && (bytes + memory > this.#budget || !mayJoin(this.#queue[count - 1]!.batch, batch))) break;
      bytes += memory;
      count++;
    }
    if (count === 0) return null;
    const batches = this.#queue.splice(0, count).map(({ batch }) => batch);
    this.#queuedBytes -= bytes;
    this.#budget = Math.min(this.#options.mergeBytes, Math.max(leastBudget, 2 * bytes));
    this.#options.view.queued = this.#queuedBytes;
    const batch = count === 1 ? batches[0]! : join(batches);
    return { batch, pieces: this.#pieces(batch), mapped: null };
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }
}

function* pacedParts(parts: readonly StreamBatch[], pace: MapperPace): Generator<StreamBatch> {
  for (const part of parts) yield* paced(part, pace);
}
