import { writeLatin1 } from './byte-writer.ts';

const executeAndNext = Buffer.from([0x45, 0, 0, 0, 9, 0, 0, 0, 0, 0]);
const sync = Buffer.from([0x53, 0, 0, 0, 4]);
const copyDone = Buffer.from([0x63, 0, 0, 0, 4]);
/** A CopyData message this large is split: the server reads each as a whole. */
const copyPiece = 1 << 20;

/**
 * Frontend messages of the extended protocol, written one behind the other into one buffer (manual: "Message Formats").
 * pg's own serializer makes a buffer per message; for tens of thousands of rows in one round trip this is cheaper.
 */
export class WireWriter {
  #buffer: Buffer = Buffer.allocUnsafe(1 << 16);
  #at = 0;

  get bytes(): number {
    return this.#at;
  }

  /** Parse; parameter types are left to the server. */
  parse(name: string, text: string): void {
    const start = this.#open(0x50, (name.length + text.length) * 3 + 4);
    this.#cstring(name);
    this.#cstring(text);
    this.#int16(0);
    this.#close(start);
  }

  /** Bind to the unnamed portal, all values in one format, and Execute. In binary a string is one byte per character. */
  run(statement: string, values: readonly (string | Buffer | null)[], binary: boolean): void {
    const start = this.#open(0x42, statement.length * 3 + 16);
    this.#buffer[this.#at++] = 0;
    this.#cstring(statement);
    this.#int16(binary ? 1 : 0);
    if (binary) this.#int16(1);
    this.#int16(values.length);
    for (const value of values) {
      if (typeof value === 'string') this.#value(value, binary);
      else this.#bytes(value);
    }
    this.#reserve(16);
    this.#int16(0);
    this.#close(start);
    this.#raw(executeAndNext);
  }

  /** What COPY … FROM STDIN reads. The server ignores all of it when the COPY has failed before (manual: "COPY Operations"). */
  copy(bytes: Buffer): void {
    for (let from = 0; from < bytes.length; from += copyPiece) {
      const piece = bytes.subarray(from, from + copyPiece);
      const start = this.#open(0x64, piece.length);
      piece.copy(this.#buffer, this.#at);
      this.#at += piece.length;
      this.#close(start);
    }
    this.#raw(copyDone);
  }

  /** Everything written, with a Sync behind it. The writer is empty afterwards. */
  finish(): Buffer {
    this.#raw(sync);
    const all = this.#buffer.subarray(0, this.#at);
    this.#buffer = Buffer.allocUnsafe(1 << 16);
    this.#at = 0;
    return all;
  }

  #bytes(value: Buffer | null): void {
    this.#reserve(4 + (value?.length ?? 0));
    this.#at = this.#buffer.writeInt32BE(value?.length ?? -1, this.#at);
    if (value !== null) this.#at += value.copy(this.#buffer, this.#at);
  }

  #value(value: string, binary: boolean): void {
    // Three bytes per UTF-16 unit are the most that UTF-8 takes; long values are measured rather than over-allocated.
    this.#reserve(4 + (value.length < 4096 ? value.length * 3 : Buffer.byteLength(value)));
    const at = this.#at + 4;
    const length = binary ? writeLatin1(this.#buffer, value, at) : this.#buffer.write(value, at);
    this.#buffer.writeInt32BE(length, this.#at);
    this.#at += 4 + length;
  }

  #open(type: number, atLeast: number): number {
    this.#reserve(atLeast + 16);
    this.#buffer[this.#at] = type;
    this.#at += 5;
    return this.#at - 4;
  }

  #close(start: number): void {
    this.#buffer.writeInt32BE(this.#at - start, start);
  }

  #cstring(text: string): void {
    this.#at += this.#buffer.write(text, this.#at);
    this.#buffer[this.#at++] = 0;
  }

  #int16(value: number): void {
    this.#at = this.#buffer.writeUInt16BE(value, this.#at);
  }

  #raw(bytes: Buffer): void {
    this.#reserve(bytes.length);
    bytes.copy(this.#buffer, this.#at);
    this.#at += bytes.length;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}
