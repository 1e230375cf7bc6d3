import { hostname } from 'node:os';
import type { Json } from '../../api/checkpoint.ts';
import { formatLsn } from '../../postgres/lsn.ts';
import { copyFigures } from './copy-figures.ts';
import type { RunView, SinkView, TablePhase, TableView } from './run-view.ts';
import { countVerdicts, oldestSeconds, worstFirst } from './verification-view.ts';

/** Tables that are listed in a record; beyond that only counts, as a record is written every few seconds. */
const namedTables = 200;

/** First tables that are being copied, then those that wait, then those that are finished. */
const order: readonly TablePhase[] = ['copying', 'indexing', 'copied', 'pending', 'finished'];

/**
 * The view as JSON: what `status` shows of a run in another process, and `/status.json`. Documented in docs/watching.md:
 * keys are added, never renamed. Times are milliseconds since 1970, positions text, counts of rows text.
 */
export function statusRecord(view: RunView, now: number = Date.now()): { readonly [key: string]: Json } {
  const tables = [...view.tables.values()];
  const copy = copyFigures(view, now);
  return {
    pipeline: view.pipeline,
    pid: process.pid,
    host: hostname(),
    at: now,
    ended: view.ended,
    failure: view.failure,
    startedAt: view.startedAt,
    phase: view.phase,
    phaseSince: view.phaseSince,
    retrying: view.retrying,
    retries: { stream: view.streamRetries, chunks: view.chunkRetries },
    source: {
      position: lsn(view.sourcePosition),
      confirmed: lsn(view.confirmed),
      retainedBytes: view.retainedBytes,
      safeBytes: view.safeBytes,
      walStatus: view.walStatus,
      limitSeconds: view.limitSeconds,
      held: view.held === null ? null : { ...view.held },
      error: view.sourceError,
    },
    rates: { ...view.rates },
    copy: {
      tables: copy.tables,
      finished: copy.finished,
      estimatedBytes: copy.estimatedBytes,
      doneBytes: copy.doneBytes,
      bytes: copy.bytes,
      rows: String(copy.rows),
      secondsLeft: copy.secondsLeft,
    },
    sinks: [...view.sinks.values()].map((sink) => sinkRecord(view, sink, now)),
    tableCounts: { ...copy.phases },
    tables: tables
      .filter(({ phase }) => tables.length <= namedTables || phase !== 'finished')
      .sort((a, b) => order.indexOf(a.phase) - order.indexOf(b.phase))
      .slice(0, namedTables)
      .map((table) => tableRecord(table, now)),
    workers: view.workers.map((worker) => ({ ...worker })),
    verification: verificationRecord(view, now),
  };
}

function verificationRecord({ verification }: RunView, now: number): Json {
  if (verification === null) return null;
  const { every, repair, waits, tables } = verification;
  return {
    every,
    repair,
    waits,
    oldestSeconds: oldestSeconds(tables, now),
    counts: { ...countVerdicts(tables) },
    tables: worstFirst(tables)
      .slice(0, namedTables)
      .map((table) => ({ ...table, named: table.named.map((row) => ({ ...row })) })),
  };
}

function sinkRecord(view: RunView, sink: SinkView, now: number): Json {
  return {
    name: sink.name,
    written: lsn(sink.written),
    durable: lsn(sink.durable),
    lagBytes: view.lagBytes(sink),
    lagSeconds: view.lagSeconds(sink, now),
    lagTransactions: view.lagTransactions(sink),
    transactions: sink.transactions,
    changes: sink.changes,
    bytes: sink.bytes,
    queuedBytes: sink.queued,
    retrying: sink.retrying,
    deadLetters: sink.deadLetters,
    lanes: sink.lanes.map(({ queuedBytes, durable }) => ({ queuedBytes, durable: lsn(durable) })),
  };
}

function tableRecord(table: TableView, now: number): Json {
  return {
    sink: table.sink,
    table: table.source,
    target: table.target,
    phase: table.phase,
    estimatedBytes: table.estimate,
    bytes: table.bytes,
    rows: String(table.rows),
    startedAt: table.startedAt,
    copiedAt: table.copiedAt,
    rate: table.rate,
    secondsLeft: secondsLeft(table, now),
    finishedAt: table.finishedAt,
  };
}

/** From the pace since the start of the table: the momentary rate jumps. */
function secondsLeft({ phase, startedAt, bytes, estimate }: TableView, now: number): number | null {
  if (phase !== 'copying' || startedAt === null || bytes === 0) return null;
  const seconds = (now - startedAt) / 1000;
  return seconds < 1 ? null : (Math.max(0, estimate - bytes) * seconds) / bytes;
}

function lsn(value: bigint | null): string | null {
  return value === null ? null : formatLsn(value);
}
