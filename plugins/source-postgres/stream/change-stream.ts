import type { Change, TransactionInfo } from '../../../core/api/change.ts';
import type { Metrics } from '../../../core/base/metrics.ts';
import type { Logger } from '../../../core/base/logger.ts';
import { type CommitLsn, formatLsn, type IdleLsn } from '../../../core/postgres/lsn.ts';
import type { Relation } from '../../../core/postgres/relation.ts';
import type { ChangeStream, StreamItem } from '../../../core/api/source.ts';
import type { PgsluiceError } from '../../../core/base/error.ts';
import { connectionError } from '../../../core/postgres/errors.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { Assembly } from './assembly.ts';
import { malformed } from './body-reader.ts';
import { type DecodeTarget, Decoder, type StreamedTarget } from './decoder.ts';
import { streamError } from './errors.ts';
import { COPY_DATA, type FrameTarget, KEEPALIVE, Framer, type Region, XLOG_DATA } from './framer.ts';
import { InProgress, type Replay } from './in-progress.ts';
import { liveness } from './liveness.ts';
import { RegionQueue } from './region-queue.ts';
import { RelationCache } from './relation-cache.ts';
import type { ReplicationSocket, SocketTarget } from './replication-socket.ts';
import { readServerError, streamErrorOf } from './server-error.ts';
import { StatusUpdates } from './status.ts';
import type { WireRelation } from './wire.ts';

export interface ChangeStreamOptions {
  /** Name of the connection in errors. */
  readonly name: string;
  readonly describe: (wire: WireRelation) => Promise<Relation>;
  readonly from: bigint;
  readonly acknowledged: bigint;
  readonly until: bigint | null;
  readonly batchBytes: number;
  readonly bufferBytes: number;
  /** Milliseconds between status updates. */
  readonly statusInterval: number;
  /** Milliseconds of silence after which the connection counts as dead. */
  readonly silence: number;
  readonly checkUtf8: boolean;
  /** Values were asked for in binary. */
  readonly binary: boolean;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
}

/** Milliseconds between questions whether the server has passed `until`. */
const ASK_UNTIL = 100;

/**
 * The stream after its start: bytes are decoded when they arrive while less than a batch waits, else kept raw up to
 * `bufferBytes`, and then the socket is not read (I8). Status updates depend on none of this.
 */
export class PgoutputStream implements ChangeStream, SocketTarget, FrameTarget, DecodeTarget {
  readonly #options: ChangeStreamOptions;
  readonly #framer = new Framer(this);
  readonly #queue = new RegionQueue();
  readonly #relations = new RelationCache();
  readonly #decoder: Decoder;
  readonly #assembly: Assembly;
  readonly #status: StatusUpdates;
  #socket!: ReplicationSocket;
  readonly #inProgress = new InProgress();
  /** A streamed transaction that has committed: its messages come before what is in the queue. */
  #replay: Replay | null = null;
  /** A relation is being described: what follows waits for it. */
  #blocked = false;
  #started: { resolve: () => void; reject: (error: unknown) => void } | null = null;
  #error: { readonly reason: unknown } | null = null;
  #disposed = false;
  #wake: (() => void) | null = null;
  #idleTimer: NodeJS.Timeout | null = null;
  #askTimer: NodeJS.Timeout | null = null;
  readonly #abort = () => this.fail(this.#options.signal.reason);

