import type { Json } from '../api/checkpoint.ts';
import { formatLsn } from '../api/lsn.ts';
import type { RunView, SinkView, TableView } from './run-view.ts';

/** Tables named one by one in a record; beyond, only counts: a record is written every few seconds. */
const namedTables = 200;

/** The view as JSON: what `status` shows of a run in another process, and `/status.json`. */
export function statusRecord(view: RunView, now: number = Date.now()): { readonly [key: string]: Json } {
  const tables = [...view.tables.values()];
  return {
    pipeline: view.pipeline,
    pid: process.pid,
    at: now,
    startedAt: view.startedAt,
    phase: view.phase,
    phaseSince: view.phaseSince,
    retrying: view.retrying,
    source: {
      position: lsn(view.sourcePosition),
      confirmed: lsn(view.confirmed),
      retainedBytes: view.retainedBytes,
      safeBytes: view.safeBytes,
    },
    sinks: [...view.sinks.values()].map((sink) => sinkRecord(view, sink, now)),
    tableCounts: countByPhase(tables),
    tables: tables
      .filter(({ phase }) => tables.length <= namedTables || phase !== 'finished')
      .slice(0, namedTables)
      .map(tableRecord),
  };
}

function sinkRecord(view: RunView, sink: SinkView, now: number): Json {
  return {
    name: sink.name,
    written: lsn(sink.written),
    durable: lsn(sink.durable),
    lagBytes: view.lagBytes(sink),
    lagSeconds: view.lagSeconds(sink, now),
    transactions: sink.transactions,
    changes: sink.changes,
    bytes: sink.bytes,
    queuedBytes: sink.queued,
    retrying: sink.retrying,
  };
}

function tableRecord(table: TableView): Json {
  return {
    sink: table.sink,
    table: table.source,
    target: table.target,
    phase: table.phase,
    estimatedBytes: table.estimate,
    bytes: table.bytes,
    rows: String(table.rows),
    startedAt: table.startedAt,
    finishedAt: table.finishedAt,
  };
}

function countByPhase(tables: readonly TableView[]): { readonly [key: string]: Json } {
  const counts: Record<string, number> = { pending: 0, copying: 0, copied: 0, indexing: 0, finished: 0 };
  for (const { phase } of tables) counts[phase] = (counts[phase] ?? 0) + 1;
  return counts;
}

function lsn(value: bigint | null): string | null {
  return value === null ? null : formatLsn(value);
}
