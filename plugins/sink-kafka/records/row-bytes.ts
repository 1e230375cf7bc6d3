import { WireKind, type WireRow } from '../../../core/api/wire-change.ts';
import { type ByteWriter, type Bytes, textOf, viewOf, type Words, wordsOf } from '../../../core/base/byte-writer.ts';
import type { ColumnType } from './types.ts';

/** Columns in the order in which they are written. */
export interface Fields {
  /** Of the relation's columns. */
  readonly positions: readonly number[];
  /** `{"name":` of the first, `,"name":` of the others. */
  readonly prefixes: readonly string[];
  readonly types: readonly ColumnType[];
}

/** In `stops`: NULL. */
export const nullCell = -1;
const nothing = wordsOf('null');

/** Where the values of one row are: text of the server in UTF-8. */
export interface Cells extends Bytes {
  readonly starts: Int32Array;
  readonly stops: Int32Array;
  /** False: the bytes are not UTF-8 throughout, and values are read as text, which mends them. */
  readonly valid: boolean;
}

/** Writes rows of one relation from the bytes that the server sent; the same bytes as a RowEncoder's text. */
export class RowBytes {
  readonly #row: Prepared;
  readonly #key: Prepared;
  readonly #keyEnd: Words;
  readonly #cells: { -readonly [K in keyof Cells]: Cells[K] };

  constructor(columns: number, row: Fields, key: Fields & { readonly end: string }) {
    this.#row = prepared(row);
    this.#key = prepared(key);
    this.#keyEnd = wordsOf(key.end);
    const [starts, stops] = [new Int32Array(columns), new Int32Array(columns)];
    const bytes = Buffer.alloc(0);
    this.#cells = { bytes, view: viewOf(bytes), starts, stops, valid: true };
  }

  /** The cells of a row in which every value was sent; good until the next call. */
  locate(row: WireRow): Cells {
    const cells = this.#cells;
    const { starts, stops } = cells;
    const { bytes, view } = row;
    cells.bytes = bytes;
    cells.view = view;
    let at = row.start;
    for (let i = 0; i < starts.length; i++) {
      if (bytes[at] === WireKind.null) {
        stops[i] = nullCell;
        at++;
      } else {
        const start = at + 5;
        at = start + view.getInt32(at + 1);
        starts[i] = start;
        stops[i] = at;
      }
    }
    return cells;
  }

  /** `{"id":1}` of the key; false: the relation has none, and nothing is written. */
  key(to: ByteWriter, cells: Cells): boolean {
    if (this.#key.positions.length === 0) return false;
    write(to, cells, this.#key);
    to.putWords(this.#keyEnd);
    return true;
  }

  /** The row without its closing brace. */
  open(to: ByteWriter, cells: Cells): void {
    write(to, cells, this.#row);
  }
}

interface Prepared {
  readonly positions: readonly number[];
  readonly prefixes: readonly Words[];
  readonly types: readonly ColumnType[];
}

function prepared({ positions, prefixes, types }: Fields): Prepared {
  return { positions, types, prefixes: prefixes.map(wordsOf) };
}

function write(to: ByteWriter, cells: Cells, { positions, prefixes, types }: Prepared): void {
  const { starts, stops } = cells;
  for (let i = 0; i < positions.length; i++) {
    const position = positions[i] as number;
    const type = types[i] as ColumnType;
    const start = starts[position] as number;
    const stop = stops[position] as number;
    to.putWords(prefixes[i] as Words);
    if (stop === nullCell) to.putWords(nothing);
    else if (cells.valid) type.write(to, cells, start, stop);
    else to.text(type.encode(textOf(cells, start, stop)));
  }
}
