import type { Logger } from '../../base/logger.ts';
import { relationName } from '../../postgres/relation.ts';
import type { Source } from '../../api/source.ts';
import type { PlannedSink } from '../../pipeline/open/instances.ts';
import type { Aligned } from './aligned.ts';
import type { CompareOptions, TableComparison } from './compare.ts';
import { verifyError } from './errors.ts';
import type { VerifyProgress } from './progress.ts';
import type { Before, Moment } from './table-progress.ts';
import type { TreeVerdict } from './verify-trees.ts';
import { verifyTable } from './verify-table.ts';
import { type Sides, Views } from './views.ts';
import { needed } from '../../pipeline/open/capability.ts';

export interface TableVerdict {
  readonly sink: string;
  /** `schema.table` on the source and in the target. */
  readonly table: string;
  readonly target: string;
  readonly keyNames: readonly string[];
  /** Null: could not be compared, and why. */
  readonly comparison: TableComparison | null;
  readonly skipped: string | null;
  /** Rows that were copied again. */
  readonly repaired: number;
  /** Where its last part was compared; null: it was not. */
  readonly at: Moment | null;
  /** Null: all of it was compared now. */
  readonly before: Before | null;
  /** An interrupted verification found that it differs, and now it was compared again. */
  readonly differed: Moment | null;
}

export interface VerifyReport {
  readonly equal: boolean;
  readonly tables: readonly TableVerdict[];
  /** What stands elsewhere in the targets' trees than on the source. */
  readonly trees: readonly TreeVerdict[];
  readonly seconds: number;
  /** The interrupted verification that this one went on with, and how much of it was not compared again. */
  readonly wentOn: { readonly begun: string; readonly tables: number; readonly ranges: number } | null;
}

/** Sessions on each side, where nobody says how many. */
export const verifyWorkers = 4;

export const compareDefaults: CompareOptions = {
  rangeRows: 1_000_000,
  drillRows: 20_000,
  limit: 20,
  sample: null,
  values: 0,
};

export interface VerifyOptions {
  readonly compare: CompareOptions;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** `schema.table` names on the source; null: all. */
  readonly only: readonly string[] | null;
  /** Sessions on each side. */
  readonly workers: number;
  /** Rows that differ are copied again; only while no run applies changes to the targets. */
  readonly repair: boolean;
  /** Tables that cannot be repaired row by row are left as they differ, and not an error. */
  readonly leave?: boolean;
  /** See {@link ViewsOptions.renewAfter}. */
  readonly renewAfter: number | null;
  /** Null: nothing is taken over from an earlier verification, and nothing noted for a later one. */
  readonly progress: VerifyProgress | null;
}

/**
 * Compares every table of every sink that can be read back, several at a time. `align` brings the sinks to the position of
 * the source's view; as soon as the views of the targets are open, the sinks go on. It is called again for each new view.
 */
export async function verifyAll(
  source: Source,
  sinks: readonly PlannedSink[],
  align: () => Promise<Aligned>,
  options: VerifyOptions,
): Promise<VerifyReport> {
  const started = performance.now();
  const readable = sinks.filter((sink) => sink.sink.digests);
  if (readable.length === 0) throw verifyError('PGS7002', 'no sink of this pipeline can be read back');
  refuseUnknown(readable, options.only);
  const { signal, workers, renewAfter } = options;
  const digests = needed(source, 'digests', 'verification');
  const failure = new AbortController();
  const more = { ...options, signal: AbortSignal.any([signal, failure.signal]) };
  const reading = { source: digests, sinks: readable, workers, signal: more.signal, renewAfter };
  await using views = await Views.open(align, reading);
  const databasesOf = new Map<PlannedSink, readonly (string | null)[]>();
  if (options.progress !== null) {
    for (const sink of readable) databasesOf.set(sink, await views.of(sink).use((sides) => identities(sides, signal)));
  }
  const work: Promise<TableVerdict>[] = [];
  for (const sink of readable) {
    const databases = databasesOf.get(sink) ?? [];
    for (const plan of sink.plans) {
      if (options.only !== null && !options.only.includes(relationName(plan.source))) continue;
      const verdict = verifyTable({ sink, plan, pool: views.of(sink), databases, options: more });
      work.push(verdict);
      // One failure ends the others: their connections are about to be closed.
      verdict.catch((error: unknown) => failure.abort(error));
    }
  }
  const settled = await Promise.allSettled(work);
  if (failure.signal.aborted) throw failure.signal.reason;
  const tables = settled.map((result) => (result as PromiseFulfilledResult<TableVerdict>).value);
  const equal = tables.every((verdict) => verdict.comparison === null || verdict.comparison.equal);
  return {
    equal,
    tables,
    trees: [],
    seconds: (performance.now() - started) / 1000,
    wentOn: wentOnOf(tables, options.progress),
  };
}

function identities({ source, target }: Sides, signal: AbortSignal): Promise<readonly (string | null)[]> {
  return Promise.all([source, target].map(async (side) => (await side.identity?.(signal)) ?? null));
}

function wentOnOf(tables: readonly TableVerdict[], progress: VerifyProgress | null): VerifyReport['wentOn'] {
  const before = tables.flatMap((table) => table.before ?? []);
  if (before.length === 0 || progress === null || progress.begun === null) return null;
  return {
    begun: new Date(progress.begun).toISOString(),
    tables: before.filter(({ ranges }) => ranges === null).length,
    ranges: before.reduce((sum, { ranges }) => sum + (ranges ?? 0), 0),
  };
}

function refuseUnknown(sinks: readonly PlannedSink[], only: readonly string[] | null): void {
  const known = new Set(sinks.flatMap(({ plans }) => plans.map((plan) => relationName(plan.source))));
  const unknown = (only ?? []).filter((name) => !known.has(name));
  if (unknown.length > 0) throw verifyError('PGS7008', `not a table of this pipeline: ${unknown.join(', ')}`);
}
