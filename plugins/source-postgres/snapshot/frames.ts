import { CopyFrames } from '../../../core/postgres/copy-frames.ts';

/** Where a {@link MessageSplitter} puts what it finds. */
export interface FrameSink {
  /** A run of CopyData messages with their headers, cut at any byte; a view of the chunk. */
  data(run: Buffer): void;
  /** Any other message, whole. `type` is its first byte. */
  message(type: number, body: Buffer): void;
}

/**
 * Separates CopyData messages from all others in the bytes of a backend. Looks at headers only and hands on views of the socket's own
 * buffers; headers and messages may be split anywhere.
 */
export class MessageSplitter {
  readonly #frames = new CopyFrames();
  /** Bytes so far of another message. */
  #other: Buffer | null = null;

  split(chunk: Buffer, sink: FrameSink): void {
    let at = this.#other === null ? 0 : this.#takeOther(chunk, 0, sink);
    while (at < chunk.length) {
      const end = this.#frames.walk(chunk, at);
      if (end > at) sink.data(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
      at = end < chunk.length ? this.#takeOther(chunk, end, sink) : end;
    }
  }

  /** True between two messages. */
  get atBoundary(): boolean {
    return this.#frames.atBoundary && this.#other === null;
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
