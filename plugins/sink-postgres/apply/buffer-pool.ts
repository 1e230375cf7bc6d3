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
