import type { Socket } from 'node:net';
import type pg from 'pg';
import { streamError } from './errors.ts';

export interface SocketTargets {
  readonly framer: { push(bytes: Buffer): void };
  /** The connection broke or ended; null: ended without an error. */
  readonly lost: (error: Error | null) => void;
}

/** After a read smaller than this the server will send more in a moment. */
const SMALL_READ = 32 * 1024;
const PAUSE = 1;
/** Milliseconds that the server gets to end the session itself. */
const FAREWELL = 2000;

/**
 * The socket of a connection that pg opened (startup, TLS, authentication) and that is ours from here on: pg's parser
 * reuses its buffers and emits an event per message.
 *
 * The walsender writes each change separately. On TCP, waiting a millisecond after a small read turns many tiny reads
 * into few large ones: several times less CPU and more throughput. On a Unix socket, whose buffer is small, it would
 * stall the server instead.
 */
export class ReplicationSocket {
  readonly #socket: Socket;
  readonly #to: SocketTargets;
  readonly #coalesce: boolean;
  #resting: NodeJS.Timeout | null = null;
  #held = false;
  #closed = false;
  /** performance.now() of the last byte received. */
  lastRead = performance.now();

  constructor(client: pg.Client, to: SocketTargets) {
    const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
    this.#socket = stream;
    this.#to = to;
    this.#coalesce = stream.remoteAddress !== undefined;
    // No byte is lost between the two lines: data events come from later turns of the event loop.
    stream.removeAllListeners('data');
    stream.on('data', (chunk: Buffer) => this.#read(chunk));
    stream.on('error', (error: Error) => this.#lost(error));
    stream.on('end', () => this.#lost(null));
    stream.on('close', () => this.#lost(null));
  }

  /** Whether bytes can arrive: false while the reader is behind. */
  get reading(): boolean {
    return !this.#held;
  }

  write(bytes: Uint8Array, written?: (error?: Error | null) => void): void {
    if (this.#closed || !this.#socket.writable) {
      written?.(new Error('the connection is closed'));
      return;
    }
    this.#socket.write(bytes, written);
  }

  /** Backpressure (I8): no more bytes until {@link release}. */
  hold(): void {
    if (this.#held) return;
    this.#held = true;
    this.#socket.pause();
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.lastRead = performance.now();
    if (this.#resting === null && !this.#closed) this.#socket.resume();
  }

  destroy(): void {
    this.#closed = true;
    this.#rest(false);
    this.#socket.destroy();
  }

  /** Sends Terminate and waits until the server has closed its side: then the slot is free. */
  async close(): Promise<void> {
    const socket = this.#socket;
    if (this.#closed || socket.destroyed) return this.destroy();
    this.#closed = true;
    this.#rest(false);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, FAREWELL);
      socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      socket.end(Buffer.from([0x58, 0, 0, 0, 4]));
      socket.resume();
    });
    socket.destroy();
  }

  #read(chunk: Buffer): void {
    if (this.#closed) return;
    this.lastRead = performance.now();
    // Bytes that Node has already read are passed on first: over TLS each record is a chunk of its own.
    if (this.#coalesce && chunk.length < SMALL_READ && this.#socket.readableLength === 0) this.#rest(true);
    this.#to.framer.push(chunk);
  }

  #rest(begin: boolean): void {
    if (begin && this.#resting === null) {
      this.#socket.pause();
      this.#resting = setTimeout(() => {
        this.#resting = null;
        if (!this.#held && !this.#closed) this.#socket.resume();
      }, PAUSE);
    } else if (!begin && this.#resting !== null) {
      clearTimeout(this.#resting);
      this.#resting = null;
    }
  }

  #lost(error: Error | null): void {
    if (this.#closed) return;
    this.#to.lost(error);
  }
}

/** Complete CopyData frames one after another, in memory that is never written to again. */
export interface Region {
  readonly buffer: Buffer;
  readonly view: DataView;
  readonly start: number;
  readonly end: number;
}

export function regionOf(buffer: Buffer, start: number, end: number): Region {
  return { buffer, view: new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength), start, end };
}

/** The receiver of the framer's messages. */
export interface FrameTargets {
  /** CopyData frames in order. */
  readonly frames: { push(region: Region): void };
  readonly session: {
    /** Any other message: its type byte and its body without the length. */
    other(type: number, body: Buffer): void;
    /** A keepalive requests an immediate answer; called at its arrival, whatever is queued before it. */
    replyRequested(): void;
  };
  readonly reader: {
    /** The frames of one read were handed over. */
    arrived(): void;
    failed(reason: unknown): void;
  };
}

export const COPY_DATA = 0x64; // d
export const KEEPALIVE = 0x6b; // k
export const XLOG_DATA = 0x77; // w
/** Type, length, then 'w', start, end, time (manual: "Streaming Replication Protocol", XLogData). */
export const XLOG_HEADER = 5 + 25;
const LARGEST_OTHER = 16 * 1024 * 1024;

/**
 * Cuts the server's bytes into messages without copying: frames that lie within one read are used in place, one that
 * spans reads is joined once when its last byte has arrived (no quadratic cost for messages of many MB).
 */
export class Framer {
  readonly #to: FrameTargets;
  #parts: Buffer[] = [];
  #have = 0;
  /** Bytes of the message in {@link #parts}; 0 while its header is incomplete. */
  #need = 0;
  #stopped = false;

  constructor(to: FrameTargets) {
    this.#to = to;
  }

  /** Bytes held of an incomplete message. */
  get held(): number {
    return this.#have;
  }

  /** Bytes that were read from the socket. */
  push(bytes: Buffer): void {
    if (this.#stopped) return;
    try {
      this.#cut(bytes);
    } catch (error) {
      this.#to.reader.failed(error);
    }
    this.#to.reader.arrived();
  }

  /** The session has ended: nothing further is cut. */
  stop(): void {
    this.#stopped = true;
  }

  #cut(chunk: Buffer): void {
    let rest = chunk;
    if (this.#have > 0) {
      const used = this.#complete(chunk);
      if (used < 0) return;
      rest = used === 0 ? chunk : chunk.subarray(used);
    }
    if (rest.length > 0) this.#scan(rest);
  }

  /**
   * Takes the bytes that the current message still lacks; the number of bytes used, or -1 if the chunk was not enough.
   */
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
        if (buffer[at + 5] === KEEPALIVE && end === at + 23 && buffer[at + 22] === 1) this.#to.session.replyRequested();
      } else {
        if (at > run) this.#to.frames.push({ ...region, start: run, end: at });
        run = end;
        this.#to.session.other(type, buffer.subarray(at + 5, end));
      }
      at = end;
    }
    if (at > run) this.#to.frames.push({ ...region, start: run, end: at });
    if (at < buffer.length) this.#keep(buffer.subarray(at));
  }

  #keep(rest: Buffer): void {
    this.#parts = [rest];
    this.#have = rest.length;
    this.#need = rest.length < 5 ? 0 : lengthAt(rest[0] as number, rest.readInt32BE(1));
  }
}

/** Size of a message with its type byte. Refuses a length that no server sends, before it can collect gigabytes. */
function lengthAt(type: number, length: number): number {
  if (length < 4 || (type !== COPY_DATA && length > LARGEST_OTHER)) {
    throw streamError('PGS2160', `a message of type ${type} claims a length of ${length} bytes`);
  }
  return length + 1;
}
