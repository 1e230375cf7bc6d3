/** Buffer's own, which its type declarations leave out; `write` with an encoding looks the encoding up each time. */
interface WritingBuffer extends Buffer {
  latin1Write(text: string, at: number): number;
}

/** One byte per character. Returns the number of bytes. */
export function writeLatin1(buffer: Buffer, text: string, at: number): number {
  return (buffer as WritingBuffer).latin1Write(text, at);
}

/** Bytes that grow. Callers {@link reserve} and then write at {@link at} by themselves: the hot loops stay free of calls. */
export class ByteWriter {
  buffer: Buffer;
  at = 0;

  constructor(size = 1 << 12) {
    this.buffer = Buffer.allocUnsafe(size);
  }

  reserve(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.at + bytes));
    this.buffer.copy(larger, 0, 0, this.at);
    this.buffer = larger;
  }

  byte(value: number): void {
    this.reserve(1);
    this.buffer[this.at++] = value;
  }

  int32(value: number): void {
    this.reserve(4);
    this.at = this.buffer.writeInt32BE(value, this.at);
  }

  /** The bytes at [from, to) of `source`. */
  copy(source: Buffer, from: number, to: number): void {
    this.reserve(to - from);
    if (to - from > 24) {
      this.at += source.copy(this.buffer, this.at, from, to);
      return;
    }
    const { buffer } = this;
    let { at } = this;
    for (let i = from; i < to; i++) buffer[at++] = source[i] as number;
    this.at = at;
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
