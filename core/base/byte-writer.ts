/** Methods of Buffer that its type declarations leave out; the public ones look the encoding up at each call. */
interface NativeBuffer extends Buffer {
  latin1Write(text: string, at: number): number;
}
interface SlicingBuffer extends Uint8Array {
  utf8Slice(start: number, end: number): string;
}

/**
 * Memory and a DataView of all of it: bytes are copied four at a time, which is several times faster than one by one.
 */
export interface Bytes {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** A frequently written text as words of four bytes; the last word may extend beyond the text. */
export interface Words {
  readonly words: Int32Array;
  /** In bytes. */
  readonly length: number;
}

const firstSize = 16 << 10;
/** {@link ByteWriter.clear} does not keep a buffer larger than this. */
const keepSize = 4 << 20;
/**
 * Up to this length, copying word by word costs less than a call of `copy`, which needs an object for the part of the
 * memory.
 */
const shortCopy = 1024;

/**
 * A buffer that grows. Hot loops call {@link reserve} and then write at {@link at} directly, which saves a call per
 * byte.
 */
export class ByteWriter implements Bytes {
  bytes: Buffer;
  view: DataView;
  /** Where the next byte goes. */
  at = 0;

  constructor(size = firstSize) {
    this.bytes = Buffer.allocUnsafeSlow(size);
    this.view = viewOf(this.bytes);
  }

  /** Starts again at the beginning; keeps the memory unless it has grown large. */
  clear(): void {
    this.at = 0;
    if (this.bytes.length > keepSize) this.use(Buffer.allocUnsafeSlow(firstSize));
  }

  /** Continues in this memory, at the same offset. */
  use(bytes: Buffer): void {
    this.bytes = bytes;
    this.view = viewOf(bytes);
  }

  /** Makes room for `needed` bytes and a word; `bytes` and `view` may be replaced by it. */
  reserve(needed: number): void {
    if (this.at + needed + 4 > this.bytes.length) this.#grow(needed);
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.at + needed + 4));
    this.bytes.copy(larger, 0, 0, this.at);
    this.use(larger);
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.at++] = value;
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

  raw(segment: Uint8Array): void {
    this.reserve(segment.length);
    this.bytes.set(segment, this.at);
    this.at += segment.length;
  }

  /** The bytes at [from, to) of `source`. */
  copy(source: Bytes, from: number, to: number): void {
    const length = to - from;
    this.reserve(length);
    const { bytes, view, at } = this;
    this.at = at + length;
    if (length > shortCopy) bytes.set(source.bytes.subarray(from, to), at);
    else if (length < 4) for (let i = 0; i < length; i++) bytes[at + i] = source.bytes[from + i] as number;
    else {
      // Both sides read and write words in the same byte order, so which one it is does not matter.
      const last = length - 4;
      for (let i = 0; i < last; i += 4) view.setInt32(at + i, source.view.getInt32(from + i, true), true);
      view.setInt32(at + last, source.view.getInt32(from + last, true), true);
    }
  }

  /** As UTF-8. */
  text(value: string): void {
    // Three bytes per UTF-16 unit are the most that UTF-8 takes; long values are measured rather than over-allocated.
    this.reserve(value.length < 4096 ? value.length * 3 : Buffer.byteLength(value));
    this.at += this.bytes.write(value, this.at);
  }

  /** One byte per character. */
  latin1(value: string): void {
    this.reserve(value.length);
    this.at += writeLatin1(this.bytes, value, this.at);
  }

  putWords({ words, length }: Words): void {
    this.reserve(length);
    const { view, at } = this;
    for (let i = 0; i < words.length; i++) view.setInt32(at + i * 4, words[i] as number, true);
    this.at = at + length;
  }

  /** A whole number of at least 0 in decimal digits. */
  digits(value: number): void {
    this.reserve(16);
    const { bytes } = this;
    let end = this.at + 1;
    for (let n = value; n >= 10; n = Math.floor(n / 10)) end++;
    this.at = end;
    for (let n = value; ; n = Math.floor(n / 10)) {
      bytes[--end] = 48 + (n % 10);
      if (n < 10) return;
    }
  }

  /** A copy-free view of what was written. */
  taken(): Buffer {
    return this.bytes.subarray(0, this.at);
  }
}

/** One byte per character. Returns the number of bytes. */
export function writeLatin1(buffer: Buffer, text: string, at: number): number {
  return (buffer as NativeBuffer).latin1Write(text, at);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function wordsOf(text: string): Words {
  const length = Buffer.byteLength(text);
  const padded = Buffer.alloc((length + 3) & ~3);
  padded.write(text);
  const words = Int32Array.from({ length: padded.length / 4 }, (_, i) => padded.readInt32LE(i * 4));
  return { words, length };
}

/** Text of bytes in UTF-8. */
export function textOf({ bytes }: Bytes, start: number, stop: number): string {
  return (bytes as SlicingBuffer).utf8Slice(start, stop);
}
