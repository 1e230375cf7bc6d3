import type { Digest, DigestQuery } from '../../postgres/digest-query.ts';
import type { KnownRanges, Moment } from './table-progress.ts';
import { readValues, type RowValues } from './row-values.ts';
import type { TableQueries } from './queries.ts';
import { type Lender, RowsGone, type Sides } from './views.ts';

export interface RowDifference {
  /** `missing`: in the source only. `extra`: in the target only. `differs`: under the same key, other values. */
  readonly kind: 'missing' | 'extra' | 'differs';
  /** The key's text, or the row's digest where there is no key; never another value of the row. */
  readonly key: string;
  /** Where values were asked for. */
  readonly values?: RowValues;
}

export interface TableComparison {
  readonly sourceRows: bigint;
  readonly targetRows: bigint;
  readonly equal: boolean;
  /** The first of them; `more` says whether there are others. */
  readonly differences: readonly RowDifference[];
  readonly more: boolean;
  /** Ranges that differed at one position, and of which no row did at a later one: the table differs all the same. */
  readonly passed: readonly Passed[];
  /** Ranges that were left out of a sample; 0: every row was compared. */
  readonly rangesLeftOut: number;
  /** Where its first part was compared, and its last; null: nothing was compared now. */
  readonly seen: { readonly first: Moment; readonly last: Moment } | null;
}

/** Later changes wrote over what differed, so that no row of it can be named. */
export interface Passed {
  readonly differed: Moment;
  readonly agreed: Moment;
}

export interface CompareOptions {
  /** Rows per range that is hashed in one statement. A table of up to twice as many is one range. */
  readonly rangeRows: number;
  /** About as many rows are named in memory at once where hashes differ. */
  readonly drillRows: number;
  /** Differences that are named. */
  readonly limit: number;
  /** Of a large table only so many ranges, chosen at random; null: all. */
  readonly sample: number | null;
  /** Of so many differing rows the values are shown; 0: of none. */
  readonly values: number;
}

/** Notes on ranges of a table, so that those that agree need not be compared again after an interruption. */
export interface RangeNotes {
  /** Bounds of before, and which of the ranges between them agreed; null: there are none. */
  readonly known: Pick<KnownRanges, 'bounds' | 'equal' | 'rows'> | null;
  /** `at`: where they were cut. */
  begin(bounds: readonly (readonly string[])[], at: Moment): Promise<void>;
  rangeEqual(range: number, rows: bigint): Promise<void>;
}

interface Range {
  /** Its place among the ranges of the table. */
  readonly at: number;
  readonly after: readonly string[] | null;
  readonly upTo: readonly string[] | null;
}

export interface TableRun {
  readonly pool: Lender;
  readonly queries: TableQueries;
  readonly options: CompareOptions;
  readonly signal: AbortSignal;
  /** Null: nothing is noted. */
  readonly notes: RangeNotes | null;
}

type RangeRun = Omit<TableRun, 'pool' | 'notes'>;

/**
 * Compares one table: whole, or in ranges of its key where the table is large and both sides have an index for that. What
 * differs is cut down in one more pass, by hashes of the key into buckets, to the rows: no order of values has to be agreed
 * on, and a table without a key is compared as a multiset in the same way.
 */
export async function compareTable(run: TableRun): Promise<TableComparison> {
  const { ranges, leftOut, rows, notes } = await chooseRanges(run);
  const totals = { source: rows, target: rows };
  const differing: Differing[] = [];
  const seen: Moment[] = [];
  await Promise.all(
    ranges.map(async (range) => {
      const { source, target, at } = await run.pool.use((sides) => hashes(sides, run, range));
      seen.push(at);
      totals.source += source.rows;
      totals.target += target.rows;
      if (!same(source, target)) differing.push({ range, rows: larger(source, target), at });
      else await notes?.rangeEqual(range.at, source.rows);
    }),
  );
  const found: RowDifference[] = [];
  const passed: Passed[] = [];
  for (const each of differing) {
    if (found.length > run.options.limit) break;
    const more = { limit: run.options.limit - found.length, values: run.options.values - found.length };
    const rowsFound = await run.pool.use((sides) => drill(sides, run, each, more));
    if ('agreed' in rowsFound) passed.push(rowsFound);
    else found.push(...rowsFound);
  }
  const [first, last] = [seen[0], seen.at(-1)];
  return {
    sourceRows: totals.source,
    targetRows: totals.target,
    equal: differing.length === 0,
    differences: found.slice(0, run.options.limit),
    more: found.length > run.options.limit,
    passed,
    rangesLeftOut: leftOut,
    seen: first === undefined || last === undefined ? null : { first, last },
  };
}

