import type { SnapshotReplica } from '../../api/source-database.ts';
import type { HandoffLsn } from '../../postgres/lsn.ts';
import { pause, retryDelay } from '../../base/backoff.ts';
import type { CopyRun } from './copy-chunk.ts';
import type { CopyJob } from './copy-job.ts';
import { noteReader } from './ledger.ts';
import { lend, takeBack } from './lending.ts';
import type { Ranges } from './ranges.ts';
import { SnapshotAge } from './snapshot-age.ts';

/** Tries in a row that bring no range before a standby is left alone. */
const tries = 5;

/** Standbys of the source, each read under snapshots of its own (`snapshot.from`). */
export class ReplicaReaders {
  /** Each was opened, or could not be. */
  readonly opened: Promise<void>;
  readonly #run: CopyRun;
  readonly #ranges: Ranges;
  readonly #reading = new Map<SnapshotReplica, ReadonlySet<CopyJob>>();
  readonly #ended: Promise<unknown>;

  constructor(run: CopyRun, ranges: Ranges) {
    this.#run = run;
    this.#ranges = ranges;
    const { handoff } = run.round.session;
    const all = ranges.left.length === 0 || handoff === null ? [] : (run.context.source.snapshot?.replicas ?? []);
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

  /** When no standby reads any more: the tables of which ranges are left for the next snapshot. */
  async ended(): Promise<readonly CopyJob[]> {
    await this.#ended;
    return this.#ranges.left;
  }

  /** Snapshot after snapshot of one standby, until nothing is left that it can read. */
  async #follow(replica: SnapshotReplica, handoff: HandoffLsn, opened: () => void): Promise<void> {
    const { context, signal, options } = this.#run;
    const own = { done: 0 };
    for (let failures = 0; this.#ranges.left.length > 0 && !signal.aborted; ) {
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
    const { session: of } = this.#run.round;
    // The stream may be applied up to the source's snapshot before this one's ranges are all in.
    const session = await replica.open({ handoff, least: options.streams ? of.exactAt : handoff }, signal);
    try {
      const jobs = new Set<CopyJob>();
      for (const job of this.#ranges.left) if (await noteReader(context, job, session)) jobs.add(job);
      if (jobs.size === 0) return false;
      this.#reading.set(replica, jobs);
      opened();
      context.log.log('info', 'standby-reads', `${jobs.size} tables are read from ${replica.name}`, {
        standby: replica.name,
        tables: jobs.size,
      });
      const reader = { session, age: new SnapshotAge(since, options.maxAge), tries: 1 };
      await lend(this.#run, [...jobs], { standby: replica.name, session, since });
      const read = () =>
        this.#ranges.read(
          reader,
          (job) => jobs.has(job),
          () => own.done++,
        );
      const done = await Promise.allSettled(Array.from({ length: options.workers }, read));
      for (const result of done) if (result.status === 'rejected') throw result.reason;
      return this.#ranges.left.some((job) => jobs.has(job));
    } finally {
      this.#reading.delete(replica);
      await takeBack(this.#run, replica.name);
      await session[Symbol.asyncDispose]();
    }
  }
}
