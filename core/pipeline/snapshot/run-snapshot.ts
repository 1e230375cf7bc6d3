import type { SourceCatalog } from '../../api/source.ts';
import type { TablePlan } from '../../api/plan.ts';
import type { CopyChunk } from '../../api/snapshot.ts';
import { formatLsn } from '../../postgres/lsn.ts';
import { type Oid, type Relation, relationName } from '../../postgres/relation.ts';
import { needed } from '../open/capability.ts';
import type { RunContext } from '../open/instances.ts';
import { type CopyRun, type LeftTable, type SnapshotRunOptions, take } from './copy-chunk.ts';
import { CopyJob } from './copy-job.ts';
import { Finishing } from './finishing.ts';
import { copyLargeObjects } from './large-objects.ts';
import { forgetRanges, inRanges, rangeColumns } from './ledger.ts';
import { endWork, lend, openWork, takeBack } from './lending.ts';
import { Ranges } from './ranges.ts';
import { ReplicaReaders } from './replicas.ts';
import type { Round } from './round.ts';
import { watchWorkers } from './watch-workers.ts';
import { SnapshotAge } from './snapshot-age.ts';

const chunkTries = 6;

/** Tables that were left over, as DDL was run on them, and whether others are left as the snapshot became too old. */
export interface SnapshotEnd {
  readonly left: readonly LeftTable[];
  readonly due: boolean;
  /** Tables of which some ranges are in. */
  readonly begun: readonly CopyJob[];
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
  let jobs: readonly CopyJob[] = [];
  const later = new Set<string>();
  let replicas: ReplicaReaders | null = null;
  let watching: AsyncDisposable | null = null;
  try {
    await prepare(context, options, { round, signal });
    await round.settle();
    jobs = await makeJobs(context, options, { round, signal });
    finishing.takeCopied(sinks);
    context.run.enter('copy');
    context.log.log('info', 'copy-started', `copying ${jobs.length} tables`, {
      tables: jobs.length,
      chunks: jobs.reduce((sum, { chunks, ledger }) => sum + (ledger?.waiting ?? chunks.length), 0),
      exactAt: formatLsn(session.exactAt),
    });
    const objects = copyLargeObjects(context, { sinks, session, limit: options.limit, signal });
    objects.catch((error: unknown) => failure.abort(error));
    const run = { context, options, round, jobs, finishing, left, later, age, signal, failure };
    const ranges = new Ranges(run);
    await openWork(run);
    watching = watchWorkers(run, ranges);
    replicas = new ReplicaReaders(run, ranges);
    try {
      await lend(run, jobs, { standby: null, session, since: round.since });
      await copyAll(run, ranges, replicas);
    } finally {
      // Also after a failure: nothing may still write when the session is closed.
      await objects;
      await takeBack(run, null);
    }
  } catch (error) {
    failure.abort(error);
    await replicas?.ended();
    await watching?.[Symbol.asyncDispose]();
    await finishing.ended();
    // What came first: what fails after a stop was asked for (it cuts connections) is the stop's own doing.
    throw signal.reason;
  } finally {
    await session[Symbol.asyncDispose]();
  }
  // The source is not held while standbys are still read.
  for (const job of await replicas.ended()) later.add(job.name);
  await watching[Symbol.asyncDispose]();
  context.run.enter('index');
  await finishing.ended();
  signal.throwIfAborted();
  const begun = jobs.filter(
    ({ sink, name, ledger }) => ledger !== null && context.state.table(sink.name, name) === null,
  );
  const end = { left, due: later.size > 0, begun };
  if (left.length > 0 || end.due) return end;
  for (const { sink, plans } of sinks) await sink.snapshot.finish?.(plans, signal);
  await endWork(sinks, signal);
  return end;
}

async function prepare(
  context: RunContext,
  { streams, ledgerAbove }: SnapshotRunOptions,
  { round, signal }: { readonly round: Round; readonly signal: AbortSignal },
): Promise<void> {
  const { session, sinks, catalog, again } = round;
  context.run.enter('schema');
  const sizes = sizesOf(catalog);
  for (const planned of sinks) {
    const { sink, plans, parents } = planned;
    const begun = again(planned);
    await sink.snapshot.prepare?.(
      {
        plans,
        parents,
        ...(begun === undefined ? {} : { again: begun }),
        ...(streams ? { keyed: keyedTables(plans, sizes, ledgerAbove) } : {}),
        recopied: new Set(context.state.get('recopied') ?? []),
        excluded: catalog.excluded,
        unfilledViews: catalog.unfilledViews ?? [],
        dumpSchema: () => needed(context.source, 'schema', 'a created schema').dump(session, signal),
        sourceVersion: catalog.identity.version,
        sizes,
      },
      signal,
    );
  }
}

/** Those that may be copied in ranges. */
function keyedTables(plans: readonly TablePlan[], sizes: ReadonlyMap<Oid, number>, above: number): ReadonlySet<Oid> {
  const large = plans.filter(
    (plan) => (sizes.get(plan.source.oid) ?? 0) > above && typeof rangeColumns(plan) !== 'string',
  );
  return new Set(large.map(({ source }) => source.oid));
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
        jobs.push(new CopyJob(sink, plan, { chunks: [], ledger: ranged, view }));
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

/** Tables in one piece first; ranges of which no standby is read come after them. */
async function copyAll(run: CopyRun, ranges: Ranges, replicas: ReplicaReaders): Promise<void> {
  const own = run.jobs.flatMap((job) => job.chunks.map((chunk) => ({ job, chunk })));
  const here = { session: run.round.session, age: run.age, tries: chunkTries };
  const work = async (): Promise<void> => {
    for (let item = own.shift(); item !== undefined && !run.signal.aborted; item = own.shift())
      await take(run, item, here);
    if (run.signal.aborted) return;
    await replicas.opened;
    const fits = (job: CopyJob): boolean => !replicas.reads(job);
    await ranges.read(here, fits, () => {}).catch((error: unknown) => run.failure.abort(error));
  };
  await Promise.all(Array.from({ length: run.options.workers }, work));
  run.signal.throwIfAborted();
}
