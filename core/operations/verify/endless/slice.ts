import { PgsluiceError } from '../../../base/error.ts';
import type { Logger } from '../../../base/logger.ts';
import { parseLsn } from '../../../postgres/lsn.ts';
import type { RunContext } from '../../../pipeline/open/instances.ts';
import { compareRange } from '../compare.ts';
import { compareDefaults } from '../run-verify.ts';
import { RowsGone, type Sides } from '../views.ts';
import type { Doubts } from './doubts.ts';
import { mostAtOnce } from './held-repair.ts';
import type { Job } from './jobs.ts';
import type { Part, TableCheck } from './table-check.ts';

/** Milliseconds after which a server ends a statement: no snapshot may be older than a minute. */
export const longestStatement = 35_000;
/** Fewer rows are not put into a range, however long a statement takes. */
const fewestRows = 1000;

export interface Due {
  readonly job: Job;
  readonly part: Part;
}

export interface SliceOptions {
  readonly context: RunContext;
  readonly doubts: Doubts;
  readonly signal: AbortSignal;
  /** Milliseconds after which a table that could not be compared is tried again. */
  readonly retryIn: number;
}

/** The session is of no use any more: what is left is compared in the next view. */
export class ViewSpent extends Error {}

/** Compares a part of a table, or cuts it into smaller ones where it is too large. */
export async function comparePart(options: SliceOptions, { job, part }: Due, sides: Sides): Promise<void> {
  const { check, queries, sink } = job;
  const copied = options.context.state.table(sink.name, check.table)?.exactAt ?? null;
  // A copy beside the stream may be ahead of it.
  if (copied !== null && sides.at.position !== null && copied > parseLsn(sides.at.position)) return;
  const run = {
    queries,
    options: { ...compareDefaults, rangeRows: check.rangeRows, limit: mostAtOnce },
    signal: options.signal,
  };
  try {
    if (await cutUp(check, part, sides, run)) return;
    const found = await compareRange(sides, run, part);
    const judged = job.plan.refetch === true ? options.doubts.judge(part, found) : found;
    if (judged === null) part.again = true;
    else record(options.context.log, job, part, () => check.found(part, judged, sides.at));
  } catch (error) {
    if (error instanceof RowsGone) return;
    if (!(error instanceof PgsluiceError) || error.retry === 'backoff') throw error;
    if (error.where.sqlstate === '57014') tooSlow(check, part, options.retryIn);
    else check.failed(error.message, options.retryIn);
    throw new ViewSpent(error.message);
  }
}

type Run = Parameters<typeof compareRange>[1];

/** Returns whether the part was too large for one look. */
async function cutUp(check: TableCheck, part: Part, sides: Sides, { queries, signal }: Run): Promise<boolean> {
  const { after, upTo } = part;
  const whole = after === null && upTo === null;
  const estimate = whole ? await sides.source.estimate(queries.source, signal) : 0;
  if (!check.isTooLarge(part, Math.max(estimate, Number(part.rows)))) return false;
  const ordered = [sides.source.ordered(queries.source, signal), sides.target.ordered(queries.target, signal)];
  part.fixed = !(await Promise.all(ordered)).every(Boolean);
  if (part.fixed) return false;
  const bounds = await sides.source.bounds({ ...queries.source, after, upTo }, check.rangeRows, signal);
  if (bounds.length === 0) return false;
  check.split(part, bounds);
  return true;
}

/** It is cut into smaller parts at the next look; where that is not possible it cannot be compared in so short a time. */
function tooSlow(check: TableCheck, part: Part, retryIn: number): void {
  if (!part.fixed && check.rangeRows > fewestRows) return check.narrow(part);
  const why = `to compare it takes longer than ${longestStatement / 1000} s, and no key cuts it into smaller parts`;
  check.failed(why, retryIn);
  check.leftOut = why;
}

function record(log: Logger, { check, sink }: Job, part: Part, note: () => void): void {
  const before = part.differs;
  note();
  const fields = { table: check.table, sink: sink.name, rows: part.differences.length };
  if (part.differs && !before)
    log.log('error', 'verification-differs', `${check.table}: ${fields.rows} rows differ in ${sink.name}`, fields);
  else if (before && !part.differs)
    log.log('info', 'verification-agrees', `${check.table} agrees again in ${sink.name}`, fields);
}
