import type { PlannedSink } from '../open/instances.ts';
import { pause } from '../../base/backoff.ts';
import type { PgsluiceError } from '../../base/error.ts';
import {
  again,
  ChangedMeanwhile,
  type CopyRun,
  isLeft,
  leave,
  type Reader,
  startsNow,
  tableCopied,
} from './copy-chunk.ts';
import type { CopyJob } from './copy-job.ts';
import { takeRange } from './take-range.ts';

/** Milliseconds between two looks at ranges that other processes are at. */
const everyLook = 300;

/** The tables that are copied in ranges. Which range comes next, their sink says: other processes take of them, too. */
export class Ranges {
  readonly #run: CopyRun;
  readonly #open: Set<CopyJob>;

  constructor(run: CopyRun) {
    this.#run = run;
    this.#open = new Set(run.jobs.filter(({ ledger }) => ledger !== null));
  }

  /** Those of which ranges are not in. */
  get left(): readonly CopyJob[] {
    for (const job of this.#open) if (isLeft(this.#run, job)) this.#open.delete(job);
    return [...this.#open];
  }

  /**
   * Copies ranges of the tables that fit until they are through, also what other processes are at, or the snapshot is too old. Throws
   * what a range failed with. `done` hears of each that is in.
   */
  async read(reader: Reader, fits: (job: CopyJob) => boolean, done: () => void): Promise<void> {
    const { signal } = this.#run;
    let attempt = 0;
    while (!signal.aborted && !reader.age.isDue) {
      const jobs = this.left.filter(fits);
      if (jobs.length === 0) return;
      const at: { job: CopyJob | null } = { job: null };
      try {
        if (await this.#one(reader, jobs, at)) {
          attempt = 0;
          done();
        } else if (!(await this.#isThrough(jobs))) await pause(everyLook, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        if (reader.age.over.aborted) return;
        await this.#failed(error, at.job ?? jobs[0]!, { attempt: ++attempt, tries: reader.tries });
      }
    }
  }

  /** Whether a range was free. */
  async #one({ session, age }: Reader, jobs: readonly CopyJob[], at: { job: CopyJob | null }): Promise<boolean> {
    const { options } = this.#run;
    const signal = AbortSignal.any([this.#run.signal, age.over]);
    for (const [sink, some] of bySink(jobs)) {
      const begun = performance.now();
      const readings = some.map((job) => ({ job, ...job.reading() }));
      const tables = readings.map(({ job, count }) => {
        const opens = (): void => {
          at.job = job;
          startsNow(job);
        };
        return [job.ledger!.noted.id, { plan: job.plan, count, opens }] as const;
      });
      const input = { ranges: sink.sink.snapshot.ranges!, tables: new Map(tables), session };
      try {
        const taken = await takeRange({ ...input, limit: options.limit, signal });
        if (taken === null) continue;
        age.took(performance.now() - begun);
        options.ranges.done++;
        some.find((job) => job.ledger!.noted.id === taken.ledger)!.loaded(taken.rows, taken.bytes);
        return true;
      } catch (error) {
        for (const { undo } of readings) undo();
        throw error;
      }
    }
    return false;
  }

  /** Finishes those of which all ranges are in. False: other processes are at some of the others. */
  async #isThrough(jobs: readonly CopyJob[]): Promise<boolean> {
    const run = this.#run;
    let all = true;
    for (const [sink, some] of bySink(jobs)) {
      const ledgers = some.map((job) => job.ledger!.noted.id);
      const waiting = await sink.sink.snapshot.ranges!.waiting(ledgers, run.signal);
      for (const job of some) {
        if (waiting.has(job.ledger!.noted.id)) all = false;
        else if (this.#open.delete(job)) run.finishing.follow(tableCopied(run, job));
      }
    }
    return all;
  }

  async #failed(error: unknown, job: CopyJob, of: { readonly attempt: number; readonly tries: number }): Promise<void> {
    try {
      const id = (error as Partial<PgsluiceError>).where?.chunk ?? job.name;
      await again(this.#run, error, { job, id, ...of });
    } catch (failure) {
      if (!(failure instanceof ChangedMeanwhile)) throw failure;
      leave(this.#run, job, failure.cause);
    }
  }
}

function bySink(jobs: readonly CopyJob[]): ReadonlyMap<PlannedSink, readonly CopyJob[]> {
  return Map.groupBy(jobs, ({ sink }) => sink);
}
