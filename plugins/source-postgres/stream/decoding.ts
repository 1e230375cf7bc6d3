import type { Relation } from '../../../core/postgres/relation.ts';
import type { Assembly } from './assembly.ts';
import { malformed } from './message-reader.ts';
import { type ControlTarget, Decoder, type DecoderOptions, type StreamedTarget } from './decoder.ts';
import { COPY_DATA, KEEPALIVE, type Region, XLOG_DATA } from './replication-socket.ts';
import { InProgress, type Replay } from './in-progress.ts';
import { RelationCache } from './relation-cache.ts';
import type { WireRelation } from './wire.ts';

export interface DecodingOptions extends DecoderOptions {
  /** See `Describer.describe`. */
  readonly describe: (wire: WireRelation, before: Relation | null) => Promise<Relation>;
}

export interface DecodingEvents {
  /** Decoding can continue: {@link Decoding.run} may be called. */
  readonly ready: () => void;
  readonly failed: (reason: unknown) => void;
}

/**
 * From frames to items: frames that were received and not decoded yet, the transactions in progress, the decoder and
 * the assembly. It decodes while less than a batch waits; it pauses for a relation that must be described and for
 * frames in a file. No socket.
 */
export class Decoding implements ControlTarget {
  readonly #options: DecodingOptions;
  readonly #events: DecodingEvents;
  readonly #queue = new RegionQueue();
  readonly #relations = new RelationCache();
  readonly #decoder: Decoder;
  readonly #assembly: Assembly;
  /** Null until the server sends a transaction before its commit. */
  #inProgress: InProgress | null = null;
  /** A streamed transaction that has committed: its messages come before those in the queue. */
  #replay: Replay | null = null;
  /** Number of tasks that must end before the next message is decoded. */
  #waits = 0;
  #dropped = false;

  constructor(options: DecodingOptions, assembly: Assembly, events: DecodingEvents) {
    this.#options = options;
    this.#events = events;
    this.#assembly = assembly;
    this.#decoder = new Decoder({ transactions: assembly, control: this }, this.#relations, options);
  }

  /** Bytes in memory that were received and not decoded (I8). */
  get bytes(): number {
    return this.#queue.bytes + (this.#inProgress?.pending ?? 0);
  }
  /** No message is partly read, and none waits to be decoded. */
  get drained(): boolean {
    return this.bytes === 0 && this.#decoder.between;
  }

  push(region: Region): void {
    if (!this.#assembly.ended) this.#queue.push(region);
  }

  /** Decodes as far as possible. Throws errors in the messages themselves. */
  run(): void {
    while (this.#waits === 0 && !this.#dropped && !this.#assembly.ended && !this.#assembly.full) {
      const from = this.#replay ?? this.#queue;
      if (from.first !== undefined) this.#region(from, from.first);
      else if (this.#replay !== null) this.#finishReplay(this.#replay);
      else break;
    }
  }

  /** Drops what was received and not decoded: the server sends it again. */
  drop(): void {
    this.#dropped = true;
    this.#queue.clear();
    this.#inProgress?.close();
    this.#replay?.close();
    this.#replay = null;
  }

  /** Decodes until the region ends or a task must be done first; then it continues at `from.at`. */
  #region(from: RegionQueue | Replay, region: Region): void {
    const { buffer, view, end } = region;
    const assembly = this.#assembly;
    const replay = this.#replay;
    while (from.at < end && this.#waits === 0 && !assembly.ended && !assembly.full && this.#replay === replay) {
      const frame = from.at;
      from.at += view.getInt32(frame + 1) + 1;
      if (replay?.skips(region, frame) === true) continue;
      if (buffer[frame + 5] === XLOG_DATA) this.#decoder.decode(region, frame, from.at);
      else this.#keepalive(region, frame, from.at);
    }
    if (from.at < end) return;
    if (from instanceof RegionQueue) from.shift();
    else this.#advance(from);
  }

  #advance(replay: Replay): void {
    const reading = replay.advance();
    if (reading !== null) void this.#waitFor(reading);
  }

  #finishReplay(replay: Replay): void {
    this.#replay = null;
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

  async #waitFor(work: Promise<void>): Promise<void> {
    this.#waits++;
    try {
      await work;
      this.#waits--;
    } catch (error) {
      // After a drop the result is not needed.
      if (!this.#dropped) this.#events.failed(error);
    }
    this.#events.ready();
  }

  // ---- from the decoder

  relation(wire: WireRelation): void {
    void this.#waitFor(this.#describe(wire));
  }
  readonly streamed: StreamedTarget = {
    start: (xid) => this.#kept().start(xid),
    stop: () => this.#kept().stop(),
    keep: (region, frame, end) => this.#kept().keep(region, frame, end),
    abort: (xid, subxid) => this.#kept().abort(xid, subxid),
    commit: (tx, end) => {
      const replay = this.#kept().commit(tx.xid, end);
      this.#replay = replay;
      this.#decoder.open(tx);
      this.#advance(replay);
    },
  };

  #kept(): InProgress {
    const { ready, failed } = this.#events;
    this.#inProgress ??= new InProgress({ written: ready, failed });
    return this.#inProgress;
  }

  async #describe(wire: WireRelation): Promise<void> {
    this.#relations.put(wire, await this.#options.describe(wire, this.#relations.known(wire)));
  }
}

/**
 * Regions received and not yet decoded, first in first out, with their size (I8: the stream stops reading because of
 * it).
 */
export class RegionQueue {
  #regions: (Region | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  /** Offset of the next frame in {@link first}. */
  at = 0;

  get bytes(): number {
    return this.#bytes;
  }
  get first(): Region | undefined {
    return this.#regions[this.#head];
  }

  push(region: Region): void {
    if (this.first === undefined) this.at = region.start;
    this.#regions.push(region);
    this.#bytes += region.end - region.start;
  }

  shift(): void {
    const region = this.#regions[this.#head];
    if (region === undefined) return;
    this.#bytes -= region.end - region.start;
    this.#regions[this.#head++] = undefined;
    this.at = this.first?.start ?? 0;
    // Moved rarely, so that a long queue of small reads takes no quadratic time; this also releases the memory.
    if (this.#head === this.#regions.length || this.#head >= 1024) {
      this.#regions = this.#regions.slice(this.#head);
      this.#head = 0;
    }
  }

  clear(): void {
    this.#regions = [];
    this.#head = 0;
    this.#bytes = 0;
  }
}
