import type { Cell } from '../../../core/postgres/tuple.ts';
import { type Row, WireKind, WireRow } from '../../../core/api/wire-change.ts';
import { ByteWriter } from '../../../core/base/byte-writer.ts';
import type { WireWriter } from './wire.ts';
import type { Steps } from './round-trip.ts';

const backslash = 0x5c;
const quote = 0x22;
const needsQuoting = /["\\]/;
const quoting = /["\\]/g;
const needsCopyEscape = /[\\\t\n\r]/;
const copyEscape = /[\\\t\n\r]/g;
const copyEscapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };
/** What COPY's text format writes behind a backslash for a byte; 0: the byte stands for itself (manual: "COPY", File Formats). */
const copyLetters = new Uint8Array(256);
copyLetters[backslash] = backslash;
copyLetters[0x09] = 0x74;
copyLetters[0x0a] = 0x6e;
copyLetters[0x0d] = 0x72;
/** Signature, flags and the length of an extension that is not there. */
const copyHeader = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');

/** Rows as COPY reads them, the columns at `filled` (ascending), in CopyData messages and CopyDone. */
export function* copyRows(wire: WireWriter, rows: readonly Row[], filled: readonly number[], binary: boolean): Steps {
  const { out } = wire;
  wire.openData();
  if (binary) out.raw(copyHeader);
  for (const row of rows) {
    if (binary) copyBinaryRow(out, row, filled);
    else if (row instanceof WireRow) copyWireRow(out, row, filled);
    else copyCells(out, row as readonly Cell[], filled);
    if (wire.nextRow() && wire.handedOn) yield;
  }
  // A trailer of -1 ends the binary form.
  if (binary) out.int16(0xffff);
  wire.closeData();
}

function copyWireRow(out: ByteWriter, row: WireRow, filled: readonly number[]): void {
  const { bytes } = row;
  // Escaped bytes take two; a value takes five bytes of its own in the row, and at most three here.
  out.reserve(2 * (row.end - row.start) + filled.length + 1);
  const { bytes: buffer } = out;
  let to = out.at;
  let at = row.start;
  for (let i = 0, f = 0; f < filled.length; i++) {
    const next = row.next(at);
    if (filled[f] === i) {
      if (f++ > 0) buffer[to++] = 0x09;
      if (bytes[at] === WireKind.null) {
        buffer[to++] = backslash;
        buffer[to++] = 0x4e;
      } else {
        to = copyEscaped(buffer, to, row, at);
      }
    }
    at = next;
  }
  buffer[to++] = 0x0a;
  out.at = to;
}

function copyEscaped(buffer: Buffer, start: number, { bytes, view }: WireRow, at: number): number {
  const end = at + 5 + view.getInt32(at + 1);
  let to = start;
  for (let b = at + 5; b < end; b++) {
    const byte = bytes[b] as number;
    const letter = copyLetters[byte] as number;
    if (letter !== 0) buffer[to++] = backslash;
    buffer[to++] = letter === 0 ? byte : letter;
  }
  return to;
}

function copyCells(out: ByteWriter, row: readonly Cell[], filled: readonly number[]): void {
  let line = copyCell(row[filled[0] as number] as Cell);
  for (let k = 1; k < filled.length; k++) line += `\t${copyCell(row[filled[k] as number] as Cell)}`;
  out.text(`${line}\n`);
}

function copyCell(cell: Cell): string {
  if (cell === null) return '\\N';
  return needsCopyEscape.test(cell) ? cell.replace(copyEscape, (c) => copyEscapes[c] as string) : cell;
}

function copyBinaryRow(out: ByteWriter, row: Row, filled: readonly number[]): void {
  out.int16(filled.length);
  if (!(row instanceof WireRow)) {
    for (const position of filled) binaryCell(out, row[position] as Cell);
    return;
  }
  // Values take a byte more in the row than here, but for NULL, which takes three more here.
  out.reserve(row.end - row.start + 3 * filled.length);
  let at = row.start;
  for (let i = 0, f = 0; f < filled.length; i++) {
    if (filled[f] === i) {
      f++;
      at = wireValue(out, row, at);
    } else at = row.next(at);
  }
}

/** Length and bytes, which stand behind each other in pgoutput, in COPY and in arrays alike. Returns where the next value is. */
function wireValue(out: ByteWriter, row: WireRow, at: number): number {
  if (row.bytes[at] === WireKind.null) {
    out.int32(-1);
    return at + 1;
  }
  const end = row.next(at);
  out.copy(row, at + 1, end);
  return end;
}

function binaryCell(out: ByteWriter, cell: Cell): void {
  if (cell === null) return out.int32(-1);
  out.int32(cell.length);
  out.latin1(cell);
}

/** How the elements of one array are written. */
export interface ArrayOf {
  readonly position: number;
  /** Of array literals: `;` for box. */
  readonly delimiter: string;
  /** Type of the elements in the target. */
  readonly oid: number;
}

/** Memory of arrays that were sent. */
const spare: ByteWriter[] = [];
const spareCount = 64;
const spareSize = 1 << 20;

/**
 * An array for each column, one element per row; row by row, as that is how the values lie in memory. `use` gets the bytes,
 * which are written over afterwards.
 */
export function withArrays(
  rows: readonly Row[],
  columns: readonly ArrayOf[],
  binary: boolean,
  use: (arrays: Buffer[]) => void,
): void {
  const writers = columns.map(() => spare.pop() ?? new ByteWriter());
  const made = columns.map((column, k) => {
    const out = writers[k] as ByteWriter;
    out.at = 0;
    return binary ? new BinaryArray(out, column, rows.length) : new TextArray(out, column);
  });
  fill(rows, columns, made);
  use(made.map((array) => array.end()));
  for (const out of writers) if (spare.length < spareCount && out.bytes.length <= spareSize) spare.push(out);
}

function fill(rows: readonly Row[], columns: readonly ArrayOf[], made: readonly (BinaryArray | TextArray)[]): void {
  const last = Math.max(...columns.map(({ position }) => position));
  // oxlint-disable-next-line unicorn/no-new-array -- one entry per column, most of them empty
  const byPosition = new Array<BinaryArray | TextArray | undefined>(last + 1);
  for (const [k, { position }] of columns.entries()) byPosition[position] = made[k];
  for (const row of rows) {
    if (row instanceof WireRow) {
      let at = row.start;
      for (let i = 0; i <= last; i++) {
        byPosition[i]?.wire(row, at);
        at = row.next(at);
      }
    } else for (let i = 0; i <= last; i++) byPosition[i]?.cell(row[i] as Cell);
  }
}

/** An array literal (manual: "Array Input and Output Syntax"); values are always quoted, so none looks like NULL. */
class TextArray {
  readonly #out: ByteWriter;
  readonly #delimiter: number;

  constructor(out: ByteWriter, { delimiter }: ArrayOf) {
    this.#out = out;
    this.#delimiter = delimiter.charCodeAt(0);
    this.#out.byte(0x7b);
  }

  wire(row: WireRow, at: number): void {
    const { bytes, view } = row;
    if (bytes[at] === WireKind.null) return this.cell(null);
    const length = view.getInt32(at + 1);
    this.#next();
    const out = this.#out;
    out.reserve(2 * length + 2);
    const { bytes: buffer } = out;
    let to = out.at;
    buffer[to++] = quote;
    const end = at + 5 + length;
    for (let b = at + 5; b < end; b++) {
      const byte = bytes[b] as number;
      if (byte === quote || byte === backslash) buffer[to++] = backslash;
      buffer[to++] = byte;
    }
    buffer[to++] = quote;
    out.at = to;
  }

  cell(cell: Cell): void {
    this.#next();
    if (cell === null) this.#out.text('NULL');
    else this.#out.text(needsQuoting.test(cell) ? `"${cell.replace(quoting, '\\$&')}"` : `"${cell}"`);
  }

  #next(): void {
    if (this.#out.at > 1) this.#out.byte(this.#delimiter);
  }

  end(): Buffer {
    this.#out.byte(0x7d);
    return this.#out.taken();
  }
}

/** What array_recv reads: dimensions, whether there are NULLs, type of the elements, length and lower bound, elements. */
class BinaryArray {
  readonly #out: ByteWriter;

  constructor(out: ByteWriter, { oid }: ArrayOf, length: number) {
    this.#out = out;
    // Oids are unsigned.
    for (const word of [length === 0 ? 0 : 1, 1, oid | 0]) this.#out.int32(word);
    if (length > 0) for (const word of [length, 1]) this.#out.int32(word);
  }

  wire(row: WireRow, at: number): void {
    wireValue(this.#out, row, at);
  }

  cell(cell: Cell): void {
    binaryCell(this.#out, cell);
  }

  end(): Buffer {
    return this.#out.taken();
  }
}