  constructor(options: ChangeStreamOptions) {
    this.#options = options;
    const { batchBytes, binary, from, until, acknowledged, statusInterval } = options;
    const idleEvery = Math.min(1000, statusInterval);
    this.#decoder = new Decoder(this, this.#relations, options);
    this.#assembly = new Assembly({
      batchBytes,
      binary,
      from: acknowledged > from ? acknowledged : from,
      until,
      idleEvery,
    });
    this.#status = new StatusUpdates({
      interval: statusInterval,
      write: (frame, written) => this.#socket.write(frame, written),
      askBack: () => this.#askBack(),
    });
  }

  /** Sends the command and resolves when the server has begun to stream. */
  start(socket: ReplicationSocket, command: Buffer): Promise<void> {
    this.#socket = socket;
    return new Promise((resolve, reject) => {
      this.#started = { resolve, reject };
      this.#options.signal.addEventListener('abort', this.#abort, { once: true });
      socket.write(command);
    });
  }

  // ---- from the socket

  chunk(bytes: Buffer): void {
    if (this.#error !== null) return;
    try {
      this.#framer.push(bytes);
    } catch (error) {
      this.fail(error);
    }
    this.#pump();
    if (this.#queue.bytes >= this.#options.bufferBytes) this.#socket.hold();
  }

  lost(error: Error | null): void {
    const where = { connection: this.#options.name };
    if (error !== null) this.fail(fromPg(error, where));
    else this.fail(connectionError('PGS2005', 'the server closed the replication connection', { where }));
  }

  data(region: Region): void {
    if (!this.#assembly.ended) this.#queue.push(region);
  }

  replyRequested(): void {
    this.#status.send(false);
  }

  other(type: number, body: Buffer): void {
    const where = { connection: this.#options.name };
    switch (String.fromCharCode(type)) {
      case 'W': // CopyBothResponse
        this.#started?.resolve();
        this.#started = null;
        if (this.#options.until !== null) this.#askTimer = setInterval(() => this.#status.send(true), ASK_UNTIL);
        return this.#status.send(this.#options.until !== null);
      case 'E':
        return this.fail(this.#refusal(streamErrorOf(readServerError(body), where, this.#started === null)));
      case 'N': {
        const notice = readServerError(body);
        return this.#options.log.log('debug', 'source-notice', notice.message, { sqlstate: notice.code });
      }
      case 'S': // ParameterStatus
        return;
      case 'c': // CopyDone
      case 'C': // CommandComplete
      case 'Z': // ReadyForQuery
        return this.fail(streamError('PGS2159', 'the server ended the replication stream', { where }));
      default:
        return this.fail(streamError('PGS2161', `a protocol message of the unknown type ${type}`, { where }));
    }
  }

  /** A send function may refuse (42883: the elements of an array have none): as text the same row may come. */
  #refusal(error: PgsluiceError): PgsluiceError {
    if (!this.#options.binary || this.#started !== null || error.code !== 'PGS2007') return error;
    return streamError('PGS2169', error.message, { where: error.where, cause: error.cause });
  }

  // ---- decoding

  #pump(): void {
    try {
      while (!this.#blocked && !this.#assembly.ended && !this.#assembly.full && this.#error === null) {
        const from = this.#replay ?? this.#queue;
        if (from.first === undefined && this.#replay === null) break;
        if (from.first === undefined) this.#finishReplay();
        else this.#decodeRegion(from, from.first);
      }
    } catch (error) {
      this.fail(error);
    }
    if (this.#assembly.ended) this.#stopReading();
    else if (this.#queue.bytes * 2 < this.#options.bufferBytes) this.#socket.release();
    if (this.#wake !== null) this.#wake();
  }

  /** Decodes until the region ends or something must happen first; then it goes on at `from.at`. */
  #decodeRegion(from: RegionQueue | Replay, region: Region): void {
    const { buffer, view, end } = region;
    const assembly = this.#assembly;
    const replay = this.#replay;
    while (from.at < end && !this.#blocked && !assembly.ended && !assembly.full && this.#replay === replay) {
      const frame = from.at;
      from.at += view.getInt32(frame + 1) + 1;
      if (replay?.skips(region, frame) === true) continue;
      if (buffer[frame + 5] === XLOG_DATA) this.#decoder.decode(region, frame, from.at);
      else this.#keepalive(region, frame, from.at);
    }
    if (from.at >= end) from.shift();
  }

  #finishReplay(): void {
    const replay = this.#replay;
    this.#replay = null;
    if (replay === null) return;
    replay.close();
    this.#decoder.close(replay.end);
  }

  #keepalive(region: Region, frame: number, end: number): void {
    const { buffer, view } = region;
    if (buffer[frame] !== COPY_DATA || buffer[frame + 5] !== KEEPALIVE || end - frame !== 23) {
      throw malformed('a frame that is neither data nor a keepalive');
    }
    this.#assembly.keepalive(view.getBigUint64(frame + 6), this.#decoder.between);
  }

  begin(tx: TransactionInfo): void {
    this.#assembly.begin(tx);
  }
  change(change: Change, bytes: number): void {
    this.#assembly.change(change, bytes);
  }
  commit(tx: TransactionInfo, end: CommitLsn): void {
    this.#assembly.commit(tx, end);
  }
  lone(change: Change, end: CommitLsn, bytes: number): void {
    this.#assembly.lone(change, end, bytes);
  }
  relation(wire: WireRelation): void {
    this.#blocked = true;
    void this.#describe(wire);
  }
  readonly streamed: StreamedTarget = {
    start: (xid) => this.#inProgress.start(xid),
    stop: () => this.#inProgress.stop(),
    keep: (region, frame, end) => this.#inProgress.keep(region, frame, end),
    abort: (xid, subxid) => this.#inProgress.abort(xid, subxid),
    commit: (tx, end) => {
      this.#replay = this.#inProgress.commit(tx.xid, end);
      this.#decoder.open(tx);
    },
  };

  async #describe(wire: WireRelation): Promise<void> {
    try {
      this.#relations.put(wire, await this.#options.describe(wire));
      this.#blocked = false;
    } catch (error) {
      this.fail(error);
    }
    this.#pump();
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
      const drained = this.#queue.bytes === 0 && this.#framer.held === 0 && this.#decoder.between;
      const item = this.#assembly.take(performance.now(), drained);
      if (item !== null && typeof item !== 'number') {
        this.#measure(item);
        // The next batch is decoded while the sink waits for its answer to this one.
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
    metrics.gauge('source_buffered_bytes', this.#queue.bytes);
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
    this.#status.confirm(upTo);
  }

  flushConfirmed(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#status.send(false, (error) => {
        if (error === undefined || error === null) resolve();
        else reject(this.#error?.reason ?? fromPg(error, { connection: this.#options.name }));
      });
    });
  }

  // ---- ends

  /** The first failure is what the reader gets; nothing after it is decoded. */
  fail(reason: unknown): void {
    if (this.#error !== null || this.#disposed) return;
    this.#error = { reason };
    this.#stopTimers();
    this.#forget();
    this.#socket.destroy();
    this.#started?.reject(reason);
    this.#started = null;
    this.#wake?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#stopTimers();
    this.#forget();
    if (this.#error === null) {
      this.#status.send(false);
      await this.#socket.close();
    }
    this.#wake?.();
  }

  /** `until` is reached: what else the server sends is not wanted. Status updates go on. */
  #stopReading(): void {
    if (this.#askTimer !== null) clearInterval(this.#askTimer);
    this.#forget();
    this.#socket.hold();
  }

  /** Whatever was received and not decoded: the server sends it again. */
  #forget(): void {
    this.#queue.clear();
    this.#inProgress.close();
    this.#replay?.close();
    this.#replay = null;
  }

  #stopTimers(): void {
    this.#options.signal.removeEventListener('abort', this.#abort);
    this.#status.stop();
    if (this.#askTimer !== null) clearInterval(this.#askTimer);
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
  }

  #askBack(): boolean {
    const silentFor = performance.now() - this.#socket.lastRead;
    const verdict = liveness(silentFor, this.#options.silence, this.#socket.reading);
    if (verdict === 'dead') {
      const where = { connection: this.#options.name };
      this.fail(
        streamError('PGS2158', `nothing came from the server for ${Math.round(silentFor / 1000)} s`, { where }),
      );
    }
    return verdict !== 'fine';
  }
}
