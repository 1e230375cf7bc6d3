import { ByteWriter } from '../../../core/base/byte-writer.ts';
const executeAndNext = Buffer.from([0x45, 0, 0, 0, 9, 0, 0, 0, 0, 0]);
const sync = Buffer.from([0x53, 0, 0, 0, 4]);
const copyDone = Buffer.from([0x63, 0, 0, 0, 4]);
/** CopyFail with an empty reason. */
const copyFail = Buffer.from([0x66, 0, 0, 0, 5, 0]);
/** The size of a CopyData message: the server reads each as a whole. */
const copyPiece = 1 << 16;
/** One row may be larger; from here on it is divided. */
const largestPiece = 1 << 20;
/** Bytes after which what is written is handed on. */
const handOnFrom = 128 * 1024;

/** Takes bytes to the server; `done` is called when the memory may be written again. */
export type Send = (bytes: Buffer, done: () => void) => void;

/**
 * Frontend messages of the extended protocol, written one behind the other (manual: "Message Formats"). pg's own serializer
 * makes a buffer per message; for tens of thousands of rows in one round trip this is cheaper. They are handed on piece by
 * piece, so that the server works while the rest is written.
 */
export class WireWriter {
  /** Rows of a COPY are written here, between {@link openData} and {@link closeData}. */
  readonly out: ByteWriter;
  readonly #send: Send;
  readonly #pool: BufferPool;
  #copying = false;
  #handedOn = false;
  /** Where the message in hand has its length; 0: none is open. */
  #start = 0;

  constructor(send: Send, pool: BufferPool) {
    this.#send = send;
    this.#pool = pool;
    this.out = new ByteWriter(0);
    this.out.use(pool.take());
  }

  /** Parse; parameter types are left to the server. */
  parse(name: string, text: string): void {
    this.#open(0x50);
    this.#cstring(name);
    this.#cstring(text);
    this.out.int16(0);
    this.#close();
  }

  /** Bind to the unnamed portal, all values in one format, and Execute. In binary a string is one byte per character. */
  run(statement: string, values: readonly (string | Buffer | null)[], binary: boolean): void {
    const { out } = this;
    this.#open(0x42);
    out.byte(0);
    this.#cstring(statement);
    out.int16(binary ? 1 : 0);
    if (binary) out.int16(1);
    out.int16(values.length);
    for (const value of values) this.#value(value, binary);
    out.int16(0);
    this.#close();
    out.raw(executeAndNext);
    this.#handOn();
  }

  /**
   * Begins a CopyData message; what is written to {@link out} is its content. The server ignores all of it when the COPY
   * has failed before (manual: "COPY Operations").
   */
  openData(): void {
    this.#copying = true;
    this.#open(0x64);
  }

  /** True once after something was handed on: whoever writes by steps may rest here. */
  get handedOn(): boolean {
    const was = this.#handedOn;
    this.#handedOn = false;
    return was;
  }

  /** Between two rows: begins another message when this one is large enough, and says so. */
  nextRow(): boolean {
    const size = this.out.at - this.#start;
    if (size < copyPiece) return false;
    if (size > largestPiece) this.#divide();
    this.#close();
    this.#handOn();
    this.#open(0x64);
    return true;
  }

  closeData(): void {
    this.#close();
    this.out.raw(copyDone);
    this.#copying = false;
    this.#handOn();
  }

  /** All that is written goes out, with a Sync behind it. */
  finish(): void {
    const { out } = this;
    if (this.#copying) {
      // Given up in the middle: what is not closed was not handed on.
      out.at = this.#start - 1;
      out.raw(copyFail);
    }
    out.raw(sync);
    const { bytes: buffer } = out;
    this.#send(out.taken(), () => this.#pool.give(buffer));
  }

  #handOn(): void {
    const { out } = this;
    if (out.at < handOnFrom) return;
    const { bytes: buffer } = out;
    this.#handedOn = true;
    this.#send(out.taken(), () => this.#pool.give(buffer));
    out.use(this.#pool.take());
    out.at = 0;
  }

  /** What was written into the open message, as messages that the server can take one by one; the last is open. */
  #divide(): void {
    const { out } = this;
    const content = Buffer.from(out.bytes.subarray(this.#start + 4, out.at));
    out.at = this.#start - 1;
    for (let from = 0; from < content.length; from += copyPiece) {
      if (from > 0) this.#close();
      this.#handOn();
      this.#open(0x64);
      out.raw(content.subarray(from, from + copyPiece));
    }
  }

  #value(value: string | Buffer | null, binary: boolean): void {
    const { out } = this;
    if (value === null) return out.int32(-1);
    const start = out.at;
    out.int32(0);
    if (typeof value !== 'string') out.raw(value);
    else if (binary) out.latin1(value);
    else out.text(value);
    out.view.setInt32(start, out.at - start - 4);
  }

  #open(type: number): void {
    const { out } = this;
    out.byte(type);
    this.#start = out.at;
    out.int32(0);
  }

  #close(): void {
    this.out.view.setInt32(this.#start, this.out.at - this.#start);
  }

  #cstring(text: string): void {
    this.out.text(text);
    this.out.byte(0);
  }
}

/** Size of a pool's buffers: what goes to the socket at once. */
export const poolBuffer = 256 * 1024;
const keep = 8;

/**
 * Buffers that are used again when the socket has taken what is in them. New memory for every batch would cost more than
 * writing to it: the system clears each page of it first.
 */
export class BufferPool {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(poolBuffer);
  }

  /** Those that had to grow, and more than are ever needed at once, are let go. */
  give(buffer: Buffer): void {
    if (buffer.length === poolBuffer && this.#free.length < keep) this.#free.push(buffer);
  }
}
