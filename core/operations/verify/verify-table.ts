import { PgsluiceError } from '../../base/error.ts';
import type { TablePlan } from '../../api/plan.ts';
import { relationName } from '../../postgres/relation.ts';
import type { PlannedSink } from '../../pipeline/open/instances.ts';
import { compareTable, type RangeNotes, type TableComparison } from './compare.ts';
import { verifyError } from './errors.ts';
import { queriesOf, type TableQueries } from './queries.ts';
import { repairTable } from './repair.ts';
import type { TableVerdict, VerifyOptions } from './run-verify.ts';
import type { Before, FoundEqual, KnownRanges, TableProgress } from './table-progress.ts';
import type { Lender } from './views.ts';

export interface TableJob {
  readonly sink: PlannedSink;
  readonly plan: TablePlan;
  readonly pool: Lender;
  /** Which databases the views are of. */
  readonly databases: readonly (string | null)[];
  readonly options: VerifyOptions;
}

/** One table of one sink, or what an interrupted verification had found equal of it. */
export async function verifyTable(job: TableJob): Promise<TableVerdict> {
  const { sink, plan, options } = job;
  const table = relationName(plan.source);
  const existing = sink.traits.existing?.get(relationName(plan.output));
  const queries = queriesOf(plan, existing === undefined ? null : new Set(existing.map(({ name }) => name)));
  const names = { sink: sink.name, table, target: relationName(plan.output) };
  const none = { repaired: 0, at: null, before: null, differed: null };
  if (queries === null) {
    const skipped = plan.tail?.because ?? 'a step that only code understands';
    return { ...names, ...none, keyNames: [], comparison: null, skipped };
  }
  const noted = options.progress?.table(sink.name, plan, { queries, databases: job.databases }) ?? null;
  const found = { ...names, keyNames: queries.keyNames, skipped: null };
  if (noted?.equal) return { ...found, ...none, ...takenOver(noted.equal) };
  const differed = noted?.differed ?? null;
  const { comparison, before } = await compare(job, queries, noted).catch((error: unknown) => {
    throw isOfOtherShape(error) ? verifyError('PGS7057', error.message, { where: error.where, cause: error }) : error;
  });
  tell(options, table, comparison);
  const at = comparison.seen?.last ?? before?.since ?? null;
  if (at !== null) await noted?.finished({ equal: comparison.equal, rows: comparison.sourceRows, at, before });
  const verdict = { ...found, comparison, at, before, differed };
  return { ...verdict, repaired: comparison.equal ? 0 : await repair(job, queries, comparison) };
}

/** The server does not know a column or table that the plan reads. */
function isOfOtherShape(error: unknown): error is PgsluiceError {
  return error instanceof PgsluiceError && (error.where.sqlstate === '42703' || error.where.sqlstate === '42P01');
}

function takenOver({ rows, at, since, ranges }: FoundEqual): Pick<TableVerdict, 'comparison' | 'at' | 'before'> {
  const comparison = {
    sourceRows: rows,
    targetRows: rows,
    equal: true,
    differences: [],
    more: false,
    passed: [],
    rangesLeftOut: 0,
    seen: null,
  };
  return { comparison, at, before: { since, ranges } };
}

async function compare(
  { pool, options }: TableJob,
  queries: TableQueries,
  noted: TableProgress | null,
): Promise<{ readonly comparison: TableComparison; readonly before: Before | null }> {
  const known = noted?.ranges() ?? null;
  const notes = noted === null ? null : notesOf(noted, known);
  const run = { pool, queries, options: options.compare, signal: options.signal, notes };
  const comparison = await compareTable(run);
  const before = known === null || known.equal.size === 0 ? null : { since: known.since, ranges: known.equal.size };
  return { comparison, before };
}

function notesOf(noted: TableProgress, known: KnownRanges | null): RangeNotes {
  return {
    known,
    begin: (bounds, at) => noted.begin(bounds, at),
    rangeEqual: (range, rows) => noted.rangeEqual(range, rows),
  };
}

function tell({ log }: VerifyOptions, table: string, { equal, sourceRows, targetRows }: TableComparison): void {
  const words = `${table} ${equal ? 'agrees' : 'differs'}`;
  log.log(equal ? 'info' : 'error', 'table-verified', words, { table, sourceRows, targetRows, equal });
}

/** Returns how many rows were copied again. */
async function repair(
  { sink, pool, options }: TableJob,
  queries: TableQueries,
  comparison: TableComparison,
): Promise<number> {
  if (!options.repair) return 0;
  const table = `${queries.source.schema}.${queries.source.table}`;
  const target = sink.sink.repair;
  if (target === undefined) throw verifyError('PGS7007', `sink ${sink.name} cannot replace rows`);
  const work = pool.use(({ source }) => repairTable({ source, target }, queries, comparison, options.signal));
  const repaired = await work.catch((error: unknown) => leftOf(error, options));
  if (repaired === 0) return 0;
  options.log.log('info', 'table-repaired', `${table}: ${repaired} rows copied again`, { table, rows: repaired });
  return repaired;
}

function leftOf(error: unknown, { leave, log }: VerifyOptions): number {
  if (leave !== true || !(error instanceof PgsluiceError) || error.retry !== 'never') throw error;
  log.log('info', 'table-not-repaired', error.message, { code: error.code });
  return 0;
}
