import type { Json } from '../api/checkpoint.ts';
import { formatBytes, formatSeconds } from './format.ts';

/** What `status --json` prints. */
export interface StatusReport {
  readonly pipeline: string;
  readonly phase: string;
  readonly slot: {
    readonly name: string;
    readonly active: boolean;
    readonly confirmed: string;
    readonly sourcePosition: string;
    readonly lagBytes: number;
    readonly retainedBytes: number;
    readonly walStatus: string;
    readonly safeBytes: number | null;
  } | null;
  readonly sinks: readonly {
    readonly name: string;
    readonly tables: { readonly total: number; readonly copied: number; readonly finished: number };
  }[];
  readonly tables: readonly {
    readonly sink: string;
    readonly table: string;
    readonly state: string;
    readonly exactAt: string;
    readonly rows: string;
    readonly bytes: number;
  }[];
  /** What the run under way, or the last one, noted of itself. */
  readonly run: { readonly [key: string]: Json } | null;
}

/** The report for people. */
export function printStatus(report: StatusReport, now: number = Date.now()): string {
  const lines = [`pipeline ${report.pipeline}: ${report.phase}`, ...runLines(report, now)];
  const { slot } = report;
  if (slot === null) lines.push('slot: none on the source');
  else {
    const left = slot.safeBytes === null ? '' : `, ${formatBytes(slot.safeBytes)} left before the server drops it`;
    lines.push(
      `slot ${slot.name}: ${slot.active ? 'active' : 'not active'}, confirmed ${slot.confirmed}, source at ${slot.sourcePosition} (${formatBytes(slot.lagBytes)} behind)`,
      `  keeps ${formatBytes(slot.retainedBytes)} of WAL on the source (${slot.walStatus}${left})`,
    );
  }
  for (const { name, tables } of report.sinks) {
    lines.push(`sink ${name}: ${tables.finished} of ${tables.total} tables finished, ${tables.copied} copied`);
  }
  const width = Math.max(5, ...report.tables.map(({ table }) => table.length));
  for (const { table, state, rows, bytes } of report.tables) {
    lines.push(
      `  ${table.padEnd(width)}  ${state.padEnd(8)}  ${rows.padStart(12)} rows  ${formatBytes(bytes).padStart(9)}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function runLines({ run, slot }: StatusReport, now: number): string[] {
  if (run === null) return [];
  const age = (now - Number(run['at'])) / 1000;
  const live = slot?.active === true || age < 10;
  const lines = [
    `run: process ${String(run['pid'])}, ${String(run['phase'])}, noted ${formatSeconds(age)} ago${live ? '' : ' (not running)'}`,
  ];
  const sinks = Array.isArray(run['sinks']) ? (run['sinks'] as readonly { readonly [key: string]: Json }[]) : [];
  for (const sink of sinks) {
    const seconds = sink['lagSeconds'];
    const bytes = sink['lagBytes'];
    const lag = typeof seconds === 'number' ? formatSeconds(seconds) : 'unknown';
    const behind = typeof bytes === 'number' ? `, ${formatBytes(bytes)}` : '';
    const { retrying, queuedBytes } = sink;
    const waiting = typeof queuedBytes === 'number' && queuedBytes > 0 ? `, ${formatBytes(queuedBytes)} waiting` : '';
    const trying = typeof retrying === 'string' ? `, trying again after ${retrying}` : '';
    lines.push(
      `  ${String(sink['name'])}: lag ${lag}${behind}, ${String(sink['changes'])} changes applied, durable ${String(sink['durable'])}${waiting}${trying}`,
    );
  }
  return lines;
}
