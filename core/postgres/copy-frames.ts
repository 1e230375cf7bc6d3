/** Message type byte of CopyData (manual: "Message Formats"). */
const copyData = 0x64;

/**
 * Finds CopyData messages (one byte of type, four of length that count themselves) in bytes that are cut anywhere.
 * Headers and payloads may be split between chunks.
 */
export class CopyFrames {
  /** Payload bytes of complete and partial messages so far. */
  payload = 0;
  /** Payload bytes of the current message that are still to come. */
  #left = 0;
  /** Header bytes of the current message seen so far, if it was cut inside the header, and its length so far. */
  #header = 0;
  #length = 0;

  /** True between two messages: only there may another message be sent; within one it would be taken for row data. */
  get atBoundary(): boolean {
    return this.#left === 0 && this.#header === 0;
  }

  /**
   * Returns where a message begins that is not CopyData; otherwise the chunk's length. Touches no payload. Runs once
   * per row of a copy, so its state is kept in local variables.
   */
  walk(chunk: Uint8Array, from = 0): number {
    const end = chunk.length;
    let at = this.#rest(chunk, from);
    let payload = 0;
    while (end - at >= 5 && chunk[at] === copyData) {
      const length = ((chunk[at + 1]! << 24) | (chunk[at + 2]! << 16) | (chunk[at + 3]! << 8) | chunk[at + 4]!) - 4;
      if (length < 0) throw new RangeError(`CopyData of ${length} bytes`);
      payload += length;
      at += 5 + length;
    }
    this.payload += payload;
    if (at > end) this.#left = at - end;
    if (at >= end) return end;
    if (chunk[at] !== copyData) return at;
    while (at < end) this.#headerByte(chunk[at++]!);
    return end;
  }

  /** The payloads without their headers, concatenated in the memory of the chunk, which is overwritten. */
  strip(chunk: Uint8Array): Buffer {
    let put = 0;
    for (let at = 0; at < chunk.length; ) {
      if (this.#left > 0) {
        const to = Math.min(chunk.length, at + this.#left);
        chunk.copyWithin(put, at, to);
        put += to - at;
        this.#left -= to - at;
        at = to;
      } else this.#headerByte(chunk[at++]!);
    }
    return Buffer.from(chunk.buffer, chunk.byteOffset, put);
  }

  /** Where the first message that begins in this chunk does so. */
  #rest(chunk: Uint8Array, from: number): number {
    let at = from;
    while (this.#header > 0 && at < chunk.length) this.#headerByte(chunk[at++]!);
    const step = Math.min(this.#left, chunk.length - at);
    this.#left -= step;
    return at + step;
  }

  #headerByte(byte: number): void {
    if (this.#header === 0 && byte !== copyData)
      throw new RangeError(`expected CopyData, got message type 0x${byte.toString(16)}`);
    this.#length = this.#header === 0 ? 0 : (this.#length << 8) | byte;
    if (++this.#header < 5) return;
    this.#header = 0;
    this.#left = this.#length - 4;
    if (this.#left < 0) throw new RangeError(`CopyData of ${this.#left} bytes`);
    this.payload += this.#left;
  }
}
