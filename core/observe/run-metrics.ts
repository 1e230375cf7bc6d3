import { Counter, Gauge, type Registry } from 'prom-client';
import { copyFigures } from '../pipeline/progress/copy-figures.ts';
import type { RunView, SinkView } from '../pipeline/progress/run-view.ts';
import type { LaneView } from '../api/sink.ts';
import { countVerdicts, oldestSeconds, worstFirst } from '../pipeline/progress/verification-view.ts';
import type { RunPhase } from '../pipeline/state/run-state.ts';

type Labels = Readonly<Record<string, string>>;
/** Null: not known, and not shown. */
type Sample = readonly [Labels, number | null];

interface Figure {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  readonly of: (view: RunView) => readonly Sample[];
}

/** One figure of the run as a whole, or one of each sink. */
function whole(name: string, help: string, of: (view: RunView) => number | null): Figure {
  return { name, help, of: (view) => [[{}, of(view)]] };
}
function each(name: string, help: string, of: (sink: SinkView, view: RunView) => number | null): Figure {
  const samples = (view: RunView) =>
    [...view.sinks.values()].map((sink): Sample => [{ sink: sink.name }, of(sink, view)]);
  return { name: `sink_${name}`, help, labels: ['sink'], of: samples };
}

/** One figure of each session of sinks that have several. */
function lanes(name: string, help: string, of: (lane: LaneView) => number | null): Figure {
  const samples = (view: RunView) =>
    [...view.sinks.values()].flatMap((sink) =>
      sink.lanes.map((lane, i): Sample => [{ sink: sink.name, lane: String(i) }, of(lane)]),
    );
  return { name: `lane_${name}`, help, labels: ['sink', 'lane'], of: samples };
}

const phases: readonly RunPhase[] = ['starting', 'schema', 'copy', 'index', 'catch-up', 'follow', 'stopping', 'done'];
const copy = (view: RunView) => copyFigures(view, Date.now());
const number = (value: bigint | null) => (value === null ? null : Number(value));

const verified = (view: RunView) => view.verification?.tables ?? [];
/** Tables with figures of their own; beyond, the worst ones. */
const mostTables = 500;

