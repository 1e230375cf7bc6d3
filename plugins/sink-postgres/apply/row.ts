import { type Cell, type PartialTuple, UNCHANGED, type Unchanged } from '../../../core/api/change.ts';
import { WireRow } from '../../../core/api/wire-row.ts';

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

/** About what it takes as text or bytes. */
export function sizeOf(row: Row): number {
  if (row instanceof WireRow) return row.end - row.start;
  let size = 0;
  for (const cell of row) size += typeof cell === 'string' ? cell.length : 4;
  return size;
}
