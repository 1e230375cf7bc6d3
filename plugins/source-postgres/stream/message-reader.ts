import { isUtf8 } from 'node:buffer';
import { type RowPlace, WireKind, WireRow } from '../../../core/api/wire-change.ts';
import { streamError } from './errors.ts';
import { type Region, XLOG_HEADER } from './replication-socket.ts';

export interface TupleReaderOptions {
  /** The database's encoding is SQL_ASCII: the server did not check that text is UTF-8. */
  readonly checkUtf8: boolean;
  /** Values come in binary, as START_REPLICATION asked. */
  readonly binary: boolean;
}

const nothing = Buffer.alloc(0);

/**
 * Checks TupleData (manual: "Logical Replication Message Formats") and finds the places of its values. One object for
 * all messages; {@link load} moves it to the next. Rows share the region's memory, which is written once.
 */
export class TupleReader {
  readonly #checkUtf8: boolean;
  /** The only kind of value that is expected. */
  readonly #kind: number;
  #region!: Region;
  #lsnAt = 0;
  readonly #place: { -readonly [K in keyof RowPlace]: RowPlace[K] } = {
    buffer: nothing,
    view: new DataView(nothing.buffer, 0, 0),
    columns: 0,
    start: 0,
    end: 0,
    whole: true,
    lsnAt: 0,
  };
  end = 0;
  at = 0;

  constructor(options: TupleReaderOptions) {
    this.#checkUtf8 = options.checkUtf8;
    this.#kind = options.binary ? WireKind.binary : WireKind.text;
  }

  /** Moves to the row message whose frame is at [frame, end), after its type byte. */
  load(region: Region, frame: number, end: number): void {
    this.#region = region;
    this.#lsnAt = frame + 6;
    this.at = frame + XLOG_HEADER + 1;
    this.end = end;
  }

  /** Position of the change. */
  get lsn(): bigint {
    return this.#region.view.getBigUint64(this.#lsnAt);
  }

  /** The byte here: it says which tuple follows. */
  byte(): number {
    if (this.at >= this.end) throw malformed('it ends before its tuple');
    return this.#region.buffer[this.at++] as number;
  }

  u32(): number {
    if (this.at + 4 > this.end) throw malformed('it ends too early');
    const value = this.#region.view.getUint32(this.at);
    this.at += 4;
    return value;
  }

  /** An old row; everything that an update or delete contains of it was sent. */
  old(columns: number): WireRow {
    return new WireRow(this.#region, columns, this.row(columns, false));
  }

  /**
   * A tuple that must have `columns` columns: its place, valid until the next call. If `partial` is false a value that
   * was not sent is an error (I7).
   */
  row(columns: number, partial: boolean): RowPlace {
    const { end } = this;
    const { buffer, view } = this.#region;
    const wanted = this.#kind;
    let at = this.at;
    if (at + 2 > end) throw malformed('it ends before its tuple');
    const count = view.getUint16(at);
    if (count !== columns) throw malformed(`a row of ${count} columns for a table of ${columns}`);
    at += 2;
    const start = at;
    let whole = true;
    for (let i = 0; i < count; i++) {
      if (at >= end) throw malformed('a row ends too early');
      const kind = buffer[at++];
      if (kind === wanted) {
        if (at + 4 > end) throw malformed('a value ends too early');
        const length = view.getInt32(at);
        at += 4 + length;
        if (length < 0 || at > end) throw malformed('a value ends after its message');
        if (this.#checkUtf8) this.#check(at - length, at);
      } else if (kind === WireKind.unchanged) {
        if (!partial) throw streamError('PGS2164', `the value of column ${i + 1} was not sent with a new row`);
        whole = false;
      } else if (kind !== WireKind.null) throw this.#wrongKind(kind as number, i);
    }
    this.at = at;
    const place = this.#place;
    place.buffer = buffer;
    place.view = view;
    place.columns = columns;
    place.start = start;
    place.end = at;
    place.whole = whole;
    place.lsnAt = this.#lsnAt;
    return place;
  }

  #check(start: number, stop: number): void {
    if (this.#kind === WireKind.binary || isUtf8(this.#region.buffer.subarray(start, stop))) return;
    throw streamError('PGS2166', 'a value is not valid UTF-8, and the database does not say which encoding it is in');
  }

  #wrongKind(kind: number, column: number): Error {
    if (kind !== WireKind.text || this.#kind !== WireKind.binary) return malformed(`a value of kind ${kind}`);
    return streamError('PGS2169', `column ${column + 1} has no binary form`);
  }
}

/** Reads the fields of one message, never beyond its end. For messages other than rows. */
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
  /** A copy, so that the caller does not keep the whole read in memory. */
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