export interface RangeComparison {
  readonly rows: bigint;
  readonly equal: boolean;
  /** The first of them. */
  readonly differences: readonly RowDifference[];
}

/** One range, at the position of these sides. */
export async function compareRange(
  sides: Sides,
  run: RangeRun,
  bounds: Pick<Range, 'after' | 'upTo'>,
): Promise<RangeComparison> {
  const range = { ...bounds, at: 0 };
  const { source, target, at } = await hashes(sides, run, range);
  if (same(source, target)) return { rows: source.rows, equal: true, differences: [] };
  const { limit, values } = run.options;
  const found = await drill(sides, run, { range, rows: larger(source, target), at }, { limit, values });
  return { rows: source.rows, equal: false, differences: 'agreed' in found ? [] : found.slice(0, limit) };
}

interface Differing {
  readonly range: Range;
  readonly rows: number;
  /** Where its hashes differed. */
  readonly at: Moment;
}

interface Chosen {
  readonly ranges: readonly Range[];
  readonly leftOut: number;
  /** Rows of ranges that were found equal before, on each side. */
  readonly rows: bigint;
  /** Null where there is nothing to note: one range, or a sample. */
  readonly notes: RangeNotes | null;
}

const whole: Chosen = { ranges: [{ at: 0, after: null, upTo: null }], leftOut: 0, rows: 0n, notes: null };

async function chooseRanges(run: TableRun): Promise<Chosen> {
  const { options, notes } = run;
  const known = notes?.known ?? null;
  if (known !== null) {
    const ranges = cut(known.bounds).filter(({ at }) => !known.equal.has(at));
    return { ranges, leftOut: 0, rows: known.rows, notes };
  }
  const { bounds, at } = await run.pool.use(async (sides) => ({ bounds: await findBounds(sides, run), at: sides.at }));
  if (bounds === null) return whole;
  const all = cut(bounds);
  if (options.sample !== null) {
    const ranges = pick(all, options.sample);
    return { ranges, leftOut: all.length - ranges.length, rows: 0n, notes: null };
  }
  await notes?.begin(bounds, at);
  return { ranges: all, leftOut: 0, rows: 0n, notes };
}

/** Null: the table is compared as a whole. */
async function findBounds(
  { source, target }: Sides,
  { queries, options, signal }: RangeRun,
): Promise<readonly (readonly string[])[] | null> {
  if ((await source.estimate(queries.source, signal)) <= options.rangeRows * 2) return null;
  const indexed = await Promise.all([source.ordered(queries.source, signal), target.ordered(queries.target, signal)]);
  return indexed.every(Boolean) ? source.bounds(queries.source, options.rangeRows, signal) : null;
}

/** Ranges between bounds; the first and the last are open, so that no row falls between. */
function cut(bounds: readonly (readonly string[])[]): Range[] {
  const all: Range[] = [];
  let after: readonly string[] | null = null;
  for (const bound of bounds) {
    all.push({ at: all.length, after, upTo: bound });
    after = bound;
  }
  all.push({ at: all.length, after, upTo: null });
  return all;
}

function pick<T>(items: readonly T[], count: number): T[] {
  const left = [...items];
  while (left.length > count) left.splice(Math.floor(Math.random() * left.length), 1);
  return left;
}

const mostBuckets = 65_536;

/**
 * The rows of a range that differ: by buckets first where it is large, so that memory holds only a few of them at a time. They may be
 * looked for at a later position than that of the hashes.
 */
async function drill(
  sides: Sides,
  run: RangeRun,
  { range, rows, at }: Differing,
  most: { readonly limit: number; readonly values: number },
): Promise<RowDifference[] | Passed> {
  const found = await rowsIn(sides, run, { range, rows }, most.limit);
  await refuseGone(sides, run.queries, run.signal);
  // At the position of the hashes they are the ones to say that something differs.
  if (found.length === 0) return sides.at.time === at.time ? [] : { differed: at, agreed: sides.at };
  return withValues(sides, run, range, { rows: found, most: most.values });
}

async function rowsIn(
  sides: Sides,
  run: RangeRun,
  { range, rows }: Pick<Differing, 'range' | 'rows'>,
  limit: number,
): Promise<RowDifference[]> {
  const { options } = run;
  if (rows <= options.drillRows) return rowsOf(sides, run, range);
  const count = Math.min(mostBuckets, 2 ** Math.ceil(Math.log2((rows / options.drillRows) * 16)));
  const { signal, queries } = run;
  const [source, target] = await Promise.all([
    sides.source.buckets(within(queries.source, range), count, signal),
    sides.target.buckets(within(queries.target, range), count, signal),
  ]);
  const found: RowDifference[] = [];
  for (const only of groups(differingBuckets(source, target), options.drillRows)) {
    if (found.length > limit) break;
    found.push(...(await rowsOf(sides, run, range, { count, only })));
  }
  return found;
}

