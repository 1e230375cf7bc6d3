import { formatLsn, type SnapshotLsn } from '../../postgres/lsn.ts';
import type { TablePlan } from '../../api/plan.ts';
import { type Oid, type Relation, relationName } from '../../postgres/relation.ts';
import type { CopyChunk, SnapshotSession } from '../../api/snapshot.ts';
import type { SourceCatalog } from '../../api/source.ts';
import { runtimeError } from '../errors.ts';
import { pause, retryable, retryDelay } from '../../base/backoff.ts';
import type { PlannedSink, RunContext } from '../open/instances.ts';
import type { RateLimit } from './rate-limit.ts';
import { CopyJob, openChunk } from './copy-job.ts';
import { copyLargeObjects } from './large-objects.ts';
import { changedSince, type Round } from './round.ts';
import { SnapshotAge } from './snapshot-age.ts';
import { needed } from '../open/capability.ts';
import { allRanges, forgetRanges, highestOf, inRanges, noteRanges } from './ledger.ts';

export interface SnapshotRunOptions {
  readonly workers: number;
  readonly chunkBytes: number;
  /** Larger tables are copied in ranges of their key. */
  readonly ledgerAbove: number;
  /** Counts ranges that are in for good, over all snapshots of a run. */
  readonly ranges: { done: number };
  readonly limit: RateLimit;
  /** Milliseconds for which a snapshot may be read; null: as long as it takes. */
  readonly maxAge: number | null;
}

/** Tables that were left over, as DDL was run on them, and whether others are left as the snapshot became too old. */
export interface SnapshotEnd {
  readonly left: readonly LeftTable[];
  readonly due: boolean;
}

const chunkTries = 6;

/** A table that could not be read under this snapshot, as DDL was run on it since. */
export interface LeftTable {
  readonly name: string;
  readonly error: unknown;
}

/**
 * Copies every table that is not yet copied, under one snapshot, and finishes every table that is not yet finished. Returns what
 * another snapshot is needed for.
 * Ends the session as soon as the last chunk is read: indexes are built without holding the source (issue: bulk plane).
 * Each table's state is durable on its own, so a killed run goes on with what is left (I5).
 */
export async function runSnapshot(
  context: RunContext,
  options: SnapshotRunOptions,
  openRound: () => Promise<Round>,
): Promise<SnapshotEnd> {
  const failure = new AbortController();
  const signal = AbortSignal.any([failure.signal, context.stop]);
  const finishing = new Finishing(context, signal, (error) => failure.abort(error));
  const round = await openRound();
  const age = new SnapshotAge(round.since, options.maxAge);
  const { session, sinks } = round;
  const left: LeftTable[] = [];
  const later = new Set<string>();
  try {
    await prepare(context, round, signal);
    await round.settle();
    const jobs = await makeJobs(context, options, { round, signal });
    finishing.takeCopied(sinks);
    context.run.enter('copy');
    context.log.log('info', 'copy-started', `copying ${jobs.length} tables`, {
      tables: jobs.length,
      chunks: jobs.reduce((sum, job) => sum + job.chunks.length, 0),
      exactAt: formatLsn(session.exactAt),
    });
    const objects = copyLargeObjects(context, { sinks, session, limit: options.limit, signal });
    objects.catch((error: unknown) => failure.abort(error));
    try {
      await copyAll({ context, options, round, jobs, finishing, left, later, age, signal, failure });
    } finally {
      // Also after a failure: nothing may still write when the session is closed.
      await objects;
    }
  } catch (error) {
    failure.abort(error);
    await finishing.ended();
    // What came first: what fails after a stop was asked for (it cuts connections) is the stop's own doing.
    throw signal.reason;
  } finally {
    await session[Symbol.asyncDispose]();
  }
  context.run.enter('index');
  await finishing.ended();
  signal.throwIfAborted();
  const end = { left, due: later.size > 0 };
  if (left.length > 0 || end.due) return end;
  for (const { sink, plans } of sinks) await sink.snapshot.finish?.(plans, signal);
  return end;
}

