import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { CopyOffer, LentSnapshot } from '../../api/shared-copy.ts';
import type { RangeSink } from '../../api/sink.ts';
import type { SnapshotSession } from '../../api/snapshot.ts';
import { readCatalog, type SourceCatalog } from '../../api/source.ts';
import { pause, retryDelay } from '../../base/backoff.ts';
import { PgsluiceError } from '../../base/error.ts';
import type { PipelineConfig } from '../../config/pipeline-config.ts';
import { relationName } from '../../postgres/relation.ts';
import { runtimeError } from '../../pipeline/errors.ts';
import type { OpenPipeline } from '../../pipeline/open/open-pipeline.ts';
import type { RunContext, SinkInstance } from '../../pipeline/open/instances.ts';
import { planAgain } from '../../pipeline/open/planning.ts';
import { RateLimit } from '../../pipeline/snapshot/rate-limit.ts';
import { SnapshotAge } from '../../pipeline/snapshot/snapshot-age.ts';
import { planDigest, type Takeable, takeRange } from '../../pipeline/snapshot/take-range.ts';

/** Milliseconds between two looks for something to do, and between two signs of life. */
const every = { look: 500, note: 2000 };
/** Failures in a row, with no range in between, that end the worker. */
const tries = 8;
/** What does not pass by itself may be the run's to mend: a table that was altered. */
const seriousTries = 2;

/** What this process has done so far. */
export interface WorkDone {
  ranges: number;
  indexes: number;
  bytes: number;
}

interface Work {
  readonly context: RunContext;
  readonly config: PipelineConfig;
  readonly sinks: readonly { readonly instance: SinkInstance; readonly ranges: RangeSink }[];
  readonly id: string;
  readonly done: WorkDone;
  /** A run has begun: there is a place for signs of life. */
  begun: boolean;
  doing: string;
}

/**
 * Takes part in the copy of a run in another process until that is through: claims ranges in the target, and reads them under a snapshot that
 * the run lends. Without a run, or with nothing to do, it waits.
 */
export async function workOn({ config, instances, context }: OpenPipeline): Promise<WorkDone> {
  const sinks = instances.sinks.flatMap((instance) => {
    const { ranges } = instance.sink.snapshot;
    return ranges === undefined ? [] : [{ instance, ranges }];
  });
  if (sinks.length === 0 || context.source.snapshot?.join === undefined || config.snapshot.mode !== 'initial')
    throw runtimeError('PGS3131', 'this pipeline copies nothing that several processes can share');
  const work: Work = {
    context,
    config,
    sinks,
    id: randomUUID(),
    done: { ranges: 0, indexes: 0, bytes: 0 },
    begun: false,
    doing: 'waits',
  };
  await using _signs = new SignsOfLife(work);
  for (let failures = 0; ; ) {
    const before = work.done.ranges;
    try {
      if (await turn(work)) return work.done;
      failures = 0;
    } catch (error) {
      if (context.stop.aborted || !(error instanceof PgsluiceError)) throw error;
      failures = work.done.ranges > before ? 1 : failures + 1;
      if (failures >= (error.retry === 'never' ? seriousTries : tries)) throw error;
      context.log.log('warn', 'work-retry', error.message, { code: error.code, attempt: failures });
      await pause(retryDelay(failures), context.stop);
    }
  }
}

/** One look at what the run offers, and all that can be done of it. True: the copy is through. */
async function turn(work: Work): Promise<boolean> {
  const { context, sinks } = work;
  let over = true;
  let worked = false;
  for (const { instance, ranges } of sinks) {
    const offer = await ranges.shared.offer(context.stop);
    over &&= offer?.over === true;
    work.begun ||= offer !== null;
    const lent = offer === null ? null : chosen(offer, work.id);
    if (offer !== null && lent !== null) worked = (await copy(work, { instance, ranges, offer, lent })) || worked;
    if (offer !== null && !offer.over) worked = (await build(work, ranges)) || worked;
  }
  if (over) return true;
  if (!worked) await pause(every.look, context.stop);
  return false;
}

/** Standbys first: where some are read, the source only streams. Workers are spread over them. */
function chosen({ snapshots, tables }: CopyOffer, id: string): LentSnapshot | null {
  const waiting = new Set(tables.map(({ ledger }) => ledger));
  const useful = snapshots.filter(({ ledgers }) => ledgers.some((ledger) => waiting.has(ledger)));
  const standbys = useful.filter(({ standby }) => standby !== null);
  const some = standbys.length > 0 ? standbys : useful;
  return some[Number.parseInt(id.slice(0, 8), 16) % some.length] ?? null;
}

