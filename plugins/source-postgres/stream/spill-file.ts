import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { streamError } from './errors.ts';
import { type Region, regionOf } from './framer.ts';

/** Bytes that wait in memory before they are written, and bytes read at a time. */
const CHUNK = 256 * 1024;

/**
 * Bytes of one transaction in progress, written at the end and read once from the start. Small ones never reach the
 * disk. The file has no name once it is open, so nothing is left behind however this process ends.
 */
export class SpillFile {
  #parts: Buffer[] = [];
  #waiting = 0;
  #fd: number | null = null;
  #written = 0;
  #read = 0;

  /** Whole CopyData frames. */
  append(frames: Buffer): void {
    this.#parts.push(frames);
    this.#waiting += frames.length;
    if (this.#waiting >= CHUNK) this.#flush();
  }

  /** The next frames, or undefined after the last. Nothing may be appended any more. */
  next(): Region | undefined {
    if (this.#read < this.#written) return this.#nextWritten();
    if (this.#waiting === 0) return undefined;
    const rest = Buffer.concat(this.#parts, this.#waiting);
    this.#parts = [];
    this.#waiting = 0;
    return regionOf(rest, 0, rest.length);
  }

  close(): void {
    this.#parts = [];
    this.#waiting = 0;
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  #nextWritten(): Region {
    const buffer = this.#readAt(Math.min(CHUNK, this.#written - this.#read));
    let end = 0;
    while (end + 5 <= buffer.length) {
      const next = end + 1 + buffer.readInt32BE(end + 1);
      if (next > buffer.length) break;
      end = next;
    }
    // A frame larger than a chunk is read by itself.
    const whole = end > 0 ? buffer : this.#readAt(1 + buffer.readInt32BE(1));
    if (end === 0) end = whole.length;
    this.#read += end;
    return regionOf(whole, 0, end);
  }

  #readAt(length: number): Buffer {
    const buffer = Buffer.allocUnsafeSlow(length);
    try {
      let have = 0;
      while (have < length) {
        const got = readSync(this.#fd as number, buffer, have, length - have, this.#read + have);
        if (got === 0) throw new Error('the file is shorter than what was written');
        have += got;
      }
    } catch (error) {
      throw streamError('PGS2168', 'the spill file of a transaction cannot be read', { cause: error });
    }
    return buffer;
  }

  #flush(): void {
    const bytes = Buffer.concat(this.#parts, this.#waiting);
    try {
      this.#fd ??= openNameless();
      let done = 0;
      while (done < bytes.length) {
        done += writeSync(this.#fd, bytes, done, bytes.length - done, this.#written + done);
      }
    } catch (error) {
      throw streamError('PGS2168', 'the spill file of a transaction cannot be written', { cause: error });
    }
    this.#written += bytes.length;
    this.#parts = [];
    this.#waiting = 0;
  }
}

function openNameless(): number {
  const path = join(tmpdir(), `pgsluice-${randomBytes(8).toString('hex')}`);
  const fd = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  return fd;
}