async function prepare(
  context: RunContext,
  { session, sinks, catalog, again }: Round,
  signal: AbortSignal,
): Promise<void> {
  context.run.enter('schema');
  for (const planned of sinks) {
    const { sink, plans, parents } = planned;
    const begun = again(planned);
    await sink.snapshot.prepare?.(
      {
        plans,
        parents,
        ...(begun === undefined ? {} : { again: begun }),
        excluded: catalog.excluded,
        unfilledViews: catalog.unfilledViews ?? [],
        dumpSchema: () => needed(context.source, 'schema', 'a created schema').dump(session, signal),
        sourceVersion: catalog.identity.version,
        sizes: sizesOf(catalog),
      },
      signal,
    );
  }
}

function sizesOf({ tables }: SourceCatalog): ReadonlyMap<Oid, number> {
  return new Map(tables.map((table) => [table.relation.oid, table.bytes]));
}

/** Biggest table first, so that the last worker is not alone with the largest at the end. */
async function makeJobs(
  context: RunContext,
  options: SnapshotRunOptions,
  { round, signal }: { readonly round: Round; readonly signal: AbortSignal },
): Promise<readonly CopyJob[]> {
  const { session, sinks, catalog } = round;
  const sizes = sizesOf(catalog);
  const chunked = new Map<Relation, readonly CopyChunk[]>();
  const jobs: CopyJob[] = [];
  for (const sink of sinks) {
    for (const plan of sink.plans) {
      const name = relationName(plan.source);
      if (context.state.table(sink.name, name) !== null) continue;
      const bytes = sizes.get(plan.source.oid) ?? 0;
      const view = context.view.table(sink.name, plan, bytes);
      const wanted = { sink, plan, session, chunkBytes: options.chunkBytes, signal };
      const ranged = bytes > options.ledgerAbove ? await inRanges(context, wanted) : null;
      if (ranged !== null) {
        jobs.push(new CopyJob(sink, plan, { ...ranged, view }));
        continue;
      }
      await forgetRanges(context, sink, plan);
      let chunks = chunked.get(plan.source);
      if (chunks === undefined) {
        const whole = { id: `${name}#0`, relation: plan.source, range: null, bytes };
        chunks = bytes <= options.chunkBytes ? [whole] : await session.chunks(plan.source, options.chunkBytes);
        chunked.set(plan.source, chunks);
      }
      jobs.push(new CopyJob(sink, plan, { chunks, view }));
    }
  }
  return jobs.sort((a, b) => (sizes.get(b.plan.source.oid) ?? 0) - (sizes.get(a.plan.source.oid) ?? 0));
}

interface CopyRun {
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

async function copyAll(run: CopyRun): Promise<void> {
  // All of its ranges came with an earlier snapshot.
  for (const job of run.jobs) if (job.chunks.length === 0) run.finishing.follow(tableCopied(run, job));
  const queue = run.jobs.flatMap((job) => job.chunks.map((chunk) => ({ job, chunk })));
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < queue.length && !run.signal.aborted) {
      const item = queue[next++]!;
      if (run.left.some(({ name }) => name === item.job.name) || isLater(run, item.job)) continue;
      try {
        await copyChunk(run, item.job, item.chunk);
      } catch (error) {
        if (error instanceof TooOld) run.later.add(item.job.name);
        else if (error instanceof ChangedMeanwhile) leave(run, item.job, error.cause);
        else run.failure.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(run.options.workers, queue.length) }, work));
  run.signal.throwIfAborted();
}

/**
 * Whether the rest of a table is left for the next snapshot. One that is copied in ranges of its pages can only be finished under the
 * snapshot that it was begun under.
 */
