import type { SourceSample, TableCounters } from '../../api/assessment.ts';
import type { Oid } from '../../postgres/relation.ts';

/** What happened in a table while it was watched. `deadRows`: at the end. */
export type TableActivity = TableCounters;

/** One step between two samples, for plots. Rates a second. */
export interface WatchPoint {
  /** Seconds since the watch began. */
  readonly at: number;
  readonly walBytes: number;
  readonly changes: number;
}

/**
 * The sum of what samples show. A counter that falls was reset in between (pg_stat_reset, a crash): what it shows then has
 * been counted since.
 */
export class Watched {
  readonly points: WatchPoint[] = [];
  readonly tables = new Map<Oid, TableActivity>();
  /** Bytes by pg_stat_wal: records without what fills up pages and segments. */
  walRecordBytes = 0;
  oldestWriter: number | null = null;
  readonly #first: SourceSample;
  #last: SourceSample;

  constructor(first: SourceSample) {
    this.#first = first;
    this.#last = first;
    this.oldestWriter = first.oldestWriter;
    for (const [oid, { deadRows }] of first.tables) {
      this.tables.set(oid, { inserts: 0, updates: 0, hotUpdates: 0, deletes: 0, deadRows });
    }
  }

  get seconds(): number {
    return (this.#last.at - this.#first.at) / 1000;
  }

  /** Bytes of WAL by its positions. */
  get walBytes(): number {
    return Number(this.#last.wal - this.#first.wal);
  }

  add(sample: SourceSample): void {
    const before = this.#last;
    let changes = 0;
    for (const [oid, now] of sample.tables) {
      const step = stepOf(before.tables.get(oid), now);
      changes += step.inserts + step.updates + step.deletes;
      this.tables.set(oid, sum(this.tables.get(oid), step));
    }
    this.walRecordBytes += counted(before.walBytes, sample.walBytes);
    if (sample.oldestWriter !== null) this.oldestWriter = Math.max(this.oldestWriter ?? 0, sample.oldestWriter);
    const seconds = (sample.at - before.at) / 1000;
    if (seconds > 0) {
      const at = (sample.at - this.#first.at) / 1000;
      this.points.push({ at, walBytes: Number(sample.wal - before.wal) / seconds, changes: changes / seconds });
    }
    this.#last = sample;
  }
}

function counted(before: number, now: number): number {
  return now >= before ? now - before : now;
}

/** Of a table that was not there before, all that is counted is new. */
function stepOf(before: TableCounters | undefined, now: TableCounters): TableActivity {
  return {
    inserts: counted(before?.inserts ?? 0, now.inserts),
    updates: counted(before?.updates ?? 0, now.updates),
    hotUpdates: counted(before?.hotUpdates ?? 0, now.hotUpdates),
    deletes: counted(before?.deletes ?? 0, now.deletes),
    deadRows: now.deadRows,
  };
}

function sum(before: TableActivity | undefined, step: TableActivity): TableActivity {
  if (before === undefined) return step;
  return {
    inserts: before.inserts + step.inserts,
    updates: before.updates + step.updates,
    hotUpdates: before.hotUpdates + step.hotUpdates,
    deletes: before.deletes + step.deletes,
    deadRows: step.deadRows,
  };
}
