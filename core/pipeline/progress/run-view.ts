import type { WorkerStatus } from '../../api/shared-copy.ts';
import type { HeldSnapshot } from '../../api/source-control.ts';
import type { TablePlan } from '../../api/plan.ts';
import type { LaneView } from '../../api/sink.ts';
import { relationName } from '../../postgres/relation.ts';
import { History } from './history.ts';
import type { RunEvents } from './run-events.ts';
import { noRates, type Rates } from './rates.ts';
import { SourceClock } from './source-clock.ts';
import type { VerificationView } from './verification-view.ts';
import type { RunPhase, RunState } from '../state/run-state.ts';

export type TablePhase = 'pending' | 'copying' | 'copied' | 'indexing' | 'finished';

export interface TableView {
  readonly sink: string;
  /** `schema.table` on the source and in the sink. */
  readonly source: string;
  readonly target: string;
  phase: TablePhase;
  /** Estimated bytes on the source; bytes and rows sent so far. */
  readonly estimate: number;
  bytes: number;
  rows: bigint;
  startedAt: number | null;
  /** All rows are in the target; indexes and constraints may not be built yet. */
  copiedAt: number | null;
  finishedAt: number | null;
  /** Bytes per second between the last two looks, while the table is copied. */
  rate: number;
}

export interface SinkView {
  readonly name: string;
  /** End of the last transaction written, and the last one that is durable. */
  written: bigint | null;
  readonly durable: bigint | null;
  /** Commit time of the last transaction written, microseconds since 1970-01-01 UTC. */
  commitTime: bigint | null;
  transactions: number;
  changes: number;
  bytes: number;
  /** Memory of the changes that wait for the sink or that it may be given again, in bytes. */
  queued: number;
  /** Code of the failure after which the sink is retried, while others may go on. */
  retrying: string | null;
  /** Transactions that were read and are not written yet. */
  waiting: number;
  /** Changes that the sink could not deliver and that went to the dead letters, of all runs. */
  deadLetters: number;
  /** Each session of a sink that has several. */
  lanes: readonly LaneView[];
}

/** What the stream has output since it was opened. */
export interface ReadView {
  readonly from: bigint;
  upTo: bigint;
  transactions: number;
}

/** What a run is doing now, for displays (terminal, log, HTTP, `status`). Decisions read {@link RunState} instead. */
export class RunView {
  readonly pipeline: string;
  readonly startedAt: number = Date.now();
  readonly tables: Map<string, TableView>;
  readonly sinks = new Map<string, SinkView>();
  /** Last known end of the source's WAL. */
  sourcePosition: bigint | null = null;
  retainedBytes: number | null = null;
  safeBytes: number | null = null;
  /** pg_replication_slots.wal_status of the pipeline's slot. */
  walStatus: string | null = null;
  /** The oldest snapshot that this pipeline holds on the source. */
  held: HeldSnapshot | null = null;
  /** Bytes per second by which the kept WAL grows (negative: shrinks), over the last minutes. */
  retainedGrowth: number | null = null;
  /** Code of the error with which the last look at the source failed. */
  sourceError: string | null = null;
  /** The process is about to end, for whatever reason. */
  ended = false;
  /** The error that ends the run, as one line. */
  failure: string | null = null;
  /** Set while the change plane waits to retry. */
  retrying: string | null = null;
  /** Reconnections after a failure, and chunks that were copied again. */
  streamRetries = 0;
  chunkRetries = 0;
  /** Tables (per sink) that an earlier run has finished: they are in the checkpoint and not in `tables`. */
  finishedBefore = 0;
  read: ReadView | null = null;
  /** Other processes that take part in the copy. */
  workers: readonly WorkerStatus[] = [];
  /** Null: the file asks for no verification. */
  verification: VerificationView | null = null;
  rates: Rates = noRates;
  readonly clock = new SourceClock();
  readonly history = new History();
  /** The events of the run, if a display reads them. */
  events: RunEvents | null = null;

  readonly run: RunState;

  /** `tables`: those of another view that also shows this view's tables. */
  constructor(pipeline: string, run: RunState, tables = new Map<string, TableView>()) {
    this.pipeline = pipeline;
    this.run = run;
    this.tables = tables;
  }

  get phase(): RunPhase {
    return this.run.phase;
  }
  get phaseSince(): number {
    return this.run.phaseSince;
  }
  get confirmed(): bigint | null {
    return this.run.confirmed;
  }

