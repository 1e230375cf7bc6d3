import type { ChangeStream, StreamItem } from '../../../core/api/source.ts';
import type { Metrics } from '../../../core/base/metrics.ts';
import { type CommitLsn, formatLsn, type IdleLsn } from '../../../core/postgres/lsn.ts';
import { Assembly, type AssemblyOptions } from './assembly.ts';
import { Decoding, type DecodingOptions } from './decoding.ts';
import { streamError } from './errors.ts';
import { Framer, type ReplicationSocket, type SocketTargets } from './replication-socket.ts';
import { WireSession, type WireSessionOptions } from './wire-session.ts';

export interface ChangeStreamOptions
  extends Omit<WireSessionOptions, 'asks'>,
    DecodingOptions,
    Omit<AssemblyOptions, 'from' | 'idleEvery'> {
  readonly from: bigint;
  readonly acknowledged: bigint;
  /** Bytes that are received ahead of the reader. */
  readonly bufferBytes: number;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
}

/**
 * The stream after its start, as its reader sees it: items, confirmations, and the first failure. The session receives,
 * the decoding turns frames into items; `bufferBytes` bounds what is received and not decoded, and beyond it the socket
 * is not read (I8). Status updates depend on none of this.
 */
export class PgoutputStream implements ChangeStream {
  readonly #options: ChangeStreamOptions;
  readonly #session: WireSession;
  readonly #framer: Framer;
  readonly #decoding: Decoding;
  readonly #assembly: Assembly;
  #error: { readonly reason: unknown } | null = null;
  #disposed = false;
  /** The socket is not being read. */
  #held = false;
  #wake: (() => void) | null = null;
  #idleTimer: NodeJS.Timeout | null = null;
  readonly #abort = () => this.#fail(this.#options.signal.reason);

  constructor(options: ChangeStreamOptions) {
    this.#options = options;
    const { from, acknowledged, until, statusInterval } = options;
    const handed = acknowledged > from ? acknowledged : from;
    this.#assembly = new Assembly({ ...options, from: handed, idleEvery: Math.min(1000, statusInterval) });
    const failed = (reason: unknown) => this.#fail(reason);
    this.#decoding = new Decoding(options, this.#assembly, { ready: () => this.#pump(), failed });
    const reader = { arrived: () => this.#arrived(), failed };
    const session = new WireSession({ ...options, asks: until !== null }, reader);
    this.#session = session;
    this.#framer = new Framer({ frames: this.#decoding, session, reader });
  }

  /** The receiver of the socket's bytes. */
  get receiver(): SocketTargets {
    return { framer: this.#framer, lost: (error) => this.#session.lost(error) };
  }

  /** Sends the command and resolves when the server has begun to stream. */
  start(socket: ReplicationSocket, command: Buffer): Promise<void> {
    this.#options.signal.addEventListener('abort', this.#abort, { once: true });
    return this.#session.start(socket, command);
  }

  #arrived(): void {
    this.#pump();
    if (this.#error === null && this.#decoding.bytes >= this.#options.bufferBytes) this.#hold(true);
  }

  #hold(held: boolean): void {
    this.#held = held;
    if (held) this.#session.hold();
    else this.#session.release();
  }

  #pump(): void {
    if (this.#error === null && !this.#disposed) {
      try {
        this.#decoding.run();
      } catch (error) {
        this.#fail(error);
      }
      if (this.#assembly.ended) this.#stopReading();
      else if (this.#held && this.#decoding.bytes * 2 < this.#options.bufferBytes) this.#hold(false);
    }
    this.#wake?.();
  }

  // ---- to the reader

  [Symbol.asyncIterator](): AsyncIterator<StreamItem> {
    return {
      next: () => this.#next(),
      return: async () => ({ done: true, value: undefined }),
    };
  }

  async #next(): Promise<IteratorResult<StreamItem>> {
    for (;;) {
      if (this.#error !== null) throw this.#error.reason;
      if (this.#disposed) return { done: true, value: undefined };
      const drained = this.#framer.held === 0 && this.#decoding.drained;
      const item = this.#assembly.take(performance.now(), drained);
      if (item !== null && typeof item !== 'number') {
        this.#measure(item);
        // The next batch is decoded while the sink waits for the answer to this one.
        setImmediate(() => this.#pump());
        return { done: false, value: item };
      }
      if (this.#assembly.ended) return { done: true, value: undefined };
      await this.#news(item);
    }
  }

  /** Resolves when something was decoded, the stream failed, or the time `due` has come. */
  #news(due: number | null): Promise<void> {
    return new Promise((resolve) => {
      const timer = due === null ? null : setTimeout(() => this.#wake?.(), Math.max(1, due - performance.now()));
      this.#idleTimer = timer;
      this.#wake = () => {
        this.#wake = null;
        if (timer !== null) clearTimeout(timer);
        resolve();
      };
    });
  }

  #measure(item: StreamItem): void {
    const { metrics } = this.#options;
    metrics.gauge('source_buffered_bytes', this.#decoding.bytes);
    if (item.kind !== 'batch') return;
    metrics.count('source_changes', item.batch.changes.length);
    metrics.count('source_transactions', item.batch.transactions);
    metrics.count('source_bytes', item.batch.bytes);
  }

  confirm(upTo: CommitLsn | IdleLsn): void {
    if (upTo > this.#assembly.handed) {
      const handed = formatLsn(this.#assembly.handed);
      throw streamError('PGS2167', `${formatLsn(upTo)} was confirmed, handed out was ${handed}`);
    }
    this.#session.confirm(upTo);
  }

  async flushConfirmed(): Promise<void> {
    try {
      await this.#session.flush();
    } catch (error) {
      throw this.#error?.reason ?? error;
    }
  }

  // ---- ends

  /** The reader gets the first failure; nothing after it is decoded. */
  #fail(reason: unknown): void {
    if (this.#error !== null || this.#disposed) return;
    this.#error = { reason };
    this.#letGo();
    this.#session.abandon(reason);
    this.#wake?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#letGo();
    if (this.#error === null) await this.#session.close();
    this.#wake?.();
  }

  /** `until` is reached: later data of the server is not needed. Status updates go on. */
  #stopReading(): void {
    this.#session.stopAsking();
    this.#decoding.drop();
    this.#hold(true);
  }

  #letGo(): void {
    this.#framer.stop();
    this.#options.signal.removeEventListener('abort', this.#abort);
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    this.#decoding.drop();
  }
}
