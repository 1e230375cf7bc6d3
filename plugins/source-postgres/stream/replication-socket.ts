import type { Socket } from 'node:net';
import type pg from 'pg';

export interface SocketTarget {
  chunk(bytes: Buffer): void;
  /** The connection broke or ended; null: ended without an error. */
  lost(error: Error | null): void;
}

/** After a read smaller than this the server has more to say in a moment. */
const SMALL_READ = 32 * 1024;
const PAUSE = 1;
/** Milliseconds that the server gets to end the session by itself. */
const FAREWELL = 2000;

/**
 * The socket of a connection that pg opened (startup, TLS, authentication) and that is ours from here on: pg's parser
 * reuses its buffers and emits an event per message.
 *
 * The walsender writes each change by itself. On TCP, waiting a millisecond after a small read turns many tiny reads
 * into few large ones: several times less CPU and more throughput. On a Unix socket, whose buffer is small, it would
 * stall the server instead.
 */
export class ReplicationSocket {
  readonly #socket: Socket;
  readonly #target: SocketTarget;
  readonly #coalesce: boolean;
  #resting: NodeJS.Timeout | null = null;
  #held = false;
  #closed = false;
  /** performance.now() of the last byte received. */
  lastRead = performance.now();

  constructor(client: pg.Client, target: SocketTarget) {
    const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
    this.#socket = stream;
    this.#target = target;
    this.#coalesce = stream.remoteAddress !== undefined;
    // Nothing is lost between the two lines: data events come from later turns of the event loop.
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

  /** Says Terminate and waits until the server has closed its side: then the slot is free. */
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
    // What Node has read already is passed on first: over TLS each record is a chunk of its own.
    if (this.#coalesce && chunk.length < SMALL_READ && this.#socket.readableLength === 0) this.#rest(true);
    this.#target.chunk(chunk);
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
    this.#target.lost(error);
  }
}