/** Builds indexes until none waits. Returns whether one was built. */
async function build(work: Work, { shared }: RangeSink): Promise<boolean> {
  const { context, done } = work;
  const before = done.indexes;
  const opens = (what: string): void => {
    work.doing = `index ${what}`;
    context.log.log('info', 'work-index', `builds index ${what}`, { index: what });
  };
  const one = async (): Promise<void> => {
    while ((await shared.build(opens, context.stop)) !== null) done.indexes++;
  };
  const all = await Promise.allSettled(Array.from({ length: shared.builders }, one));
  work.doing = 'waits';
  for (const result of all) if (result.status === 'rejected') throw result.reason;
  return done.indexes > before;
}

interface Part {
  readonly instance: SinkInstance;
  readonly ranges: RangeSink;
  readonly offer: CopyOffer;
  readonly lent: LentSnapshot;
}

/** Copies under one snapshot until nothing is free or it is too old. Returns whether a range came in. */
async function copy(work: Work, part: Part): Promise<boolean> {
  const { context, config } = work;
  const { ranges, offer, lent } = part;
  const session = await join(work, lent);
  if (session === null) return false;
  const before = work.done.ranges;
  try {
    const now = performance.now();
    const { age: given } = lent;
    const age = new SnapshotAge(given === null ? now : now - (given.most - given.left), given?.most ?? null);
    const tables = await takeable(work, part, session);
    const limit = new RateLimit(offer.rate);
    limit.shareBy((bytes) => ranges.shared.reserve(bytes));
    const failure = new AbortController();
    const signal = AbortSignal.any([context.stop, age.over, failure.signal]);
    const read = async (): Promise<void> => {
      while (!signal.aborted && !age.isDue) {
        const begun = performance.now();
        const taken = await takeRange({ ranges, tables, session, limit, signal });
        if (taken === null) return;
        age.took(performance.now() - begun);
        work.done.ranges++;
        work.done.bytes += taken.bytes;
      }
    };
    const each = Array.from({ length: config.snapshot.workers }, () =>
      read().catch((error: unknown) => {
        // Too old: the next turn goes on under another.
        if (!signal.aborted) failure.abort(error);
      }),
    );
    await Promise.all(each);
    if (context.stop.aborted) throw context.stop.reason;
    failure.signal.throwIfAborted();
  } finally {
    work.doing = 'waits';
    await session[Symbol.asyncDispose]();
  }
  return work.done.ranges > before;
}

/** Null: the run that lent it is gone; the next one lends another. */
function join({ context }: Work, lent: LentSnapshot): Promise<SnapshotSession | null> {
  const { snapshot } = context.source;
  const replica = snapshot?.replicas?.find(({ name }) => name === lent.standby);
  if (lent.standby !== null && replica === undefined)
    throw runtimeError('PGS3130', `the run reads ${lent.standby}, which this file does not name`);
  return (replica ?? { join: snapshot!.join! }).join(lent, context.stop);
}

/** The tables that are read under a snapshot, by their ledgers, as this process plans them. Throws PGS3130 where it plans them otherwise. */
async function takeable(work: Work, part: Part, session: SnapshotSession): Promise<ReadonlyMap<string, Takeable>> {
  const { context } = work;
  const { instance, offer, lent } = part;
  const seen: SourceCatalog = {
    ...(await readCatalog(context.source, context.stop)),
    ...(await session.relations?.()),
  };
  const { sinks } = await planAgain([instance], seen, true, context.stop);
  const plans = new Map(sinks[0]!.plans.map((plan) => [relationName(plan.source), plan]));
  const found = new Map<string, Takeable>();
  for (const { source, ledger, plan: digest } of offer.tables) {
    if (!lent.ledgers.includes(ledger)) continue;
    const plan = plans.get(source);
    if (plan === undefined || planDigest(plan) !== digest)
      throw runtimeError('PGS3130', `${source} is planned otherwise here than by the run`, {
        where: { table: source },
      });
    const opens = (): void => {
      if (work.doing === source) return;
      work.doing = source;
      context.log.log('info', 'work', `copies ranges of ${source}`, { table: source, standby: lent.standby ?? '' });
    };
    found.set(ledger, { plan, opens, count: () => {} });
  }
  return found;
}

/** Tells the run and `status` that this process is there. */
class SignsOfLife {
  readonly #work: Work;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;

  constructor(work: Work) {
    this.#work = work;
    this.#ended = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    for (const { ranges } of this.#work.sinks) await ranges.shared.leave(this.#work.id).catch(() => {});
  }

  async #run(): Promise<void> {
    const { id, done, sinks } = this.#work;
    while (!this.#stop.signal.aborted) {
      const note = { id, host: hostname(), pid: process.pid, ...done, doing: this.#work.doing };
      // What is wrong with the target, the work itself comes to.
      if (this.#work.begun) for (const { ranges } of sinks) await ranges.shared.note(note).catch(() => {});
      await pause(every.note, this.#stop.signal).catch(() => {});
    }
  }
}
