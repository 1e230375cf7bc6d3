import { malformed } from './message-reader.ts';
import { type Region, XLOG_HEADER } from './replication-socket.ts';
import { type SpillEvents, SpillFile } from './spill-file.ts';

const ORIGIN = 0x4f; // O
const RELATION = 0x52; // R
const TYPE = 0x59; // Y
/** Where a kept frame has the id of its subtransaction: in XLogData's second position, which is of no use here. */
const XID_AT = 18;

interface Kept {
  readonly file: SpillFile;
  readonly aborted: Set<number>;
}

/**
 * Transactions that the server streams before their commit (manual: "Streaming of Large Transactions for Logical
 * Decoding"). Their messages are kept, in a file if they are large, and are output at the commit, in commit order, as
 * if they had been sent then. Subtransactions that were rolled back are left out.
 */
export class InProgress {
  readonly #events: SpillEvents;
  readonly #kept = new Map<number, Kept>();
  #current: { readonly xid: number; readonly kept: Kept } | null = null;

  constructor(events: SpillEvents) {
    this.#events = events;
  }

  /** Bytes in memory that are on their way to files (I8). */
  get pending(): number {
    let sum = 0;
    for (const { file } of this.#kept.values()) sum += file.pending;
    return sum;
  }

  start(xid: number): void {
    let kept = this.#kept.get(xid);
    if (kept === undefined) {
      kept = { file: new SpillFile(this.#events), aborted: new Set() };
      this.#kept.set(xid, kept);
    }
    this.#current = { xid, kept };
  }

  stop(): void {
    this.#current = null;
  }

  /** A message between start and stop. Its body begins with the id of its (sub)transaction, an origin's does not. */
  keep(region: Region, frame: number, end: number): void {
    const current = this.#current;
    if (current === null) throw malformed('a streamed message without a stream start');
    const { buffer, view } = region;
    const at = frame + XLOG_HEADER;
    const prefix = buffer[at] === ORIGIN ? 0 : 4;
    if (at + 1 + prefix > end) throw malformed('it ends too early');
    const copy = Buffer.allocUnsafe(end - frame - prefix);
    buffer.copy(copy, 0, frame, at + 1);
    buffer.copy(copy, XLOG_HEADER + 1, at + 1 + prefix, end);
    copy.writeInt32BE(copy.length - 1, 1);
    copy.writeUInt32BE(prefix === 0 ? current.xid : view.getUint32(at + 1), XID_AT);
    current.kept.file.append(copy);
  }

  /** A rollback: of the whole transaction, or of one subtransaction (each is reported separately). */
  abort(xid: number, subxid: number): void {
    const kept = this.#kept.get(xid);
    if (kept === undefined) return;
    if (xid !== subxid) {
      kept.aborted.add(subxid);
      return;
    }
    kept.file.close();
    this.#kept.delete(xid);
  }

  /** Removes a transaction, to be decoded. */
  commit(xid: number, end: bigint): Replay {
    const kept = this.#kept.get(xid);
    if (kept === undefined) throw malformed('a commit of a transaction that was not streamed');
    this.#kept.delete(xid);
    return new Replay(kept, end);
  }

  close(): void {
    for (const { file } of this.#kept.values()) file.close();
    this.#kept.clear();
  }
}

/** The kept messages of one transaction, read like those from the socket. */
export class Replay {
  readonly #kept: Kept;
  /** End of the commit record. */
  readonly end: bigint;
  /** Undefined before {@link advance} has ended, and after the last frames. */
  first: Region | undefined;
  /** Offset of the next frame in {@link first}. */
  at = 0;

  constructor(kept: Kept, end: bigint) {
    this.#kept = kept;
    this.end = end;
  }

  /** Advances to the next frames. A promise if they are in a file: until it resolves there is nothing to decode. */
  advance(): Promise<void> | null {
    this.first = undefined;
    this.at = 0;
    const next = this.#kept.file.next();
    if (!(next instanceof Promise)) {
      this.first = next;
      return null;
    }
    return next.then((region) => {
      this.first = region;
    });
  }

  /**
   * Whether a message was rolled back. Relations and types are read nevertheless: the server does not send them again
   * for the rest of the transaction.
   */
  skips({ buffer, view }: Region, frame: number): boolean {
    const type = buffer[frame + XLOG_HEADER];
    return type !== RELATION && type !== TYPE && this.#kept.aborted.has(view.getUint32(frame + XID_AT));
  }

  close(): void {
    this.first = undefined;
    this.#kept.file.close();
  }
}
