/** Where a {@link FrameWalker} puts what it finds. */
export interface FrameSink {
  /** A run of CopyData messages with their headers, cut at any byte; a view of the chunk. */
  data(run: Buffer): void;
  /** Any other message, whole. `type` is its first byte. */
  message(type: number, body: Buffer): void;
}

const copyData = 0x64;

/**
 * Separates CopyData messages from all others in the bytes of a backend (manual: "Message Formats": one byte of type, four of
 * length that count themselves). Looks at headers only and hands on views of the socket's own buffers; headers and
 * messages may be split anywhere.
 */
export class FrameWalker {
  /** Payload bytes still to come of the CopyData under way. */
  #left = 0;
  /** Bytes seen of a CopyData header that was split, and its length so far. */
  #headerSeen = 0;
  #length = 0;
  /** Bytes so far of another message. */
  #other: Buffer | null = null;

  walk(chunk: Buffer, sink: FrameSink): void {
    const size = chunk.length;
    let start = 0;
    let at = this.#other === null ? this.#finishSplit(chunk) : 0;
    while (at < size) {
      if (this.#other !== null || chunk[at] !== copyData) {
        if (at > start) sink.data(chunk.subarray(start, at));
        at = this.#takeOther(chunk, at, sink);
        start = at;
      } else if (size - at >= 5) {
        at += 1 + chunk.readUInt32BE(at + 1);
        if (at > size) this.#left = at - size;
      } else {
        this.#headerSeen = size - at;
        this.#length = 0;
        for (let i = at + 1; i < size; i++) this.#length = this.#length * 256 + chunk[i]!;
        at = size;
      }
    }
    if (start < size) sink.data(start === 0 ? chunk : chunk.subarray(start));
  }

  /** True between two messages. */
  get atBoundary(): boolean {
    return this.#left === 0 && this.#headerSeen === 0 && this.#other === null;
  }

  /** The rest of a CopyData that began in an earlier chunk; returns where the next message starts. */
  #finishSplit(chunk: Buffer): number {
    let at = 0;
    while (this.#headerSeen > 0 && at < chunk.length) {
      this.#length = this.#length * 256 + chunk[at++]!;
      if (++this.#headerSeen === 5) {
        this.#headerSeen = 0;
        this.#left = this.#length - 4;
      }
    }
    const here = Math.min(this.#left, chunk.length - at);
    this.#left -= here;
    return at + here;
  }

  #takeOther(chunk: Buffer, from: number, sink: FrameSink): number {
    const before = this.#other ?? Buffer.alloc(0);
    // The header may be split, too, so the length is read from what is together.
    const head = Buffer.concat([before, chunk.subarray(from, from + Math.max(0, 5 - before.length))]);
    if (head.length < 5) {
      this.#other = head;
      return chunk.length;
    }
    const whole = 1 + head.readUInt32BE(1);
    const end = Math.min(chunk.length, from + whole - before.length);
    const message = Buffer.concat([before, chunk.subarray(from, end)]);
    if (message.length < whole) {
      this.#other = message;
      return chunk.length;
    }
    this.#other = null;
    sink.message(message[0]!, message.subarray(5));
    return end;
  }
}

/**
 * The payloads of CopyData messages without their headers, one behind the other in the memory of the run, which is written to.
 * Headers and payloads may be split between runs.
 */
export class PayloadStripper {
  #left = 0;
  #headerSeen = 0;
  #length = 0;

  strip(run: Uint8Array): Buffer {
    let put = 0;
    for (let at = 0; at < run.length; ) {
      if (this.#left > 0) {
        const end = Math.min(run.length, at + this.#left);
        run.copyWithin(put, at, end);
        put += end - at;
        this.#left -= end - at;
        at = end;
      } else {
        if (this.#headerSeen > 0) this.#length = this.#length * 256 + run[at]!;
        at++;
        if (++this.#headerSeen === 5) {
          this.#headerSeen = 0;
          this.#left = this.#length - 4;
          this.#length = 0;
        }
      }
    }
    return Buffer.from(run.buffer, run.byteOffset, put);
  }
}
