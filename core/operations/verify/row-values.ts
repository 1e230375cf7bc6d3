import type { DigestQuery, DigestSession, ShownText } from '../../postgres/digest-query.ts';
import { printable } from '../../base/terminal-text.ts';
import type { RowDifference } from './compare.ts';

/** Characters of a value that are read, and of these that are shown, from a little before the first that differs. */
const readCharacters = 8192;
const shownCharacters = 120;
const leadCharacters = 30;
const shownColumns = 40;

/** A part of a value's text; null: NULL. */
export type ShownValue = {
  readonly text: string;
  /** Characters before the part. */
  readonly skipped: number;
  /** Characters of the whole value. */
  readonly characters: number;
} | null;

export interface ColumnValues {
  /** Name of the column in the target. */
  readonly name: string;
  /** Left out: there is no such row on this side. */
  readonly source?: ShownValue;
  readonly target?: ShownValue;
  /** Both begin with so many characters that agree, and no more of them was read. */
  readonly agreeing?: number;
}

/** What differs of a row; of one that is missing or extra, what it holds. */
export interface RowValues {
  readonly columns: readonly ColumnValues[];
  /** Columns that are not shown. */
  readonly more: number;
}

export interface ValueSides {
  readonly source: DigestQuery;
  readonly target: DigestQuery;
  readonly names: readonly string[];
}

/** Only where a person asked for it: the values go into the report and nowhere else (I11). */
export async function readValues(
  sides: { readonly source: DigestSession; readonly target: DigestSession },
  of: ValueSides,
  rows: readonly RowDifference[],
  signal: AbortSignal,
): Promise<readonly RowDifference[]> {
  if (rows.length === 0) return rows;
  const asked = { names: rows.map(({ key }) => key), most: readCharacters };
  const [source, target] = await Promise.all([
    sides.source.values?.(of.source, asked, signal),
    sides.target.values?.(of.target, asked, signal),
  ]);
  if (source === undefined || target === undefined) return rows;
  return rows.map((row) => {
    // Without a key, a row that is there too often or too seldom is on both sides.
    const a = row.kind === 'extra' ? undefined : source.get(row.key);
    const b = row.kind === 'missing' ? undefined : target.get(row.key);
    return { ...row, values: valuesOf(of.names, a, b) };
  });
}

type Cells = readonly (ShownText | null)[];

/** Undefined: not on this side. */
export function valuesOf(names: readonly string[], source: Cells | undefined, target: Cells | undefined): RowValues {
  const all = names.flatMap((name, i): ColumnValues[] => {
    const [a, b] = [source?.[i], target?.[i]];
    if (a === undefined && b === undefined) return [];
    if (a === undefined) return [{ name, target: part(b ?? null, 0) }];
    if (b === undefined) return [{ name, source: part(a, 0) }];
    if (a === b || a?.hash === b?.hash) return [];
    return [{ name, ...different(a, b) }];
  });
  return { columns: all.slice(0, shownColumns), more: Math.max(0, all.length - shownColumns) };
}

function different(a: ShownText | null, b: ShownText | null): Omit<ColumnValues, 'name'> {
  if (a === null || b === null) return { source: part(a, 0), target: part(b, 0) };
  const [x, y] = [Array.from(a.start), Array.from(b.start)];
  let at = 0;
  while (at < x.length && x[at] === y[at]) at++;
  const unseen = at === x.length && at === y.length;
  const from = Math.max(0, at - leadCharacters);
  return { source: part(a, from), target: part(b, from), ...(unseen ? { agreeing: at } : {}) };
}

function part(value: ShownText | null, from: number): ShownValue {
  if (value === null) return null;
  const text = Array.from(value.start)
    .slice(from, from + shownCharacters)
    .join('');
  return { text, skipped: from, characters: value.characters };
}

/** For people: a line per value, in the form of JSON strings; NULL stands without quotes. */
export function valueLines({ columns, more }: RowValues): string[] {
  const lines = columns.flatMap(({ name, source, target, agreeing }) => {
    const known = agreeing === undefined ? '' : `, the first ${agreeing} characters agree`;
    return [
      ...(source === undefined ? [] : [`      ${name}  source ${quoted(source)}${known}`]),
      ...(target === undefined ? [] : [`      ${name}  target ${quoted(target)}${known}`]),
    ];
  });
  if (more > 0) lines.push(`      … and ${more} more columns`);
  return lines.map(printable);
}

function quoted(value: ShownValue): string {
  if (value === null) return 'NULL';
  const { text, skipped, characters } = value;
  const shown = Array.from(text).length;
  const [before, after] = [skipped > 0 ? '…' : '', skipped + shown < characters ? '…' : ''];
  const size = before + after === '' ? '' : ` (${characters} characters)`;
  return `${before}${JSON.stringify(text)}${after}${size}`;
}
