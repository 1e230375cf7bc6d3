import { setMaxListeners } from 'node:events';
import type { StreamBatch } from '../../../api/change.ts';
import { pause } from '../../../base/backoff.ts';
import { PgsluiceError } from '../../../base/error.ts';
import type { VerifyConfig } from '../../../config/pipeline-config.ts';
import { needed } from '../../../pipeline/open/capability.ts';
import type { Instances, RunContext } from '../../../pipeline/open/instances.ts';
import { member } from '../../../pipeline/state/entries.ts';
import type { Companion } from '../../run/run.ts';
import { type Aligned, alignThere, type RunReports } from '../aligned.ts';
import { openView } from '../views.ts';
import { ChangeMarks } from './change-marks.ts';
import { Doubts } from './doubts.ts';
import { repairHeld } from './held-repair.ts';
import { findJobs, type Job, type Jobs } from './jobs.ts';
import { awaitShort } from './open-transactions.ts';
import { comparePart, type Due, longestStatement, ViewSpent } from './slice.ts';
import type { Part, TableCheck } from './table-check.ts';

/** Milliseconds in which parts are begun in one view; with the statement under way a snapshot stays below a minute. */
const sliceMs = 15_000;
/** Milliseconds that the run may take to come close, and after which the tables are read again. */
const patience = 60_000;
const planAgain = 30_000;
/** Of its own time it rests so many times as much; where that would make it late, as much. */
const rest = 9;
/** Repairs of a table in a row, each of up to {@link mostAtOnce} rows; beyond, a new copy is the better way. */
const mostRepairs = 20;

export interface EndlessOptions {
  readonly context: RunContext;
  readonly instances: Instances;
  readonly verify: VerifyConfig;
}

/**
 * Verification beside the stream that never ends: each range of each table is compared once in `every`, at a position of its own, in views
 * that live for seconds. It rests nine times as long as it works. What fails here never ends the run: it is told, and tried again.
 */
export class EndlessVerification implements Companion {
  readonly #context: RunContext;
  readonly #options: EndlessOptions;
  readonly #over = new AbortController();
  readonly #reached = new Set<string>();
  readonly #marks = new ChangeMarks();
  readonly #doubts = new Doubts();
  readonly #working: Promise<void>;
  #known: Jobs = { jobs: [], checks: [] };
  #planned = 0;
  #waits: string | null = null;

