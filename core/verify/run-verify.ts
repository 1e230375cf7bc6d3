import type { Logger } from '../api/context.ts';
import type { TablePlan } from '../api/plan.ts';
import { relationName } from '../api/relation.ts';
import type { Source } from '../api/source.ts';
import type { PlannedSink } from '../runtime/instances.ts';
import type { Aligned } from './aligned.ts';
import { type CompareOptions, compareTable, type TableComparison } from './compare.ts';
import { verifyError } from './errors.ts';
import type { Pool } from './pool.ts';
import { queriesOf } from './queries.ts';
import { repairTable } from './repair.ts';
import { openViews, type Sides } from './views.ts';

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
}

export interface VerifyReport {
  readonly equal: boolean;
  readonly tables: readonly TableVerdict[];
  readonly seconds: number;
}

export const compareDefaults: CompareOptions = { rangeRows: 1_000_000, drillRows: 20_000, limit: 20, sample: null };

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
}

/**
 * Compares every table of every sink that can be read back, several at a time. `align` brings the sinks to the position of
 * the source's view; as soon as the views of the targets are open, the sinks go on.
 */
export async function verifyAll(
  source: Source,
  sinks: readonly PlannedSink[],
  align: () => Promise<Aligned>,
  options: VerifyOptions,
): Promise<VerifyReport> {
  const started = performance.now();
  const readable = sinks.filter((sink) => sink.sink.digests !== null);
  if (readable.length === 0) throw verifyError('PGS7002', 'no sink of this pipeline can be read back');
  refuseUnknown(readable, options.only);
  const { signal, workers } = options;
  await using views = await openViews(align, { source: source.digests, sinks: readable, workers, signal });
  const failure = new AbortController();
  const work: Promise<TableVerdict>[] = [];
  for (const [sink, pool] of views.bySink) {
    for (const plan of sink.plans) {
      if (options.only !== null && !options.only.includes(relationName(plan.source))) continue;
      const verdict = verifyTable(sink, plan, pool, { ...options, signal: AbortSignal.any([signal, failure.signal]) });
      work.push(verdict);
      // One failure ends the others: their connections are about to be closed.
      verdict.catch((error: unknown) => failure.abort(error));
    }
  }
  const settled = await Promise.allSettled(work);
  if (failure.signal.aborted) throw failure.signal.reason;
  const tables = settled.map((result) => (result as PromiseFulfilledResult<TableVerdict>).value);
  const equal = tables.every((verdict) => verdict.comparison === null || verdict.comparison.equal);
  return { equal, tables, seconds: (performance.now() - started) / 1000 };
}

function refuseUnknown(sinks: readonly PlannedSink[], only: readonly string[] | null): void {
  const known = new Set(sinks.flatMap(({ plans }) => plans.map((plan) => relationName(plan.source))));
  const unknown = (only ?? []).filter((name) => !known.has(name));
  if (unknown.length > 0) throw verifyError('PGS7008', `not a table of this pipeline: ${unknown.join(', ')}`);
}

async function verifyTable(
  sink: PlannedSink,
  plan: TablePlan,
  pool: Pool<Sides>,
  options: VerifyOptions,
): Promise<TableVerdict> {
  const table = relationName(plan.source);
  const queries = queriesOf(plan);
  const names = { sink: sink.name, table, target: relationName(plan.output) };
  if (queries === null) {
    const skipped = plan.tail?.because ?? 'a step that only code understands';
    return { ...names, keyNames: [], comparison: null, skipped, repaired: 0 };
  }
  const comparison = await compareTable({ pool, queries, options: options.compare, signal: options.signal });
  options.log.log(
    comparison.equal ? 'info' : 'error',
    'table-verified',
    `${table} ${comparison.equal ? 'agrees' : 'differs'}`,
    {
      table,
      sourceRows: comparison.sourceRows,
      targetRows: comparison.targetRows,
      equal: comparison.equal,
    },
  );
  const verdict = { ...names, keyNames: queries.keyNames, comparison, skipped: null };
  if (comparison.equal || !options.repair) return { ...verdict, repaired: 0 };
  const target = sink.sink.repair;
  if (target === undefined) throw verifyError('PGS7007', `sink ${sink.name} cannot replace rows`);
  const repaired = await pool.use(({ source }) => repairTable({ source, target }, queries, comparison, options.signal));
  options.log.log('info', 'table-repaired', `${table}: ${repaired} rows copied again`, { table, rows: repaired });
  return { ...verdict, repaired };
}
