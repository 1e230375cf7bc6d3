import type { Cell, Tuple } from '../../../core/api/change.ts';
import { PayloadStripper } from './frames.ts';

/**
 * Rows of COPY's text format (manual: COPY, "Text Format"), as arrays of cells, one batch per run of frames. Newline and
 * tab stand raw only between rows and cells, so runs are cut at the last newline and split as whole strings.
 */
export async function* copyRows(frames: AsyncIterable<Uint8Array>, columns: number): AsyncGenerator<readonly Tuple[]> {
  const stripper = new PayloadStripper();
  let rest: Buffer[] = [];
  for await (const run of frames) {
    const payload = stripper.strip(run);
    const end = payload.lastIndexOf(0x0a);
    if (end === -1) {
      // A row larger than a run: collected, and joined once.
      if (payload.length > 0) rest.push(payload);
      continue;
    }
    const whole = rest.length === 0 ? payload.subarray(0, end) : Buffer.concat([...rest, payload.subarray(0, end)]);
    rest = end + 1 < payload.length ? [payload.subarray(end + 1)] : [];
    yield parseRows(whole.toString('utf8'), columns);
  }
  if (rest.length > 0) throw new Error('COPY text ended inside a row');
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