  constructor(options: EndlessOptions) {
    const stop = AbortSignal.any([options.context.stop, this.#over.signal]);
    setMaxListeners(0, stop);
    this.#context = { ...options.context, stop };
    this.#options = options;
    this.#working = this.#loop();
  }

  /** What the stream brings, before the sinks get it. */
  see(batch: StreamBatch): void {
    this.#marks.see(batch);
  }

  /** True: the barrier was one of these. */
  reached(id: string): boolean {
    if (!id.startsWith(prefix)) return false;
    this.#reached.add(id);
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#working;
  }

  async #loop(): Promise<void> {
    const { stop, log } = this.#context;
    for (let failures = 0; !stop.aborted; ) {
      try {
        await this.#turn();
        failures = 0;
      } catch (error) {
        if (stop.aborted) return;
        this.#planned = 0;
        this.#waits = error instanceof Error ? error.message : String(error);
        const fields = error instanceof PgsluiceError ? { code: error.code } : {};
        if (++failures === 3) log.log('warn', 'verification-waits', `verification waits: ${this.#waits}`, fields);
        this.#publish();
        await pause(Math.min(1000 * 2 ** failures, this.#every / 4, patience), stop).catch(() => {});
      }
    }
  }

  async #turn(): Promise<void> {
    const { stop } = this.#context;
    if (Date.now() - this.#planned > planAgain) await this.#plan();
    const due = this.#due();
    if (due.length === 0) {
      this.#publish();
      await pause(Math.min(1000, this.#every / 20), stop);
      return;
    }
    const started = performance.now();
    await awaitShort(this.#context, patience);
    const touched = await this.#slice(due);
    this.#waits = null;
    if (this.#options.verify.repair) for (const each of touched) await this.#repair(each);
    await this.#note(touched);
    const took = performance.now() - started;
    // The stream, which stood still for it, is never given less time than it took.
    await pause(this.#isLate() ? took : Math.max(took, Math.min(rest * took, this.#every / 4)), stop);
  }

  get #every(): number {
    return this.#options.verify.every;
  }

  async #plan(): Promise<void> {
    const before = new Map(this.#known.checks.map((check) => [check.key, check]));
    this.#known = await findJobs(this.#context, this.#options.instances, before);
    this.#planned = Date.now();
    this.#marks.watch(this.#known.jobs);
    this.#publish();
    const kept = new Set(this.#known.checks.map(({ key }) => key));
    const gone = [...this.#context.state.all('verified').keys()].filter((key) => !kept.has(key));
    if (gone.length > 0) await this.#context.state.putAll(gone.map((key) => member('verified', key, null)));
  }

  /** Parts whose time has come, the longest overdue first. */
  #due(): readonly Due[] {
    const now = Date.now();
    const due = this.#known.jobs.flatMap((job) =>
      job.check.parts
        .map((part) => ({ job, part, at: job.check.dueAt(part, this.#every) }))
        .filter(({ at }) => at <= now),
    );
    return due.sort((a, b) => a.at - b.at);
  }

  #isLate(): boolean {
    const limit = Date.now() - this.#every * 0.9;
    return this.#known.jobs.some(({ check }) =>
      check.parts.some(({ at }) => (at === null ? check.begun : Date.parse(at.time)) < limit),
    );
  }

  /** Compares what is due, in one view. Returns the parts that were looked at. */
  async #slice(due: readonly Due[]): Promise<readonly Due[]> {
    const { source, stop } = this.#context;
    const sinks = [...new Set(due.map(({ job }) => job.sink))];
    const digests = needed(source, 'digests', 'verification');
    const options = { source: digests, sinks, workers: 1, signal: stop, longest: longestStatement };
    const view = await openView(() => this.#align(), options);
    const touched: Due[] = [];
    const retryIn = this.#every / 10;
    try {
      for (const each of due) {
        if (performance.now() - view.opened > sliceMs) break;
        touched.push(each);
        const more = { context: this.#context, doubts: this.#doubts, signal: stop, retryIn };
        await view.bySink.get(each.job.sink)!.use((sides) => comparePart(more, each, sides));
      }
    } catch (error) {
      if (!(error instanceof ViewSpent)) throw error;
      // What a statement of DDL on its way makes of a table is known when it is planned again.
      this.#planned = 0;
    } finally {
      await view.close();
    }
    return touched;
  }

  #align(): Promise<Aligned> {
    const { state } = this.#context;
    const reports: RunReports = {
      come: (id) => Promise.resolve(this.#reached.delete(id)),
      held: (id) => Promise.resolve(state.get('held')?.id === id),
      every: 20,
    };
    return alignThere(this.#context, reports, { patience, prefix });
  }

  async #repair({ job, part }: { readonly job: Job; readonly part: Part }): Promise<void> {
    const { log } = this.#context;
    const { check, sink } = job;
    if (!part.differs || part.again || part.differences.length === 0 || check.leftOut !== null) return;
    if (check.repairs >= mostRepairs) {
      check.leftOut = `more rows differ than are repaired one by one: pgsluice resync FILE ${check.table}`;
      return;
    }
    if (sink.sink.repair === undefined) return;
    try {
      const rows = await repairHeld(this.#context, () => this.#align(), job, part);
      if (rows === 0) return;
      check.repairs++;
      check.repaired += rows;
      part.again = true;
      const fields = { table: check.table, sink: sink.name, rows };
      log.log('info', 'verification-repaired', `${check.table}: ${rows} rows copied again in ${sink.name}`, fields);
    } catch (error) {
      if (!(error instanceof PgsluiceError) || error.retry === 'backoff') throw error;
      // It gave in to the session that applies: what differs is looked at again.
      if (error.where.sqlstate === '55P03' || error.where.sqlstate === '40P01') {
        part.again = true;
        return;
      }
      log.log('warn', 'verification-not-repaired', error.message, { table: check.table, code: error.code });
      check.repairs = mostRepairs;
    }
  }

  async #note(touched: readonly Due[]): Promise<void> {
    const checks = new Set<TableCheck>(touched.map(({ job }) => job.check));
    await this.#context.state.putAll([...checks].map((check) => member('verified', check.key, check.note())));
    this.#publish();
  }

  #publish(): void {
    const { every, repair } = this.#options.verify;
    const tables = this.#known.checks.map((check) => check.view());
    this.#context.view.verification = { every, repair, waits: this.#waits, tables };
  }
}

/** Of ids of barriers that this verification writes. */
const prefix = 'verify:';
