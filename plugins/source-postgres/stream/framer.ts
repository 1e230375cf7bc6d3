import { streamError } from './errors.ts';

/** Whole CopyData frames one after another, in memory that nobody writes to again. */
export interface Region {
  readonly buffer: Buffer;
  readonly view: DataView;
  readonly start: number;
  readonly end: number;
}

export function regionOf(buffer: Buffer, start: number, end: number): Region {
  return { buffer, view: new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength), start, end };
}

export interface FrameTarget {
  /** CopyData frames in order. */
  data(region: Region): void;
  /** Any other message: its type byte and its body without the length. */
  other(type: number, body: Buffer): void;
  /** A keepalive wants an answer now; told at arrival, however much is queued before it. */
  replyRequested(): void;
}

export const COPY_DATA = 0x64; // d
export const KEEPALIVE = 0x6b; // k
export const XLOG_DATA = 0x77; // w
/** Type, length, then 'w', start, end, time (manual: "Streaming Replication Protocol", XLogData). */
export const XLOG_HEADER = 5 + 25;
const LARGEST_OTHER = 16 * 1024 * 1024;

/**
 * Cuts the server's bytes into messages without copying: frames that lie whole within one read are used where they
 * are, one that spans reads is joined once when its last byte is there (no quadratic cost for messages of many MB).
 */
export class Framer {
  readonly #target: FrameTarget;
  #parts: Buffer[] = [];
  #have = 0;
  /** Bytes of the message in {@link #parts}; 0 while its header is incomplete. */
  #need = 0;

  constructor(target: FrameTarget) {
    this.#target = target;
  }

  /** Bytes held of a message that is not complete. */
  get held(): number {
    return this.#have;
  }

  push(chunk: Buffer): void {
    let rest = chunk;
    if (this.#have > 0) {
      const used = this.#complete(chunk);
      if (used < 0) return;
      rest = used === 0 ? chunk : chunk.subarray(used);
    }
    if (rest.length > 0) this.#scan(rest);
  }

  /** Takes what the message in hand still lacks; the number of bytes used, or -1 when the chunk was not enough. */
  #complete(chunk: Buffer): number {
    let used = 0;
    if (this.#need === 0) {
      used = Math.min(5 - this.#have, chunk.length);
      this.#hold(chunk.subarray(0, used));
      if (this.#have < 5) return -1;
      const header = Buffer.concat(this.#parts);
      this.#parts = [header];
      this.#need = lengthAt(header[0] as number, header.readInt32BE(1));
    }
    const take = Math.min(this.#need - this.#have, chunk.length - used);
    if (take > 0) this.#hold(chunk.subarray(used, used + take));
    if (this.#have < this.#need) return -1;
    const whole = Buffer.concat(this.#parts, this.#need);
    this.#parts = [];
    this.#have = 0;
    this.#need = 0;
    this.#scan(whole);
    return used + take;
  }

  #hold(part: Buffer): void {
    this.#parts.push(part);
    this.#have += part.length;
  }

  #scan(buffer: Buffer): void {
    const region = regionOf(buffer, 0, buffer.length);
    const { view } = region;
    let run = 0;
    let at = 0;
    while (at + 5 <= buffer.length) {
      const type = buffer[at] as number;
      const end = at + lengthAt(type, view.getInt32(at + 1));
      if (end > buffer.length) break;
      if (type === COPY_DATA) {
        if (buffer[at + 5] === KEEPALIVE && end === at + 23 && buffer[at + 22] === 1) this.#target.replyRequested();
      } else {
        if (at > run) this.#target.data({ ...region, start: run, end: at });
        run = end;
        this.#target.other(type, buffer.subarray(at + 5, end));
      }
      at = end;
    }
    if (at > run) this.#target.data({ ...region, start: run, end: at });
    if (at < buffer.length) this.#keep(buffer.subarray(at));
  }

  #keep(rest: Buffer): void {
    this.#parts = [rest];
    this.#have = rest.length;
    this.#need = rest.length < 5 ? 0 : lengthAt(rest[0] as number, rest.readInt32BE(1));
  }
}

/** Size of a message with its type byte. Refuses what no server sends before a wrong length can collect gigabytes. */
function lengthAt(type: number, length: number): number {
  if (length < 4 || (type !== COPY_DATA && length > LARGEST_OTHER)) {
    throw streamError('PGS2160', `a message of type ${type} claims a length of ${length} bytes`);
  }
  return length + 1;
}
