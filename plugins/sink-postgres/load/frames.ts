/** Message type byte of CopyData (manual: "Message Formats"). */
const copyData = 0x64;

/**
 * Follows the headers of CopyData messages through buffers that are cut anywhere, without touching the payload: where a
 * message ends a CopyFail can be sent, within one it would be taken for row data.
 */
export class FrameWalker {
  /** Payload bytes of whole and broken messages so far. */
  payload = 0;
  /** Bytes of the current message that are still to come. */
  #left = 0;
  /** Header bytes of the current message seen so far, when it was cut inside the header. */
  #header = 0;
  #length = 0;

  get atBoundary(): boolean {
    return this.#left === 0 && this.#header === 0;
  }

  /** Throws a RangeError on anything but CopyData. Runs once per row of a copy, so what changes in it is in variables. */
  walk(buffer: Uint8Array): void {
    const end = buffer.length;
    let at = this.#rest(buffer);
    let payload = 0;
    while (end - at >= 5) {
      if (buffer[at] !== copyData) throw notCopyData(buffer[at]!);
      const length = ((buffer[at + 1]! << 24) | (buffer[at + 2]! << 16) | (buffer[at + 3]! << 8) | buffer[at + 4]!) - 4;
      if (length < 0) throw new RangeError(`CopyData of ${length} bytes`);
      payload += length;
      at += 5 + length;
    }
    this.payload += payload;
    if (at > end) this.#left = at - end;
    while (at < end) this.#headerByte(buffer[at++]!);
  }

  /** Where the first message that begins in this buffer does. */
  #rest(buffer: Uint8Array): number {
    let at = 0;
    while (this.#header > 0 && at < buffer.length) this.#headerByte(buffer[at++]!);
    const step = Math.min(this.#left, buffer.length - at);
    this.#left -= step;
    return at + step;
  }

  #headerByte(byte: number): void {
    if (this.#header === 0) {
      if (byte !== copyData) throw notCopyData(byte);
      this.#length = 0;
    } else {
      this.#length = (this.#length << 8) | byte;
    }
    this.#header++;
    if (this.#header < 5) return;
    this.#header = 0;
    this.#start(this.#length - 4);
  }

  #start(length: number): void {
    if (length < 0) throw new RangeError(`CopyData of ${length} bytes`);
    this.#left = length;
    this.payload += length;
  }
}

function notCopyData(byte: number): RangeError {
  return new RangeError(`expected CopyData, got message type 0x${byte.toString(16)}`);
}
