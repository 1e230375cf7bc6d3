import type { Json } from '../api/checkpoint.ts';
import { formatLsn, parseLsn } from '../postgres/lsn.ts';
import { compilePattern } from '../api/pattern.ts';
import type { WorkerStatus } from '../api/shared-copy.ts';
import type { HeldSnapshot, SlotStatus } from '../api/source-control.ts';
import type { Uncovered } from '../operations/coverage/uncovered.ts';
import type { PipelineState, TableState } from '../pipeline/state/pipeline-state.ts';
import { pendingTables } from '../pipeline/state/known-tables.ts';
import type { TablePhase } from '../pipeline/progress/run-view.ts';
import type { RunRecord } from '../pipeline/state/entries.ts';

/** What a run noted of itself: see statusRecord. */

/** What `status --json` prints. Documented in docs/watching.md: keys are added, never renamed. */
export interface StatusReport {
  readonly pipeline: string;
  /** Durable phase, or `not started`. */
  readonly phase: string;
  /** The copy alone is wanted (`snapshot.mode: initial_only`). */
  readonly copyOnly: boolean;
  /** Whether a process has the pipeline now. */
  readonly running: boolean;
  /** What keeps the source from being asked; null: it answered. */
  readonly sourceError: { readonly code: string; readonly message: string } | null;
  readonly slot: {
    readonly name: string;
    readonly active: boolean;
    readonly confirmed: string;
    readonly sourcePosition: string;
    readonly lagBytes: number;
    readonly retainedBytes: number;
    readonly walStatus: string;
    readonly safeBytes: number | null;
    readonly held: HeldSnapshot | null;
  } | null;
  /** What keeps the pipeline's sessions on the source waiting now: transactions that are open, or prepared. */
  readonly waits: readonly string[];
  readonly sinks: readonly SinkStatus[];
  readonly tables: readonly TableStatus[];
  /** Processes that take part in the copy (`pgsluice work`). */
  readonly workers: readonly WorkerStatus[];
  /** What the file chooses and the target does not have as the source has it; null: not known now. */
  readonly uncovered: readonly Uncovered[] | null;
  /** What the run under way, or the last one, noted of itself. */
  readonly run: RunRecord | null;
}

export interface SinkStatus {
  readonly name: string;
  readonly tables: {
    readonly total: number;
    readonly copied: number;
    readonly finished: number;
    readonly followed: number;
  };
  readonly durable: string | null;
  readonly lagBytes: number | null;
  readonly lagSeconds: number | null;
  readonly lagTransactions: number | null;
  readonly queuedBytes: number | null;
  readonly retrying: string | null;
  /** Changes that went to the dead letters, of all runs. */
  readonly deadLetters: number;
  /** Positions up to which each of several sessions has its part durably. */
  readonly lanes: readonly (string | null)[];
}

/**
 * `followed`: never copied by this pipeline, its changes come with the stream (made on the source under `ddl: follow`, or
 * `snapshot.mode: never`).
 */
export type TableProgressState = TablePhase | 'followed';

export interface TableStatus {
  readonly sink: string;
  readonly table: string;
  readonly state: TableProgressState;
  readonly exactAt: string | null;
  readonly rows: string;
  readonly bytes: number;
  readonly estimatedBytes: number | null;
}

export interface ReportInput {
  readonly pipeline: string;
  readonly copyOnly: boolean;
  readonly state: PipelineState;
  readonly slot: SlotStatus | null;
  readonly waits: readonly string[];
  readonly sourceError: StatusReport['sourceError'];
  readonly uncovered: StatusReport['uncovered'];
  readonly sinks: readonly { readonly name: string; readonly tables: readonly string[] | null }[];
  readonly workers: readonly WorkerStatus[];
  readonly now: number;
  /** Name of this machine, and whether a process of it lives. */
  readonly host: string;
  readonly alive: (pid: number) => boolean;
}

