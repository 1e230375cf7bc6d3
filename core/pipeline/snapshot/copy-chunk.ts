import type { CopyChunk, SnapshotSession } from '../../api/snapshot.ts';
import type { SnapshotReplica } from '../../api/source-database.ts';
import { pause, retryable, retryDelay } from '../../base/backoff.ts';
import type { SnapshotLsn } from '../../postgres/lsn.ts';
import type { PlannedSink, RunContext } from '../open/instances.ts';
import { type CopyJob, openChunk } from './copy-job.ts';
import type { Finishing } from './finishing.ts';
import { allRanges, highestOf, noteRanges } from './ledger.ts';
import type { RateLimit } from './rate-limit.ts';
import { changedSince, type Round } from './round.ts';
import type { SnapshotAge } from './snapshot-age.ts';

export interface SnapshotRunOptions {
  readonly workers: number;
  readonly chunkBytes: number;
  /** Larger tables are copied in ranges of their key. */
  readonly ledgerAbove: number;
  /** Over all snapshots of a run: ranges that are in for good, and standbys that could not be read. */
  readonly ranges: { done: number; readonly without: Set<SnapshotReplica> };
  readonly limit: RateLimit;
  /** Milliseconds for which a snapshot may be read; null: as long as it takes. */
  readonly maxAge: number | null;
  /** The stream is applied between two snapshots. */
  readonly streams: boolean;
}

/** A table that could not be read under this snapshot, as DDL was run on it since. */
export interface LeftTable {
  readonly name: string;
  readonly error: unknown;
}

export interface CopyRun {
  readonly context: RunContext;
  readonly options: SnapshotRunOptions;
  readonly round: Round;
  readonly jobs: readonly CopyJob[];
  readonly finishing: Finishing;
  readonly left: LeftTable[];
  /** Tables of which the rest waits for the next snapshot. */
  readonly later: Set<string>;
  readonly age: SnapshotAge;
  readonly signal: AbortSignal;
  readonly failure: AbortController;
}

/** A chunk on its way. */
export interface Item {
  readonly job: CopyJob;
  readonly chunk: CopyChunk;
}

/** A snapshot that is read, of the source or of a standby. */
export interface Reader {
  readonly session: SnapshotSession;
  readonly age: SnapshotAge;
  /** Of a chunk under this snapshot. */
  readonly tries: number;
}

/** Copies a chunk of a table that is in one piece or in pieces of its pages, or leaves its table for another snapshot. */
export async function take(run: CopyRun, item: Item, reader: Reader): Promise<void> {
  if (isLeft(run, item.job) || isLater(run, reader, item.job)) return;
  try {
    await copyChunk(run, item, reader);
  } catch (error) {
    if (error instanceof ChangedMeanwhile) leave(run, item.job, error.cause);
    else run.failure.abort(error);
  }
}

export function isLeft({ left }: CopyRun, job: CopyJob): boolean {
  return left.some(({ name }) => name === job.name);
}

/**
 * Whether the rest of a table is left for the next snapshot. One that is copied in ranges of its pages can only be finished under the
 * snapshot that it was begun under.
 */
function isLater({ later, context }: CopyRun, { age }: Reader, job: CopyJob): boolean {
  if (!age.isDue) return false;
  if (!job.begun) {
    later.add(job.name);
    return true;
  }
  if (age.over.aborted && !job.outlived) {
    job.outlived = true;
    const text = `${job.name} is copied under one snapshot, which is held beyond snapshot.max_age for it`;
    context.log.log('warn', 'snapshot-older', text, { table: job.name });
  }
  return false;
}

/** The table's DDL came between the snapshot and its copy. */
export class ChangedMeanwhile extends Error {}

/** Others go on; what this one has so far goes when it is begun again. */
export function leave({ context, left }: CopyRun, job: CopyJob, error: unknown): void {
  left.push({ name: job.name, error });
  const text = `${job.name} was changed on the source before its copy: it is copied under another snapshot`;
  context.log.log('info', 'table-left-over', text, { table: job.name });
}

/** A chunk whose connection broke is copied again under the same snapshot; the sink keeps a chunk whole or not at all. */
async function copyChunk(run: CopyRun, { job, chunk }: Item, reader: Reader): Promise<void> {
  const { signal } = run;
  const { limit } = run.options;
  startsNow(job);
  await job.begin(signal);
  for (let attempt = 1; ; attempt++) {
    const reading = job.reading();
    const begun = performance.now();
    try {
      const copy = await openChunk(reader.session, job.plan, chunk, { limit, signal, count: reading.count });
      const { rows, bytes } = await job.sink.sink.snapshot.load(job.plan, copy, signal);
      reader.age.took(performance.now() - begun);
      if (job.loaded(rows, bytes)) run.finishing.follow(tableCopied(run, job));
      return;
    } catch (error) {
      reading.undo();
      await again(run, error, { job, id: chunk.id, attempt, tries: reader.tries });
    }
  }
}

export function startsNow({ view }: CopyJob): void {
  view.phase = 'copying';
  view.startedAt ??= Date.now();
}

/** Returns when a chunk may be tried again, and throws where it may not. */
export async function again(
  { context, round, signal }: CopyRun,
  error: unknown,
  of: { readonly job: CopyJob; readonly id: string; readonly attempt: number; readonly tries: number },
): Promise<void> {
  const { job, attempt } = of;
  if (signal.aborted) throw error;
  if (await changedSince(context, round, job.plan.source.oid)) throw new ChangedMeanwhile('', { cause: error });
  if (!retryable(error, attempt, of.tries)) throw error;
  context.view.chunkRetries++;
  const fields = { table: job.name, chunk: of.id, attempt, code: error.code };
  context.log.log('warn', 'chunk-retry', error.message, fields);
  await pause(retryDelay(attempt), signal);
}

/** Not waited for by the worker: tables whose rows are in together are made durable together. */
export async function tableCopied(run: CopyRun, job: CopyJob): Promise<void> {
  const { context, round } = run;
  await job.sink.sink.snapshot.loaded(job.plan, run.signal);
  const ranges = job.ledger === null ? null : await allRanges(job.sink, job.plan, job.ledger, run.signal);
  if (ranges !== null) job.are(ranges);
  const exact = ranges?.map((range) => range.exactAt) ?? null;
  const exactAt = exact === null ? exactFor(job.sink, round.session) : highestOf(exact);
  const state = { state: 'copied', exactAt, rows: job.rows, bytes: job.bytes } as const;
  await context.state.setTables([[job.sink.name, job.name, state]], noteRanges(job, exact));
  job.view.phase = 'copied';
  job.view.copiedAt = Date.now();
  context.log.log('info', 'table-copied', `${job.name} is copied`, {
    table: job.name,
    sink: job.sink.name,
    rows: job.rows,
    bytes: job.bytes,
    seconds: (Date.now() - (job.view.startedAt ?? Date.now())) / 1000,
  });
  run.finishing.start(job.sink, job.plan, exactAt);
}

/**
 * From where the stream's changes of a copied table count (I5). A sink that cannot take back what a broken copy wrote gets
 * all since the slot's consistent point: a row that the broken copy wrote and that is gone from this snapshot is deleted there.
 */
export function exactFor(
  { traits }: PlannedSink,
  { handoff, exactAt }: Pick<SnapshotSession, 'handoff' | 'exactAt'>,
): SnapshotLsn {
  return traits.replaysOverlap === true && handoff !== null ? (handoff as bigint as SnapshotLsn) : exactAt;
}