/** What a view no longer has is no difference. */
async function refuseGone({ source, target }: Sides, queries: TableQueries, signal: AbortSignal): Promise<void> {
  const gone = await Promise.all([source.gone?.(queries.source, signal), target.gone?.(queries.target, signal)]);
  const { schema, table } = queries.source;
  if (gone.includes(true))
    throw new RowsGone(`${schema}.${table} was truncated or rewritten each time it was compared`);
}

function differingBuckets(
  source: ReadonlyMap<number, Digest>,
  target: ReadonlyMap<number, Digest>,
): { readonly bucket: number; readonly rows: number }[] {
  const none: Digest = { rows: 0n, high: '0', low: '0' };
  const found: { bucket: number; rows: number }[] = [];
  for (const bucket of new Set([...source.keys(), ...target.keys()])) {
    const [a, b] = [source.get(bucket) ?? none, target.get(bucket) ?? none];
    if (!same(a, b)) found.push({ bucket, rows: larger(a, b) });
  }
  return found;
}

function* groups(
  buckets: readonly { readonly bucket: number; readonly rows: number }[],
  most: number,
): Generator<number[]> {
  let group: number[] = [];
  let rows = 0;
  for (const each of buckets) {
    if (group.length > 0 && rows + each.rows > most) {
      yield group;
      [group, rows] = [[], 0];
    }
    group.push(each.bucket);
    rows += each.rows;
  }
  if (group.length > 0) yield group;
}

async function rowsOf(
  sides: Sides,
  { queries, signal }: RangeRun,
  range: Range,
  buckets?: DigestQuery['buckets'],
): Promise<RowDifference[]> {
  const of = (query: DigestQuery) => ({ ...within(query, range), ...(buckets && { buckets }) });
  const [source, target] = await Promise.all([
    sides.source.rows(of(queries.source), signal),
    sides.target.rows(of(queries.target), signal),
  ]);
  return differencesOf(source, target);
}

/** Looks within the range, where an index finds it quickly. */
async function withValues(
  sides: Sides,
  { queries, signal }: RangeRun,
  range: Range,
  { rows, most }: { readonly rows: RowDifference[]; readonly most: number },
): Promise<RowDifference[]> {
  if (most <= 0) return rows;
  const shown = within(queries.source, range);
  const other = within(queries.target, range);
  const asked = { source: shown, target: other, names: queries.names };
  return [...(await readValues(sides, asked, rows.slice(0, most), signal)), ...rows.slice(most)];
}

type Rows = ReadonlyMap<string, { readonly hash: string; readonly count: number }>;

/** Rows of one side against the other; without a key the hash is the key and the counts are compared. */
export function differencesOf(source: Rows, target: Rows): RowDifference[] {
  const found: RowDifference[] = [];
  for (const [key, row] of source) {
    const other = target.get(key);
    if (other === undefined) found.push({ kind: 'missing', key });
    else if (other.hash !== row.hash) found.push({ kind: 'differs', key });
    else if (other.count !== row.count) found.push({ kind: other.count < row.count ? 'missing' : 'extra', key });
  }
  for (const key of target.keys()) if (!source.has(key)) found.push({ kind: 'extra', key });
  return found;
}

async function hashes(
  sides: Sides,
  { queries, signal }: RangeRun,
  range: Range,
): Promise<{ readonly source: Digest; readonly target: Digest; readonly at: Moment }> {
  const fast = sides.source.fast !== undefined && sides.source.fast === sides.target.fast;
  const [source, target] = await Promise.all([
    sides.source.digest({ ...within(queries.source, range), fast }, signal),
    sides.target.digest({ ...within(queries.target, range), fast }, signal),
  ]);
  await refuseGone(sides, queries, signal);
  return { source, target, at: sides.at };
}

function within(query: DigestQuery, range: Range): DigestQuery {
  return { ...query, after: range.after, upTo: range.upTo };
}

function same(a: Digest, b: Digest): boolean {
  return a.rows === b.rows && a.high === b.high && a.low === b.low;
}

function larger(a: Digest, b: Digest): number {
  return Math.max(Number(a.rows), Number(b.rows));
}
