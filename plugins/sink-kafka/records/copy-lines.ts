import { isUtf8 } from 'node:buffer';
import { viewOf } from '../../../core/base/byte-writer.ts';
import { type Cells, nullCell } from './row-bytes.ts';

const tab = 0x09;
const newline = 0x0a;
const backslash = 0x5c;
/** Letters behind a backslash that stand for something else (manual: COPY, "Text Format"). */
const escapes = new Uint8Array(256).map((_, byte) => byte);
for (const [letter, meant] of [...'bfnrtv'].map((letter, i) => [letter, '\b\f\n\r\t\v'.charCodeAt(i)] as const)) {
  escapes[letter.charCodeAt(0)] = meant;
}

/** Rows of COPY's text format, where they lie. {@link next} moves to the next one; escapes are undone in the same memory. */
export class CopyLines implements Cells {
  bytes: Uint8Array = Buffer.alloc(0);
  view = viewOf(this.bytes);
  valid = true;
  readonly starts: Int32Array;
  readonly stops: Int32Array;
  #at = 0;

  constructor(columns: number) {
    this.starts = new Int32Array(columns);
    this.stops = new Int32Array(columns);
  }

  /** Whole lines, each with its newline; they are written to. */
  load(lines: Uint8Array): void {
    if (lines.at(-1) !== newline) throw new Error('COPY text ended inside a row');
    this.bytes = lines;
    this.view = viewOf(lines);
    this.valid = isUtf8(lines);
    this.#at = 0;
  }

  /** There is no further row. */
  get atEnd(): boolean {
    return this.#at >= this.bytes.length;
  }

  /** False: there is no further row. */
  next(): boolean {
    const { bytes, starts, stops } = this;
    const columns = starts.length;
    let at = this.#at;
    if (at >= bytes.length) return false;
    let column = 0;
    for (let byte = tab; byte !== newline; column++) {
      const start = at;
      let escaped = false;
      for (byte = bytes[at++] as number; byte !== tab && byte !== newline; byte = bytes[at++] as number) {
        if (byte !== backslash) continue;
        escaped = true;
        // Behind it is a letter or another backslash, never the last newline.
        if (++at >= bytes.length) throw new Error('COPY text ended inside a row');
      }
      if (column >= columns) continue;
      starts[column] = start;
      stops[column] = escaped ? unescaped(bytes, start, at - 1) : at - 1;
    }
    if (column !== columns) throw new Error(`COPY sent ${column} cells where ${columns} were asked for`);
    this.#at = at;
    return true;
  }
}

/** Undoes the escapes of a cell; returns where it ends then, or that it is NULL. */
function unescaped(bytes: Uint8Array, start: number, stop: number): number {
  if (stop - start === 2 && bytes[start + 1] === 0x4e) return nullCell;
  let put = start;
  for (let i = start; i < stop; i++) {
    const byte = bytes[i] as number;
    bytes[put++] = byte === backslash ? (escapes[bytes[++i] as number] as number) : byte;
  }
  return put;
}
