import type { InsertChange, OldImage, TransactionInfo, UpdateChange } from './change.ts';
import { type Cell, type PartialTuple, type Tuple, UNCHANGED, type Unchanged } from '../postgres/tuple.ts';
import type { Relation } from '../postgres/relation.ts';
import { constants } from 'node:buffer';
import { connectionError } from '../postgres/errors.ts';

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

/** Where a new row of the stream lies in memory. */
export interface RowPlace extends RowBounds {
  readonly buffer: Buffer;
  readonly view: DataView;
  readonly columns: number;
  /** Offset of the position that its message names, eight bytes. */
  readonly lsnAt: number;
}

/**
 * A change with a new row, and that row: one object for both, as one of these is made for every change and lives until it is
 * applied. Values and position are read when somebody asks for them; being computed, they are not there in a spread copy.
 */
abstract class WireChange extends WireRow {
  readonly relation: Relation;
  readonly tx: TransactionInfo;
  readonly lsnAt: number;

  constructor(place: RowPlace, relation: Relation, tx: TransactionInfo) {
    super(place, place.columns, place);
    this.relation = relation;
    this.tx = tx;
    this.lsnAt = place.lsnAt;
  }

  get lsn(): bigint {
    return this.view.getBigUint64(this.lsnAt);
  }

  get wire(): this {
    return this;
  }

  get buffer(): Buffer {
    return this.bytes;
  }
}

export class WireInsert extends WireChange implements InsertChange {
  readonly kind = 'insert';

  get after(): Tuple {
    return this.cells() as Tuple;
  }
}

export class WireUpdate extends WireChange implements UpdateChange {
  readonly kind = 'update';
  readonly before: OldImage | null;

  constructor(
    place: RowPlace,
    relation: Relation,
    of: { readonly tx: TransactionInfo; readonly before: OldImage | null },
  ) {
    super(place, relation, of.tx);
    this.before = of.before;
  }

  get after(): PartialTuple {
    return this.cells();
  }
}

/** A row to write: as it came, or as the transforms made it. */
export type Row = WireRow | PartialTuple;

export function cellOf(row: Row, position: number): Cell | Unchanged {
  return row instanceof WireRow ? row.cell(position) : (row[position] as Cell | Unchanged);
}

export function cellsOf(row: Row): PartialTuple {
  return row instanceof WireRow ? row.cells() : row;
}

/** Every value was sent. */
export function isWhole(row: Row): boolean {
  return row instanceof WireRow ? row.whole : !row.includes(UNCHANGED);
}

export function isSent(row: Row, position: number): boolean {
  return row instanceof WireRow ? row.sent(position) : row[position] !== UNCHANGED;
}

/** Beyond it values are written as their bytes: a string of one may be impossible, and always costs three times its size. */
const largeRow = 16 << 20;

export function isLarge(row: Row): boolean {
  return row instanceof WireRow && row.end - row.start > largeRow;
}

/** The values at `positions`, all of which were sent, as parameters. */
export function parametersOf(row: Row, positions: readonly number[]): (string | Buffer | null)[] {
  if (row instanceof WireRow && isLarge(row)) return positions.map((i) => row.raw(i));
  const all = cellsOf(row);
  return positions.map((i) => all[i] as Cell);
}

/** About what it takes as text or bytes. */
export function sizeOf(row: Row): number {
  if (row instanceof WireRow) return row.end - row.start;
  let size = 0;
  for (const cell of row) size += typeof cell === 'string' ? cell.length : 4;
  return size;
}

/**
 * An integer of two, four or eight bytes as a number, where that is exact; null otherwise. A number is a far cheaper key of
 * a Map than a string that has to be made first. Each value has one form only: as a number or, beyond 2^53, as bytes.
 */
export function integerOf(row: Row, position: number): number | null {
  if (!(row instanceof WireRow)) {
    const cell = row[position];
    return typeof cell === 'string' ? integerOfBytes(cell) : null;
  }
  const { view } = row;
  let at = row.start;
  for (let i = 0; i < position; i++) at = row.next(at);
  if (row.bytes[at] !== WireKind.binary) return null;
  switch (view.getInt32(at + 1)) {
    case 4:
      return view.getInt32(at + 5);
    case 2:
      return view.getInt16(at + 5);
    case 8:
      return exact(view.getInt32(at + 5), view.getUint32(at + 9));
    default:
      return null;
  }
}

/** One byte per character. */
function integerOfBytes(bytes: string): number | null {
  if (bytes.length === 8) return exact(word(bytes, 0), word(bytes, 4) >>> 0);
  if (bytes.length === 4) return word(bytes, 0);
  return bytes.length === 2 ? (half(bytes, 0) << 16) >> 16 : null;
}

function word(bytes: string, at: number): number {
  return (half(bytes, at) << 16) | half(bytes, at + 2);
}

function half(bytes: string, at: number): number {
  return (bytes.charCodeAt(at) << 8) | bytes.charCodeAt(at + 1);
}

function exact(high: number, low: number): number | null {
  const value = high * 0x1_0000_0000 + low;
  return Number.isSafeInteger(value) ? value : null;
}
