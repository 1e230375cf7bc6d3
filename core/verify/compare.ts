import type { Digest, DigestQuery, DigestSession } from '../api/digest.ts';
import type { TableQueries } from './queries.ts';

export interface RowDifference {
  /** `missing`: in the source only. `extra`: in the target only. `differs`: under the same key, other values. */
  readonly kind: 'missing' | 'extra' | 'differs';
  /** The key's text, or the row's digest where there is no key; never another value of the row. */
  readonly key: string;
}

export interface TableComparison {
  readonly sourceRows: bigint;
  readonly targetRows: bigint;
  readonly equal: boolean;
  /** The first of them; `more` says whether there are others. */
  readonly differences: readonly RowDifference[];
  readonly more: boolean;
}

export interface CompareOptions {
  /** Rows per range that is hashed in one statement. */
  readonly rangeRows: number;
  /** Ranges of at most this many rows are compared row by row when their hashes differ. */
  readonly drillRows: number;
  /** Differences that are named. */
  readonly limit: number;
}

interface Range {
  readonly after: readonly string[] | null;
  readonly upTo: readonly string[] | null;
}

/**
 * Compares one table in ranges of its key, both servers hashing at the same time; a range that differs is cut down to
 * the rows. Without a key the whole table is one range and rows are compared as a multiset.
 */
export async function compareTable(
  sides: { readonly source: DigestSession; readonly target: DigestSession },
  queries: TableQueries,
  options: CompareOptions,
  signal: AbortSignal,
): Promise<TableComparison> {
  const totals = { source: 0n, target: 0n };
  const found: RowDifference[] = [];
  let equal = true;
  const pending = await ranges(sides, queries, options.rangeRows, signal);
  for (let range = pending.shift(); range !== undefined; range = pending.shift()) {
    const [source, target] = await both(sides, queries, range, signal);
    totals.source += source.rows;
    totals.target += target.rows;
    if (same(source, target)) continue;
    equal = false;
    if (found.length <= options.limit)
      found.push(...(await drill({ sides, queries, options, signal }, range, [source, target])));
  }
  const differences = found.slice(0, options.limit);
  return {
    sourceRows: totals.source,
    targetRows: totals.target,
    equal,
    differences,
    more: found.length > options.limit,
  };
}

async function ranges(
  sides: { readonly source: DigestSession; readonly target: DigestSession },
  queries: TableQueries,
  rows: number,
  signal: AbortSignal,
): Promise<Range[]> {
  if (queries.source.key.length === 0) return [{ after: null, upTo: null }];
  return cut(await sides.source.bounds(queries.source, rows, signal), { after: null, upTo: null });
}

/** Ranges between bounds; the first and the last are open where `within` is, so that no row falls between. */
function cut(bounds: readonly (readonly string[])[], within: Range): Range[] {
  const all: Range[] = [];
  let after = within.after;
  for (const bound of bounds) {
    all.push({ after, upTo: bound });
    after = bound;
  }
  all.push({ after, upTo: within.upTo });
  return all;
}

interface Drill {
  readonly sides: { readonly source: DigestSession; readonly target: DigestSession };
  readonly queries: TableQueries;
  readonly options: CompareOptions;
  readonly signal: AbortSignal;
}

async function drill(run: Drill, range: Range, digests: readonly [Digest, Digest]): Promise<RowDifference[]> {
  const { queries, options, sides, signal } = run;
  const rows = Math.max(Number(digests[0].rows), Number(digests[1].rows));
  const bigger = digests[0].rows >= digests[1].rows ? sides.source : sides.target;
  const biggerQuery = digests[0].rows >= digests[1].rows ? queries.source : queries.target;
  if (rows > options.drillRows && queries.source.key.length > 0) {
    const step = Math.max(options.drillRows, Math.ceil(rows / 16));
    const bounds = await bigger.bounds(within(biggerQuery, range), step, signal);
    if (bounds.length > 0) return drillParts(run, cut(bounds, range));
  }
  const [source, target] = await Promise.all([
    sides.source.rows(within(queries.source, range), signal),
    sides.target.rows(within(queries.target, range), signal),
  ]);
  return differencesOf(source, target);
}

async function drillParts(run: Drill, parts: readonly Range[]): Promise<RowDifference[]> {
  const found: RowDifference[] = [];
  for (const part of parts) {
    if (found.length > run.options.limit) break;
    const digests = await both(run.sides, run.queries, part, run.signal);
    if (!same(digests[0], digests[1])) found.push(...(await drill(run, part, digests)));
  }
  return found;
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

function both(
  sides: { readonly source: DigestSession; readonly target: DigestSession },
  queries: TableQueries,
  range: Range,
  signal: AbortSignal,
): Promise<[Digest, Digest]> {
  return Promise.all([
    sides.source.digest(within(queries.source, range), signal),
    sides.target.digest(within(queries.target, range), signal),
  ]);
}

function within(query: DigestQuery, range: Range): DigestQuery {
  return { ...query, after: range.after, upTo: range.upTo };
}

function same(a: Digest, b: Digest): boolean {
  return a.rows === b.rows && a.high === b.high && a.low === b.low;
}
