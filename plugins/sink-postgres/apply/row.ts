import { type Cell, type PartialTuple, UNCHANGED, type Unchanged } from '../../../core/postgres/tuple.ts';
import { WireKind, WireRow } from '../../../core/postgres/wire-row.ts';

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