function isLater({ age, later, context }: CopyRun, job: CopyJob): boolean {
  if (!age.isDue) return false;
  if (job.ledger !== null || !job.begun) {
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

/** The snapshot may not be read any longer. */
class TooOld extends Error {}

/** The table's DDL came between the snapshot and its copy. */
class ChangedMeanwhile extends Error {}

/** Others go on; what this one has so far goes when it is begun again. */
function leave({ context, left }: CopyRun, job: CopyJob, error: unknown): void {
  left.push({ name: job.name, error });
  const text = `${job.name} was changed on the source before its copy: it is copied under another snapshot`;
  context.log.log('info', 'table-left-over', text, { table: job.name });
}

/** A chunk whose connection broke is copied again under the same snapshot; the sink keeps a chunk whole or not at all. */
async function copyChunk(run: CopyRun, job: CopyJob, chunk: CopyChunk): Promise<void> {
  const { context, signal, round } = run;
  job.view.phase = 'copying';
  job.view.startedAt ??= Date.now();
  await job.begin(signal);
  const { over } = run.age;
  const inTime = job.ledger === null ? signal : AbortSignal.any([signal, over]);
  for (let attempt = 1; ; attempt++) {
    const before = job.view.bytes;
    const begun = performance.now();
    try {
      const copy = await openChunk(round.session, job, chunk, { limit: run.options.limit, signal: inTime });
      const { rows, bytes } = await job.sink.sink.snapshot.load(job.plan, copy, inTime);
      run.age.took(performance.now() - begun);
      if (job.ledger !== null) run.options.ranges.done++;
      if (job.loaded(rows, bytes)) run.finishing.follow(tableCopied(run, job));
      return;
    } catch (error) {
      if (signal.aborted) throw error;
      if (inTime.aborted) throw new TooOld('', { cause: error });
      if (await changedSince(context, round, job.plan.source.oid)) throw new ChangedMeanwhile('', { cause: error });
      if (!retryable(error, attempt, chunkTries)) throw error;
      job.view.bytes = before;
      context.view.chunkRetries++;
      const fields = { table: job.name, chunk: chunk.id, attempt, code: error.code };
      context.log.log('warn', 'chunk-retry', error.message, fields);
      await pause(retryDelay(attempt), signal);
    }
  }
}

/** Not waited for by the worker: tables whose rows are in together are made durable together. */
async function tableCopied(run: CopyRun, job: CopyJob): Promise<void> {
  const { context, round } = run;
  await job.sink.sink.snapshot.loaded(job.plan, run.signal);
  const exact = job.ledger === null ? null : await allRanges(job.sink, job.plan, job.ledger, run.signal);
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
function exactFor({ traits }: PlannedSink, { handoff, exactAt }: SnapshotSession): SnapshotLsn {
  return traits.replaysOverlap === true && handoff !== null ? (handoff as bigint as SnapshotLsn) : exactAt;
}

/** Index builds of finished tables, beside the copies; the sink bounds how many run at once. */
class Finishing {
  readonly #context: RunContext;
  readonly #signal: AbortSignal;
  readonly #onFailure: (error: unknown) => void;
  readonly #running = new Set<Promise<void>>();

  constructor(context: RunContext, signal: AbortSignal, onFailure: (error: unknown) => void) {
    this.#context = context;
    this.#signal = signal;
    this.#onFailure = onFailure;
  }

  /** Tables whose rows an earlier run brought, but not their indexes. */
  takeCopied(sinks: readonly PlannedSink[]): void {
    for (const sink of sinks) {
      for (const plan of sink.plans) {
        const state = this.#context.state.table(sink.name, relationName(plan.source));
        if (state?.state === 'copied') this.start(sink, plan, state.exactAt);
      }
    }
  }

  start(sink: PlannedSink, plan: TablePlan, exactAt: SnapshotLsn): void {
    this.follow(this.#finish(sink, plan, exactAt));
  }

  /** Its failure is the snapshot's, and the snapshot does not end before it. */
  follow(work: Promise<void>): void {
    const running = work.catch(this.#onFailure);
    this.#running.add(running);
    void running.then(() => this.#running.delete(running));
  }

  async ended(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #finish(sink: PlannedSink, plan: TablePlan, exactAt: SnapshotLsn): Promise<void> {
    const { state, view, log } = this.#context;
    const name = relationName(plan.source);
    const table = view.table(sink.name, plan, 0);
    table.phase = 'indexing';
    await sink.sink.snapshot.finishTable?.(plan, exactAt, this.#signal);
    const before = state.table(sink.name, name);
    if (before === null) throw runtimeError('PGS6002', `the state of ${name} vanished while it was finished`);
    await state.setTable(sink.name, name, { ...before, state: 'finished' });
    table.phase = 'finished';
    table.finishedAt = Date.now();
    log.log('info', 'table-finished', `${name} is finished`, { table: name, sink: sink.name });
  }
}
