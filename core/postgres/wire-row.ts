import { constants } from 'node:buffer';
import { connectionError } from './errors.ts';
import { type Cell, type PartialTuple, UNCHANGED, type Unchanged } from './tuple.ts';

/** Buffer's own slices, which its type declarations leave out; toString costs an encoding lookup per cell. */
interface SlicingBuffer extends Buffer {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
}

/** Kinds of values in TupleData (manual: "Logical Replication Message Formats"). */
export const WireKind = { text: 0x74, binary: 0x62, null: 0x6e, unchanged: 0x75 } as const;

/** Up to here a row is made one string of which cells are pieces: a call into C++ per row, not per cell. */
const oneString = 8192;
/** Up to here looking at a cell's bytes here is cheaper than a call into C++. */
const shortCell = 192;

/**
 * A row as the source sent it: TupleData in memory that nobody writes to again. Whoever checked it when it came (the kinds,
 * that lengths lie within the message) vouches for it, so nothing is checked here. Sinks that pass values on copy the bytes;
 * for all others {@link cells} makes strings, once.
 */
export class WireRow {
  readonly bytes: Buffer;
  readonly view: DataView;
  /** Offset of the first value's kind. */
  readonly start: number;
  /** Offset behind the last value. */
  readonly end: number;
  readonly columns: number;
  /** Every value was sent. */
  readonly whole: boolean;
  #cells: PartialTuple | null = null;

  constructor(from: { readonly buffer: Buffer; readonly view: DataView }, columns: number, at: RowBounds) {
    this.bytes = from.buffer;
    this.view = from.view;
    this.start = at.start;
    this.end = at.end;
    this.columns = columns;
    this.whole = at.whole;
  }

  cells(): PartialTuple {
    this.#cells ??= this.#read();
    return this.#cells;
  }

  cell(column: number): Cell | Unchanged {
    if (this.#cells !== null) return this.#cells[column] as Cell | Unchanged;
    let at = this.start;
    for (let i = 0; i < column; i++) at = this.next(at);
    return this.#cell(at, null);
  }

  /** The bytes of a value, in the row's own memory; null: it is NULL or was not sent. */
  raw(column: number): Buffer | null {
    let at = this.start;
    for (let i = 0; i < column; i++) at = this.next(at);
    const kind = this.bytes[at];
    if (kind === WireKind.null || kind === WireKind.unchanged) return null;
    return this.bytes.subarray(at + 5, this.next(at));
  }

  sent(column: number): boolean {
    if (this.whole) return true;
    let at = this.start;
    for (let i = 0; i < column; i++) at = this.next(at);
    return this.bytes[at] !== WireKind.unchanged;
  }

  /** Offset of the value behind the one at `at`. */
  next(at: number): number {
    const kind = this.bytes[at];
    return kind === WireKind.null || kind === WireKind.unchanged ? at + 1 : at + 5 + this.view.getInt32(at + 1);
  }

  #read(): PartialTuple {
    const { columns, start, end } = this;
    const text = end - start <= oneString ? (this.bytes as SlicingBuffer).latin1Slice(start, end) : null;
    // oxlint-disable-next-line unicorn/no-new-array -- the length is known; pushing grows the array several times per row
    const cells = new Array<Cell | Unchanged>(columns);
    let at = start;
    for (let i = 0; i < columns; i++) {
      cells[i] = this.#cell(at, text);
      at = this.next(at);
    }
    return cells;
  }

  #cell(at: number, row: string | null): Cell | Unchanged {
    const kind = this.bytes[at];
    if (kind === WireKind.null) return null;
    if (kind === WireKind.unchanged) return UNCHANGED;
    const start = at + 5;
    const stop = start + this.view.getInt32(at + 1);
    const binary = kind === WireKind.binary;
    if (stop - start > constants.MAX_STRING_LENGTH)
      throw connectionError('PGS2165', `a value of ${stop - start} bytes is too large to be read as text`);
    if (row !== null && (binary || (stop - start <= shortCell && isAscii(this.view, start, stop)))) {
      return row.substring(start - this.start, stop - this.start);
    }
    const bytes = this.bytes as SlicingBuffer;
    return binary ? bytes.latin1Slice(start, stop) : bytes.utf8Slice(start, stop);
  }
}

export interface RowBounds {
  readonly start: number;
  readonly end: number;
  readonly whole: boolean;
}

/** Four bytes at a time; the last four may overlap those before. */
function isAscii(view: DataView, start: number, stop: number): boolean {
  let bits = 0;
  if (stop - start < 4) {
    for (let i = start; i < stop; i++) bits |= view.getInt8(i);
    return (bits & 0x80) === 0;
  }
  const last = stop - 4;
  for (let i = start; i < last; i += 4) bits |= view.getInt32(i);
  return ((bits | view.getInt32(last)) & 0x80808080) === 0;
}
