import type { Cell, Tuple } from '../../../core/postgres/tuple.ts';
import { CopyFrames } from '../../../core/postgres/copy-frames.ts';

const newline = 0x0a;

/**
 * Whole lines of COPY's text format (manual: COPY, "Text Format"), each with its newline: a newline stands raw only between rows, so
 * runs are cut there. The memory is the reader's until it asks for more.
 */
export async function* copyLines(frames: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const copy = new CopyFrames();
  /** The start of a row, from the runs before. */
  let rest: Buffer[] = [];
  for await (const run of frames) {
    const payload = copy.strip(run);
    const end = payload.lastIndexOf(newline) + 1;
    const begin = rest.length > 0 && end > 0 ? payload.indexOf(newline) + 1 : 0;
    if (begin > 0) {
      const row = Buffer.concat([...rest, payload.subarray(0, begin)]);
      rest = [];
      yield row;
    }
    if (end > begin) yield payload.subarray(begin, end);
    // The memory of the run is used again.
    if (end < payload.length) rest.push(Buffer.from(payload.subarray(end)));
  }
  if (rest.length > 0) throw new Error('COPY text ended inside a row');
}

/** The same rows as arrays of cells. Tab stands raw only between cells, so whole strings are split. */
export async function* copyRows(frames: AsyncIterable<Uint8Array>, columns: number): AsyncGenerator<readonly Tuple[]> {
  for await (const lines of copyLines(frames)) yield parseRows(lines.toString('utf8', 0, lines.length - 1), columns);
}

/** Rows of a text without the last newline. */
export function parseRows(text: string, columns: number): Tuple[] {
  const lines = text.split('\n');
  if (columns === 0) return lines.map(() => []);
  const rows: Tuple[] = [];
  for (const line of lines) {
    const cells: Cell[] = line.split('\t');
    if (line.includes('\\')) for (let c = 0; c < cells.length; c++) cells[c] = unescapeCell(cells[c]!);
    if (cells.length !== columns) throw new Error(`COPY sent ${cells.length} cells where ${columns} were asked for`);
    rows.push(cells);
  }
  return rows;
}

const escapes: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

function unescapeCell(cell: string): Cell {
  if (cell === '\\N') return null;
  if (!cell.includes('\\')) return cell;
  return cell.replace(/\\(.)/gs, (_, character: string) => escapes[character] ?? character);
}
