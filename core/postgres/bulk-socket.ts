import { Socket } from 'node:net';

/** Memory that reads are placed in, one after the other. Reused when no reader holds a part of it. */
export interface ReadBlock {
  readonly bytes: Buffer;
  filled: number;
  /** Number of holders of a part of it. */
  users: number;
}

/**
 * `block` null: the chunk belongs to the reader for good. Otherwise the reader raises `users` to keep it, and calls
 * `free`.
 */
export type BulkReader = (chunk: Buffer, block: ReadBlock | null) => void;

const blockBytes = 256 << 10;
/** With less room than this a read would be too short. */
const leastRoom = 64 << 10;

/**
 * A socket that reads into a few blocks of its own. A stream of Node allocates memory for every read, which at bulk
 * rates costs more CPU in the garbage collector than everything else together. Without a reader it behaves as an
 * ordinary socket.
 */
export class BulkSocket extends Socket {
  #reader: BulkReader | null = null;
  #block: ReadBlock | null = null;
  #free: ReadBlock[] = [];
  readonly #small: Buffer;
  /** The destination of the current read; null: the small buffer. */
  #into: ReadBlock | null = null;

  constructor() {
    super({ onread: { buffer: () => this.#room(), callback: (bytes, buffer) => this.#onRead(bytes, buffer) } });
    this.#small = Buffer.allocUnsafeSlow(16 << 10);
  }

  /** Takes the bytes from `data` listeners until null is given. A read that is under way may still come as an owned copy. */
  setReader(reader: BulkReader | null): void {
    this.#reader = reader;
  }

  free(block: ReadBlock): void {
    block.users--;
    if (block.users === 0 && block !== this.#block) this.#free.push(block);
  }

  #room(): Uint8Array {
    this.#into = null;
    if (this.#reader === null) return this.#small;
    let block = this.#block;
    if (block !== null && block.users === 0) block.filled = 0;
    if (block === null || block.bytes.length - block.filled < leastRoom) {
      block = this.#free.pop() ?? { bytes: Buffer.allocUnsafeSlow(blockBytes), filled: 0, users: 0 };
      block.filled = 0;
      this.#block = block;
    }
    this.#into = block;
    return block.filled === 0 ? block.bytes : block.bytes.subarray(block.filled);
  }

  #onRead(bytes: number, buffer: Uint8Array): boolean {
    const block = this.#into;
    if (this.#reader !== null && block !== null) {
      const chunk = block.bytes.subarray(block.filled, block.filled + bytes);
      block.filled += bytes;
      this.#reader(chunk, block);
      return true;
    }
    const copy = Buffer.from(buffer.subarray(0, bytes));
    if (this.#reader === null) this.emit('data', copy);
    else this.#reader(copy, null);
    return true;
  }
}