/** Everything that the checkpoint, the source and the last note of a run know together. Pure. */
export function statusReport(input: ReportInput): StatusReport {
  const { state, slot } = input;
  const run = state.get('status');
  const running = isRunning(run, input);
  return {
    pipeline: input.pipeline,
    phase: state.head?.phase ?? 'not started',
    copyOnly: input.copyOnly,
    running,
    sourceError: input.sourceError,
    uncovered: input.uncovered,
    slot: slot && slotReport(slot),
    waits: input.waits,
    sinks: input.sinks.map((sink) => sinkStatus(input, sink, { run, running })),
    tables: input.sinks.flatMap((sink) => tablesOf(input, sink, running ? run : null)),
    workers: input.workers,
    run,
  };
}

/** A note is written every two seconds; a process that has not written for this long is looked at more closely. */
const silence = 15_000;

function isRunning(run: RunRecord | null, { slot, now, host, alive }: ReportInput): boolean {
  if (slot?.active === true) return true;
  if (run === null || run['ended'] === true) return false;
  const fresh = now - Number(run['at']) < silence;
  return run['host'] === host ? alive(Number(run['pid'])) && fresh : fresh;
}

function slotReport(slot: SlotStatus): NonNullable<StatusReport['slot']> {
  return {
    name: slot.name,
    active: slot.active,
    confirmed: formatLsn(slot.confirmed),
    sourcePosition: formatLsn(slot.current),
    lagBytes: Math.max(0, Number(slot.current - slot.confirmed)),
    retainedBytes: slot.retainedBytes,
    walStatus: slot.walStatus,
    safeBytes: slot.safeBytes,
    held: slot.held ?? null,
  };
}

type SinkInput = ReportInput['sinks'][number];

function sinkStatus(
  input: ReportInput,
  sink: SinkInput,
  { run, running }: { readonly run: RunRecord | null; readonly running: boolean },
): SinkStatus {
  const known = [...knownStates(input.state, sink).values()];
  const finished = known.filter((table) => table.state === 'finished').length;
  const total = Math.max(known.length, chosenTables(input.state, sink).length);
  const uncopied = [...uncopiedTables(input.state, sink).values()];
  const followed = uncopied.filter((state) => state === 'followed').length;
  const noted = list(run?.['sinks']).find((one) => one['name'] === sink.name) ?? null;
  const lag = running ? notedLag(noted) : restingLag(input, sink, noted, run);
  return {
    name: sink.name,
    tables: { total, copied: known.length, finished, followed },
    durable: text(noted?.['durable']) ?? lsnText(input.state.position(sink.name)),
    ...lag,
    queuedBytes: running ? number(noted?.['queuedBytes']) : null,
    retrying: running ? text(noted?.['retrying']) : null,
    deadLetters: input.state.deadLetters(sink.name),
    lanes: running ? list(noted?.['lanes']).map((lane) => text(lane['durable'])) : [],
  };
}

type Lag = Pick<SinkStatus, 'lagBytes' | 'lagSeconds' | 'lagTransactions'>;

function notedLag(noted: RunRecord | null): Lag {
  return {
    lagBytes: number(noted?.['lagBytes']),
    lagSeconds: number(noted?.['lagSeconds']),
    lagTransactions: number(noted?.['lagTransactions']),
  };
}

/** While nothing runs the source goes on: the distance is that from the slot, the time runs since the last note. */
function restingLag(input: ReportInput, sink: SinkInput, noted: RunRecord | null, run: RunRecord | null): Lag {
  const { slot, state, now } = input;
  if (slot === null) return { lagBytes: null, lagSeconds: null, lagTransactions: null };
  const durable = text(noted?.['durable']);
  const own = durable === null ? (state.position(sink.name) ?? 0n) : parseLsn(durable);
  const at = own > slot.confirmed ? own : slot.confirmed;
  const lagBytes = Math.max(0, Number(slot.current - at));
  if (lagBytes === 0) return { lagBytes, lagSeconds: 0, lagTransactions: 0 };
  const before = number(noted?.['lagSeconds']);
  const lagSeconds = run === null || before === null ? null : Math.max(0, (now - Number(run['at'])) / 1000) + before;
  return { lagBytes, lagSeconds, lagTransactions: null };
}

