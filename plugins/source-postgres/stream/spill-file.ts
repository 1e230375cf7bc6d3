import { randomBytes } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PgsluiceError } from '../../../core/base/error.ts';
import { streamError } from './errors.ts';
import { type Region, regionOf } from './replication-socket.ts';

/** Bytes that wait in memory before they are written, and bytes read at a time. */
const CHUNK = 256 * 1024;

export interface SpillEvents {
  /** Bytes have reached the file: {@link SpillFile.pending} is less. */
  readonly written: () => void;
  readonly failed: (error: PgsluiceError) => void;
}

/**
 * Bytes of one transaction in progress, appended and then read once from the start. Small ones never reach the disk.
 * The file has no name once it is open, so nothing is left behind however this process ends. Files are written and read
 * asynchronously, so the event loop answers the server's keepalives meanwhile.
 */
export class SpillFile {
  readonly #events: SpillEvents;
  #parts: Buffer[] = [];
  #waiting = 0;
  #file: FileHandle | null = null;
  /** Writes in order; the first one opens the file. */
  #writes: Promise<void> | null = null;
  #pending = 0;
  #written = 0;
  #read = 0;
  #closed = false;

  constructor(events: SpillEvents) {
    this.#events = events;
  }

  /** Bytes in memory that are being written to the file (I8). */
  get pending(): number {
    return this.#pending;
  }

  /** Whole CopyData frames. */
  append(frames: Buffer): void {
    this.#parts.push(frames);
    this.#waiting += frames.length;
    if (this.#waiting >= CHUNK) this.#flush();
  }

  /**
   * The next frames, or undefined after the last; a promise if they are in the file. Nothing may be appended after the
   * first call.
   */
  next(): Promise<Region | undefined> | Region | undefined {
    if (this.#writes !== null && (this.#pending > 0 || this.#read < this.#written))
      return this.#nextWritten(this.#writes);
    return this.#rest();
  }

  close(): void {
    this.#closed = true;
    this.#parts = [];
    this.#waiting = 0;
    // A file whose write has failed is closed nevertheless; the failure itself was reported.
    void this.#writes?.then(() => this.#file?.close()).catch(() => {});
  }

  #rest(): Region | undefined {
    if (this.#waiting === 0) return undefined;
    const rest = Buffer.concat(this.#parts, this.#waiting);
    this.#parts = [];
    this.#waiting = 0;
    return regionOf(rest, 0, rest.length);
  }

  async #nextWritten(writes: Promise<void>): Promise<Region> {
    await writes;
    const buffer = await this.#readAt(Math.min(CHUNK, this.#written - this.#read));
    let end = 0;
    while (end + 5 <= buffer.length) {
      const next = end + 1 + buffer.readInt32BE(end + 1);
      if (next > buffer.length) break;
      end = next;
    }
    // A frame larger than a chunk is read by itself.
    const whole = end > 0 ? buffer : await this.#readAt(1 + buffer.readInt32BE(1));
    if (end === 0) end = whole.length;
    this.#read += end;
    return regionOf(whole, 0, end);
  }

  async #readAt(length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafeSlow(length);
    try {
      let have = 0;
      while (have < length) {
        const { bytesRead } = await this.#file!.read(buffer, have, length - have, this.#read + have);
        if (bytesRead === 0) throw new Error('the file is shorter than what was written');
        have += bytesRead;
      }
    } catch (error) {
      throw streamError('PGS2168', 'the spill file of a transaction cannot be read', { cause: error });
    }
    return buffer;
  }

  #flush(): void {
    const bytes = Buffer.concat(this.#parts, this.#waiting);
    this.#parts = [];
    this.#waiting = 0;
    this.#pending += bytes.length;
    this.#writes = (this.#writes ?? Promise.resolve()).then(() => this.#write(bytes));
  }

  async #write(bytes: Buffer): Promise<void> {
    // A transaction that was rolled back, or a stream that has ended, needs no file.
    if (this.#closed) return;
    try {
      this.#file ??= await openNameless();
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.#written + done);
        done += bytesWritten;
      }
    } catch (error) {
      this.#closed = true;
      this.#events.failed(
        streamError('PGS2168', 'the spill file of a transaction cannot be written', { cause: error }),
      );
      return;
    }
    this.#written += bytes.length;
    this.#pending -= bytes.length;
    this.#events.written();
  }
}

async function openNameless(): Promise<FileHandle> {
  const path = join(tmpdir(), `pgsluice-${randomBytes(8).toString('hex')}`);
  const file = await open(path, 'wx+', 0o600);
  await unlink(path);
  return file;
}
