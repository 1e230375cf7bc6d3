import { streamError } from './errors.ts';
import type { Region } from './framer.ts';

/** Reads the fields of one message, never beyond its end. For the messages that are not rows. */
export class BodyReader {
  readonly #region: Region;
  readonly #end: number;
  #at: number;

  constructor(region: Region, start: number, end: number) {
    this.#region = region;
    this.#at = start;
    this.#end = end;
  }

  get at(): number {
    return this.#at;
  }
  get left(): number {
    return this.#end - this.#at;
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (bytes < 0 || at + bytes > this.#end) throw malformed('it ends too early');
    this.#at = at + bytes;
    return at;
  }

  u8(): number {
    const at = this.#take(1);
    return this.#region.buffer[at] as number;
  }
  u16(): number {
    return this.#region.view.getUint16(this.#take(2));
  }
  u32(): number {
    return this.#region.view.getUint32(this.#take(4));
  }
  i32(): number {
    return this.#region.view.getInt32(this.#take(4));
  }
  u64(): bigint {
    return this.#region.view.getBigUint64(this.#take(8));
  }
  /** PostgreSQL's clock counts microseconds from 2000-01-01 UTC; ours from 1970-01-01. */
  time(): bigint {
    return this.#region.view.getBigInt64(this.#take(8)) + EPOCH_2000;
  }
  text(): string {
    const stop = this.#region.buffer.indexOf(0, this.#at);
    if (stop < 0 || stop >= this.#end) throw malformed('a name has no end');
    const text = this.#region.buffer.toString('utf8', this.#at, stop);
    this.#at = stop + 1;
    return text;
  }
  /** A copy: what is handed out must not hold the whole read. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return Uint8Array.prototype.slice.call(this.#region.buffer, at, at + length);
  }
  end(): void {
    if (this.#at !== this.#end) throw malformed(`${this.#end - this.#at} bytes are left over`);
  }
}

/** Microseconds from 1970-01-01 to 2000-01-01 UTC. */
export const EPOCH_2000 = 946_684_800_000_000n;

export function malformed(what: string): Error {
  return streamError('PGS2160', `a replication message is malformed: ${what}`);
}
