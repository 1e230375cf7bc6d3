/** Buffer's own, which its type declarations leave out; `write` with an encoding looks the encoding up each time. */
interface WritingBuffer extends Buffer {
  latin1Write(text: string, at: number): number;
}

/** One byte per character. Returns the number of bytes. */
export function writeLatin1(buffer: Buffer, text: string, at: number): number {
  return (buffer as WritingBuffer).latin1Write(text, at);
}

/** Memory and a view of all of it. */
export interface Bytes {
  readonly bytes: Buffer;
  readonly view: DataView;
}

/** Up to here copying four bytes at a time costs less than a call of Buffer.copy, which makes an object for a part of a buffer. */
const shortCopy = 1024;

/** Bytes that grow. Callers {@link reserve} and then write at {@link at} by themselves: the hot loops stay free of calls. */
export class ByteWriter {
  buffer: Buffer;
  view: DataView;
  at = 0;

  constructor(size = 1 << 12) {
    this.buffer = Buffer.allocUnsafeSlow(size);
    this.view = viewOf(this.buffer);
  }

  reserve(bytes: number): void {
    if (this.at + bytes > this.buffer.length) this.#grow(bytes);
  }

  #grow(bytes: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.at + bytes));
    this.buffer.copy(larger, 0, 0, this.at);
    this.use(larger);
  }

  /** Goes on in this memory, at the same place. */
  use(buffer: Buffer): void {
    this.buffer = buffer;
    this.view = viewOf(buffer);
  }

  byte(value: number): void {
    this.reserve(1);
    this.buffer[this.at++] = value;
  }

  int16(value: number): void {
    this.reserve(2);
    this.view.setUint16(this.at, value);
    this.at += 2;
  }

  int32(value: number): void {
    this.reserve(4);
    this.view.setInt32(this.at, value);
    this.at += 4;
  }

  /** The bytes at [from, to) of `source`. */
  copy({ bytes, view: source }: Bytes, from: number, to: number): void {
    this.reserve(to - from);
    const { buffer, view } = this;
    let { at } = this;
    if (to - from > shortCopy) {
      this.at = at + bytes.copy(buffer, at, from, to);
      return;
    }
    let i = from;
    // The byte order is that of most processors; both sides use the same, so nothing rests on it.
    for (const last = to - 4; i <= last; i += 4, at += 4) view.setInt32(at, source.getInt32(i, true), true);
    while (i < to) buffer[at++] = bytes[i++] as number;
    this.at = at;
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** As UTF-8. */
  text(value: string): void {
    // Three bytes per UTF-16 unit are the most that UTF-8 takes; long values are measured rather than over-allocated.
    this.reserve(value.length < 4096 ? value.length * 3 : Buffer.byteLength(value));
    this.at += this.buffer.write(value, this.at);
  }

  /** One byte per character. */
  latin1(value: string): void {
    this.reserve(value.length);
    this.at += writeLatin1(this.buffer, value, this.at);
  }

  taken(): Buffer {
    return this.buffer.subarray(0, this.at);
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
}
