import type { TablePlan } from '../api/plan.ts';
import { relationName } from '../api/relation.ts';

/** What a run is doing now: one mutable model that the runtime writes and every display reads (terminal, log, HTTP, `status`). */

export type RunPhase = 'starting' | 'schema' | 'copy' | 'index' | 'catch-up' | 'follow' | 'stopping' | 'done';
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
  finishedAt: number | null;
}

export interface SinkView {
  readonly name: string;
  /** End of the last transaction written, and the last one that is durable. */
  written: bigint | null;
  durable: bigint | null;
  /** Commit time of the last transaction written, microseconds since 1970-01-01 UTC. */
  commitTime: bigint | null;
  transactions: number;
  changes: number;
  bytes: number;
  /** Memory of the changes that wait for it or that it may be given again, in bytes. */
  queued: number;
  /** Code of the failure after which it is tried again, while others may go on. */
  retrying: string | null;
}

export class RunView {
  readonly pipeline: string;
  readonly startedAt: number = Date.now();
  phase: RunPhase = 'starting';
  phaseSince: number = Date.now();
  readonly tables = new Map<string, TableView>();
  readonly sinks = new Map<string, SinkView>();
  /** Last known end of the source's WAL. */
  sourcePosition: bigint | null = null;
  confirmed: bigint | null = null;
  retainedBytes: number | null = null;
  safeBytes: number | null = null;
  /** Set while the change plane waits to try again. */
  retrying: string | null = null;

  constructor(pipeline: string) {
    this.pipeline = pipeline;
  }

  enter(phase: RunPhase): void {
    if (this.phase === phase) return;
    this.phase = phase;
    this.phaseSince = Date.now();
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
        finishedAt: null,
      };
      this.tables.set(key, view);
    }
    return view;
  }

  /** The view of a sink, made at its first mention. */
  sink(name: string): SinkView {
    let view = this.sinks.get(name);
    if (view === undefined) {
      view = {
        name,
        written: null,
        durable: null,
        commitTime: null,
        transactions: 0,
        changes: 0,
        bytes: 0,
        queued: 0,
        retrying: null,
      };
      this.sinks.set(name, view);
    }
    return view;
  }

  /** Bytes of WAL between the source's end and what this sink has durable; null while unknown. */
  lagBytes(sink: SinkView): number | null {
    const at = sink.durable ?? sink.written;
    if (this.sourcePosition === null || at === null) return null;
    return Math.max(0, Number(this.sourcePosition - at));
  }

  /** Seconds since the commit of the last transaction written, 0 when nothing is behind; null while unknown. */
  lagSeconds(sink: SinkView, now: number = Date.now()): number | null {
    if (this.sourcePosition !== null && sink.durable !== null && sink.durable >= this.sourcePosition) return 0;
    if (sink.commitTime === null) return null;
    return Math.max(0, now / 1000 - Number(sink.commitTime) / 1e6);
  }
}