/** Tables of the pipeline that this sink takes, as far as the file says. */
function chosenTables(state: PipelineState, { tables }: SinkInput): readonly string[] {
  const names = state.get('tables') ?? [];
  if (tables === null) return names;
  const patterns = tables.map((pattern) => compilePattern(pattern));
  return names.filter((full) => {
    const dot = full.indexOf('.');
    return patterns.some((matches) => matches({ schema: full.slice(0, dot), name: full.slice(dot + 1) }));
  });
}

/** What the checkpoint has of each table; what a run under way has noted since; the rest of the chosen ones wait. */
function tablesOf(input: ReportInput, sink: SinkInput, run: RunRecord | null): readonly TableStatus[] {
  const found = new Map<string, TableStatus>();
  for (const [table, { state, exactAt, rows, bytes }] of knownStates(input.state, sink)) {
    const more = { exactAt: formatLsn(exactAt), rows: String(rows), bytes, estimatedBytes: null };
    found.set(table, { sink: sink.name, table, state, ...more });
  }
  for (const noted of list(run?.['tables'])) {
    const table = String(noted['table']);
    const before = found.get(table);
    if (noted['sink'] !== sink.name || before?.state === 'finished') continue;
    found.set(table, {
      sink: sink.name,
      table,
      state: noted['phase'] as TablePhase,
      exactAt: before?.exactAt ?? null,
      rows: before?.rows ?? String(noted['rows']),
      bytes: before?.bytes ?? Number(noted['bytes']),
      estimatedBytes: number(noted['estimatedBytes']),
    });
  }
  for (const [table, state] of uncopiedTables(input.state, sink)) {
    if (found.has(table)) continue;
    const none = { exactAt: null, rows: '0', bytes: 0, estimatedBytes: null };
    found.set(table, { sink: sink.name, table, state, ...none });
  }
  return [...found.values()];
}

/** What the checkpoint has of each table, without those that were dropped or renamed on the source since (`ddl: follow`). */
function knownStates(state: PipelineState, sink: SinkInput): ReadonlyMap<string, TableState> {
  const all = state.tables(sink.name);
  if (!isFollowing(state)) return all;
  const names = state.get('tables');
  if (names === null) return all;
  const still = new Set(names);
  return new Map([...all].filter(([table]) => still.has(table)));
}

/** Chosen tables that this pipeline has not copied, and what that means. */
function uncopiedTables(state: PipelineState, sink: SinkInput): ReadonlyMap<string, TableProgressState> {
  const found = new Map<string, TableProgressState>();
  if (state.head === null) return found;
  const copied = state.tables(sink.name);
  const pending = pendingTables(state);
  for (const table of chosenTables(state, sink)) {
    if (copied.has(table)) continue;
    if (!isFollowing(state) || pending.has(table)) found.set(table, 'pending');
    else found.set(table, 'followed');
  }
  return found;
}

/** The copy is over: what is not copied and does not wait for it comes with the stream. */
function isFollowing({ head }: PipelineState): boolean {
  return head !== null && head.phase !== 'starting' && head.phase !== 'snapshot';
}

function list(value: Json | undefined): readonly RunRecord[] {
  return Array.isArray(value) ? (value as readonly RunRecord[]) : [];
}
function number(value: Json | undefined): number | null {
  return typeof value === 'number' ? value : null;
}
function text(value: Json | undefined): string | null {
  return typeof value === 'string' ? value : null;
}
function lsnText(value: bigint | null): string | null {
  return value === null ? null : formatLsn(value);
}
