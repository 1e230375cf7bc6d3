import type { SnapshotReplica } from '../../api/source-database.ts';
import type { HandoffLsn } from '../../postgres/lsn.ts';
import { pause, retryDelay } from '../../base/backoff.ts';
import {
  ChangedMeanwhile,
  type CopyRun,
  copyChunk,
  isLeft,
  type Item,
  leave,
  type Reader,
  TooOld,
} from './copy-chunk.ts';
import type { CopyJob } from './copy-job.ts';
import { noteReader } from './ledger.ts';
import { SnapshotAge } from './snapshot-age.ts';

/** Tries in a row that bring no range before a standby is left alone. */
const tries = 5;

/** Ranges that are still to come, in the order of the jobs. */
export class RangeQueue {
  readonly #items: Item[];

  constructor(jobs: readonly CopyJob[]) {
    this.#items = jobs.flatMap((job) => (job.ledger === null ? [] : job.chunks.map((chunk) => ({ job, chunk }))));
  }

  get left(): readonly Item[] {
    return this.#items;
  }

  take(fits: (job: CopyJob) => boolean): Item | undefined {
    const at = this.#items.findIndex(({ job }) => fits(job));
    return at === -1 ? undefined : this.#items.splice(at, 1)[0];
  }

  giveBack(item: Item): void {
    this.#items.unshift(item);
  }
}

/** Standbys of the source, each read under snapshots of its own (`snapshot.from`). */
export class ReplicaReaders {
  /** Each was opened, or could not be. */
  readonly opened: Promise<void>;
  readonly #run: CopyRun;
  readonly #queue: RangeQueue;
  readonly #reading = new Map<SnapshotReplica, ReadonlySet<CopyJob>>();
  readonly #ended: Promise<unknown>;

  constructor(run: CopyRun, queue: RangeQueue) {
    this.#run = run;
    this.#queue = queue;
    const { handoff } = run.round.session;
    const all = queue.left.length === 0 || handoff === null ? [] : (run.context.source.snapshot?.replicas ?? []);
    const replicas = all.filter((replica) => !run.options.ranges.without.has(replica));
    const tasks = replicas.map((replica) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      return { first: promise, all: this.#follow(replica, handoff!, resolve).finally(resolve) };
    });
    this.opened = Promise.all(tasks.map(({ first }) => first)).then(() => {});
    this.#ended = Promise.all(tasks.map(({ all }) => all));
  }

  /** Whether some standby is at a table. */
  reads(job: CopyJob): boolean {
    return [...this.#reading.values()].some((jobs) => jobs.has(job));
  }

  /** When no standby reads any more: the ranges that are left for the next snapshot. */
  async ended(): Promise<readonly Item[]> {
    await this.#ended;
    return this.#queue.left;
  }

  /** Snapshot after snapshot of one standby, until nothing is left that it can read. */
  async #follow(replica: SnapshotReplica, handoff: HandoffLsn, opened: () => void): Promise<void> {
    const { context, signal, options } = this.#run;
    const own = { done: 0 };
    for (let failures = 0; this.#queue.left.length > 0 && !signal.aborted; ) {
      const before = own.done;
      try {
        if (!(await this.#round(replica, { handoff, opened, own }))) return;
        failures = own.done > before ? 0 : failures + 1;
      } catch (error) {
        if (signal.aborted) return;
        failures = own.done > before ? 1 : failures + 1;
        const said = error instanceof Error ? error.message : String(error);
        context.log.log('warn', 'standby-retry', said, { standby: replica.name, attempt: failures });
        opened();
        await pause(retryDelay(failures), signal).catch(() => {});
      }
      if (failures < tries) continue;
      options.ranges.without.add(replica);
      return context.log.log('warn', 'standby-left', `${replica.name} is not read any more`, { standby: replica.name });
    }
  }

  /** False: this standby can read none of what is left. */
  async #round(
    replica: SnapshotReplica,
    {
      handoff,
      opened,
      own,
    }: { readonly handoff: HandoffLsn; readonly opened: () => void; readonly own: { done: number } },
  ): Promise<boolean> {
    const { context, options, signal } = this.#run;
    const since = performance.now();
    const session = await replica.open(handoff, signal);
    try {
      const jobs = new Set<CopyJob>();
      for (const job of new Set(this.#queue.left.map((item) => item.job)))
        if (await noteReader(context, job, session)) jobs.add(job);
      if (jobs.size === 0) return false;
      this.#reading.set(replica, jobs);
      opened();
      context.log.log('info', 'standby-reads', `${jobs.size} tables are read from ${replica.name}`, {
        standby: replica.name,
        tables: jobs.size,
      });
      const reader = { session, age: new SnapshotAge(since, options.maxAge), tries: 1 };
      const work = async (): Promise<void> => {
        while (!signal.aborted && !reader.age.isDue) {
          const item = this.#queue.take((job) => jobs.has(job));
          if (item === undefined) return;
          if (await this.#copy(item, reader)) own.done++;
        }
      };
      const done = await Promise.allSettled(Array.from({ length: options.workers }, work));
      for (const result of done) if (result.status === 'rejected') throw result.reason;
      return this.#queue.left.some(({ job }) => jobs.has(job));
    } finally {
      this.#reading.delete(replica);
      await session[Symbol.asyncDispose]();
    }
  }

  /** Whether it is in. */
  async #copy({ job, chunk }: Item, reader: Reader): Promise<boolean> {
    const run = this.#run;
    if (isLeft(run, job)) return false;
    try {
      await copyChunk(run, { job, chunk: { ...chunk, exactAt: reader.session.exactAt } }, reader);
      return true;
    } catch (error) {
      if (run.signal.aborted) return false;
      if (error instanceof ChangedMeanwhile) leave(run, job, error.cause);
      else {
        this.#queue.giveBack({ job, chunk });
        if (!(error instanceof TooOld)) throw error;
      }
      return false;
    }
  }
}