const gauges: readonly Figure[] = [
  whole('start_time_seconds', 'start of the run', (view) => view.startedAt / 1000),
  {
    name: 'phase',
    help: '1 for the phase that the run is in',
    labels: ['phase'],
    of: (view) => phases.map((phase) => [{ phase }, view.phase === phase ? 1 : 0]),
  },
  whole('retrying', '1 while the stream waits to be opened again', (view) => (view.retrying === null ? 0 : 1)),
  whole('source_wal_position_bytes', "end of the source's WAL", (view) => number(view.sourcePosition)),
  whole('source_confirmed_position_bytes', 'position confirmed to the source', (view) => number(view.confirmed)),
  whole('source_reachable', '1 if the last look at the source succeeded', (view) =>
    view.sourceError === null ? 1 : 0,
  ),
  whole('slot_retained_wal_bytes', 'WAL that the slot keeps on the source', (view) => view.retainedBytes),
  whole('slot_safe_wal_bytes', 'WAL until max_slot_wal_keep_size cuts the slot off', (view) => view.safeBytes),
  whole('slot_limit_seconds', 'seconds until then, if the kept WAL goes on growing', (view) => view.limitSeconds),
  whole('snapshot_seconds', 'age of the oldest snapshot held on the source', (view) => view.held?.seconds ?? null),
  whole('snapshot_xid_age', 'transaction ids given out since that snapshot', (view) => view.held?.transactions ?? null),
  whole(
    'snapshot_dead_rows',
    'dead rows of the source, which vacuum may have to leave for that snapshot',
    (view) => view.held?.deadRows ?? null,
  ),
  {
    name: 'copy_tables',
    help: 'tables of all sinks by state of their copy',
    labels: ['state'],
    of: (view) => Object.entries(copy(view).phases).map(([state, count]) => [{ state }, count]),
  },
  whole(
    'copy_estimated_bytes',
    "estimated size of this run's tables on the source",
    (view) => copy(view).estimatedBytes,
  ),
  whole('copy_through_bytes', 'part of the estimate that is through', (view) => copy(view).doneBytes),
  {
    name: 'verify_tables',
    help: 'tables of all sinks by verdict of the verification beside the stream',
    labels: ['verdict'],
    of: (view) =>
      view.verification === null
        ? []
        : Object.entries(countVerdicts(verified(view))).map(([verdict, count]) => [{ verdict }, count]),
  },
  {
    name: 'verify_age_seconds',
    help: 'age of the oldest comparison that the verdict of a table rests on',
    labels: ['sink', 'table'],
    of: (view) =>
      worstFirst(verified(view))
        .slice(0, mostTables)
        .map(({ sink, table, since }) => [{ sink, table }, since === null ? null : (Date.now() - since) / 1000]),
  },
  whole('verify_oldest_seconds', 'age of the oldest comparison of all tables; absent until all were compared', (view) =>
    oldestSeconds(verified(view), Date.now()),
  ),
  {
    name: 'verify_differing_rows',
    help: 'rows of a table that differ, as far as they were looked for',
    labels: ['sink', 'table'],
    of: (view) =>
      worstFirst(verified(view))
        .slice(0, mostTables)
        .map(({ sink, table, differing }) => [{ sink, table }, differing]),
  },
  whole('verify_waiting', '1 while verification waits for the source or the run', (view) =>
    view.verification === null ? null : view.verification.waits === null ? 0 : 1,
  ),
  each('lag_bytes', 'WAL that the sink is behind', (sink, view) => view.lagBytes(sink)),
  each('lag_seconds', 'seconds that the sink is behind', (sink, view) => view.lagSeconds(sink)),
  each('lag_transactions', 'transactions behind, those not read yet estimated', (sink, view) =>
    view.lagTransactions(sink),
  ),
  each('written_position_bytes', 'end of the last transaction written', (sink) => number(sink.written)),
  each('durable_position_bytes', 'end of the last durable transaction', (sink) => number(sink.durable)),
  each('queued_bytes', 'memory of the changes that wait', (sink) => sink.queued),
  lanes('queued_bytes', 'memory of the changes that wait for the lane', ({ queuedBytes }) => queuedBytes),
  lanes('durable_position_bytes', 'end of the last transaction that the lane has durably', ({ durable }) =>
    number(durable),
  ),
  each('retrying', '1 while the sink is tried again', (sink) => (sink.retrying === null ? 0 : 1)),
];

const counters: readonly Figure[] = [
  whole('copy_bytes_total', 'bytes sent by the copy', (view) => copy(view).bytes),
  whole('copy_rows_total', 'rows sent by the copy', (view) => Number(copy(view).rows)),
  whole('verify_repaired_rows_total', 'rows that verification copied again', (view) =>
    view.verification === null ? null : verified(view).reduce((sum, { repaired }) => sum + repaired, 0),
  ),
  whole('stream_retries_total', 'times the stream was opened again after a failure', (view) => view.streamRetries),
  whole('chunk_retries_total', 'chunks copied again after a failure', (view) => view.chunkRetries),
  each('transactions_total', 'transactions written', (sink) => sink.transactions),
  each('changes_total', 'changes written', (sink) => sink.changes),
  each('bytes_total', 'bytes of changes written', (sink) => sink.bytes),
  each('dead_letters_total', 'changes that went to the dead letters, of all runs', (sink) => sink.deadLetters),
];

/** Names, help and labels of what a run tells: for the page of metrics. */
export const runFigures: readonly Pick<Figure, 'name' | 'help' | 'labels'>[] = [...gauges, ...counters];

/** What a run knows of itself, read from its view when somebody asks: nothing is counted twice. */
export function watchRun(registry: Registry, view: RunView): void {
  for (const figure of gauges) {
    registry.registerMetric(
      new Gauge({
        ...named(figure),
        collect() {
          this.reset();
          // Without labels a reset leaves a zero behind, which would say that it is known.
          if (figure.labels === undefined) this.remove({});
          for (const [labels, value] of figure.of(view)) if (value !== null) this.set({ ...labels }, value);
        },
      }),
    );
  }
  for (const figure of counters) {
    registry.registerMetric(
      new Counter({
        ...named(figure),
        collect() {
          this.reset();
          for (const [labels, value] of figure.of(view)) if (value !== null) this.inc({ ...labels }, value);
        },
      }),
    );
  }
}

function named({ name, help, labels = [] }: Figure) {
  return { name: `pgsluice_${name}`, help, labelNames: [...labels], registers: [] };
}
