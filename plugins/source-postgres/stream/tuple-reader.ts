import { constants, isUtf8 } from 'node:buffer';
import { UNCHANGED, type Cell, type Unchanged } from '../../../core/api/change.ts';
import { malformed } from './body-reader.ts';
import { streamError } from './errors.ts';
import type { Region } from './framer.ts';

/** Buffer's own slices, which its type declarations leave out; toString costs an encoding lookup per cell. */
interface SlicingBuffer extends Buffer {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
}

const TEXT = 0x74; // t
const NULL = 0x6e; // n
const NOT_SENT = 0x75; // u
/** Up to here a message is made one string of which cells are pieces: a call into C++ per message, not per cell. */
const ONE_STRING = 8192;
/** Up to here looking at a cell's bytes here is cheaper than a call into C++. */
const SHORT_CELL = 192;

export interface TupleReaderOptions {
  /** The database's encoding is SQL_ASCII: the server did not check that text is UTF-8. */
  readonly checkUtf8: boolean;
}

/**
 * Reads TupleData (manual: "Logical Replication Message Formats") into arrays of strings. One object for all messages;
 * {@link load} points it at the next. Cells never share memory with the region: strings are made of copies.
 */
export class TupleReader {
  readonly #checkUtf8: boolean;
  #buffer!: SlicingBuffer;
  #view!: DataView;
  #text: string | null = null;
  #start = 0;
  end = 0;
  at = 0;

  constructor(options: TupleReaderOptions) {
    this.#checkUtf8 = options.checkUtf8;
  }

  load(region: Region, start: number, end: number): void {
    this.#buffer = region.buffer as SlicingBuffer;
    this.#view = region.view;
    this.#start = start;
    this.at = start;
    this.end = end;
    this.#text = end - start <= ONE_STRING ? this.#buffer.latin1Slice(start, end) : null;
  }

  /** The byte here: which tuple follows. */
  byte(): number {
    if (this.at >= this.end) throw malformed('it ends before its tuple');
    return this.#buffer[this.at++] as number;
  }

  u32(): number {
    if (this.at + 4 > this.end) throw malformed('it ends too early');
    const value = this.#view.getUint32(this.at);
    this.at += 4;
    return value;
  }

  /** A tuple that must have `columns` columns. Where `partial` is false a value that was not sent is an error (I7). */
  tuple(columns: number, partial: boolean): (Cell | Unchanged)[] {
    const { end } = this;
    const buffer = this.#buffer;
    let at = this.at;
    if (at + 2 > end) throw malformed('it ends before its tuple');
    const count = this.#view.getUint16(at);
    if (count !== columns) throw malformed(`a row of ${count} columns for a table of ${columns}`);
    at += 2;
    // oxlint-disable-next-line unicorn/no-new-array -- the length is known; pushing grows the array several times per row
    const cells = new Array<Cell | Unchanged>(count);
    for (let i = 0; i < count; i++) {
      if (at >= end) throw malformed('a row ends too early');
      const kind = buffer[at++];
      if (kind === TEXT) {
        if (at + 4 > end) throw malformed('a value ends too early');
        const length = this.#view.getInt32(at);
        at += 4;
        const stop = at + length;
        if (length < 0 || stop > end) throw malformed('a value ends after its message');
        cells[i] = this.#cell(at, stop);
        at = stop;
      } else if (kind === NULL) {
        cells[i] = null;
      } else if (kind === NOT_SENT) {
        if (!partial) throw streamError('PGS2164', `the value of column ${i + 1} was not sent with a new row`);
        cells[i] = UNCHANGED;
      } else {
        throw malformed(`a value of kind ${kind}`);
      }
    }
    this.at = at;
    return cells;
  }

  #cell(start: number, stop: number): string {
    const text = this.#text;
    if (text !== null && stop - start <= SHORT_CELL && isAscii(this.#view, start, stop)) {
      return text.substring(start - this.#start, stop - this.#start);
    }
    return this.#decode(start, stop);
  }

  #decode(start: number, stop: number): string {
    if (this.#checkUtf8 && !isUtf8(this.#buffer.subarray(start, stop))) {
      throw streamError('PGS2166', 'a value is not valid UTF-8, and the database does not say which encoding it is in');
    }
    try {
      return this.#buffer.utf8Slice(start, stop);
    } catch (error) {
      const size = stop - start;
      if (size <= constants.MAX_STRING_LENGTH && !tooLong(error)) throw error;
      throw streamError('PGS2165', `a value of ${size} bytes is too large`, { cause: error });
    }
  }
}

function tooLong(error: unknown): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === 'ERR_STRING_TOO_LONG';
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