  /** The view of a table in a sink, made at its first mention. */
  table(sink: string, plan: TablePlan, estimate: number): TableView {
    const source = relationName(plan.source);
    const key = `${sink}:${source}`;
    let view = this.tables.get(key);
    if (view === undefined) {
      const target = relationName(plan.output);
      view = {
        sink,
        source,
        target,
        phase: 'pending',
        estimate,
        bytes: 0,
        rows: 0n,
        startedAt: null,
        copiedAt: null,
        finishedAt: null,
        rate: 0,
      };
      this.tables.set(key, view);
    }
    return view;
  }

  /** The view of a sink, made at its first mention. */
  sink(name: string): SinkView {
    let view = this.sinks.get(name);
    if (view === undefined) {
      const { run } = this;
      view = {
        name,
        written: null,
        get durable() {
          return run.durable(name);
        },
        commitTime: null,
        transactions: 0,
        changes: 0,
        bytes: 0,
        queued: 0,
        retrying: null,
        waiting: 0,
        deadLetters: 0,
        lanes: [],
      };
      this.sinks.set(name, view);
    }
    return view;
  }

  /** A stream was opened at this position. */
  opened(from: bigint): void {
    this.read = { from, upTo: from, transactions: 0 };
    this.retrying = null;
  }

  /** A batch was read; `boundary` null: it ends inside a transaction. */
  received(boundary: bigint | null, transactions: number): void {
    if (this.read !== null) {
      this.read.transactions += transactions;
      if (boundary !== null) this.read.upTo = boundary;
    }
    if (boundary !== null) this.sawSource(boundary);
  }

  /** The source's WAL reaches at least up to here. */
  sawSource(position: bigint): void {
    if (this.sourcePosition === null || position > this.sourcePosition) this.sourcePosition = position;
  }

  /**
   * Position up to which the sink has everything. A confirmed idle position may be beyond its last transaction (I3).
   */
  reached(sink: SinkView): bigint | null {
    const at = sink.durable ?? sink.written;
    if (at === null || this.confirmed === null) return at;
    return this.confirmed > at ? this.confirmed : at;
  }

  /** Bytes of WAL between the source's end and the sink's durable position; null while unknown. */
  lagBytes(sink: SinkView): number | null {
    const at = this.reached(sink);
    if (this.sourcePosition === null || at === null) return null;
    return Math.max(0, Number(this.sourcePosition - at));
  }

  /**
   * Seconds by which the sink is behind, 0 when there is no backlog: since the commit of the last transaction written,
   * or since the source was at the sink's present position, whichever is less. Null while unknown.
   */
  lagSeconds(sink: SinkView, now: number = Date.now()): number | null {
    const at = this.reached(sink);
    if (this.sourcePosition !== null && at !== null && at >= this.sourcePosition) return 0;
    const sinceCommit = sink.commitTime === null ? null : now / 1000 - Number(sink.commitTime) / 1e6;
    const sinceThere = at === null ? null : this.clock.behind(at, now);
    if (sinceCommit === null) return sinceThere;
    return Math.max(0, sinceThere === null ? sinceCommit : Math.min(sinceCommit, sinceThere));
  }

  /**
   * Transactions by which the sink is behind: those read and not written, and an estimate of those not read yet, from
   * the WAL per transaction so far. Null while unknown.
   */
  lagTransactions(sink: SinkView): number | null {
    if (this.lagBytes(sink) === 0) return 0;
    const { read, sourcePosition } = this;
    if (read === null || sourcePosition === null) return null;
    const confirmed = this.confirmed !== null && this.confirmed > read.upTo ? this.confirmed : read.upTo;
    const unread = Math.max(0, Number(sourcePosition - confirmed));
    if (unread === 0) return sink.waiting;
    if (read.transactions === 0 || read.upTo <= read.from) return null;
    return sink.waiting + Math.round((unread * read.transactions) / Number(read.upTo - read.from));
  }

  /** Seconds until the slot reaches max_slot_wal_keep_size at the present growth; null: never, or unknown. */
  get limitSeconds(): number | null {
    if (this.safeBytes === null || this.retainedGrowth === null || this.retainedGrowth <= 0) return null;
    return Math.max(0, this.safeBytes) / this.retainedGrowth;
  }
}
