import { formatBytes, formatSeconds } from '../format.ts';
import type { RunView, SinkView, TableView } from '../run-view.ts';

export interface Screen {
  readonly columns: number;
  readonly rows: number;
  readonly now: number;
}

/** Rates need two looks: what the last frame saw. */
export interface Rates {
  readonly copyBytes: number;
  readonly changes: number;
}

/**
 * The live view as lines, none longer than the screen and never more than two thirds of its height, also with a
 * thousand tables: the ones under way first, the rest as counts. Pure.
 */
export function renderLive(view: RunView, rates: Rates, screen: Screen): readonly string[] {
  const lines = [title(view, screen.now)];
  if (['schema', 'copy', 'index'].includes(view.phase)) lines.push(...copyLines(view, rates, screen));
  else for (const sink of view.sinks.values()) lines.push(sinkLine(view, sink, rates, screen.now));
  if (view.retainedBytes !== null) lines.push(walLine(view));
  if (view.retrying !== null) lines.push(`  trying again after ${view.retrying}`);
  return lines.map((line) => clip(line, screen.columns));
}

function title(view: RunView, now: number): string {
  return `pgsluice ${view.pipeline}: ${view.phase} for ${formatSeconds((now - view.phaseSince) / 1000)}, running for ${formatSeconds((now - view.startedAt) / 1000)}`;
}

function copyLines(view: RunView, rates: Rates, screen: Screen): string[] {
  const tables = [...view.tables.values()];
  const active = tables.filter(({ phase }) => phase === 'copying' || phase === 'indexing');
  const total = tables.reduce((sum, table) => sum + table.estimate, 0);
  const done = tables.reduce((sum, table) => sum + Math.min(table.estimate, progressBytes(table)), 0);
  const finished = tables.filter(({ phase }) => phase === 'finished').length;
  const left =
    rates.copyBytes > 0 && total > done ? `, about ${formatSeconds((total - done) / rates.copyBytes)} left` : '';
  const room = Math.max(3, Math.floor((screen.rows * 2) / 3) - 5);
  const shown = active.slice(0, room);
  const width = Math.min(40, Math.max(8, ...shown.map(({ source }) => source.length)));
  const more = active.length > shown.length ? [`  and ${active.length - shown.length} more under way`] : [];
  return [
    `  ${bar(total === 0 ? 1 : done / total, 30)} ${formatBytes(done)} of about ${formatBytes(total)}, ${formatBytes(rates.copyBytes)}/s${left}`,
    `  ${finished} of ${tables.length} tables finished`,
    ...shown.map((table) => tableLine(table, width, screen.now)),
    ...more,
  ];
}

function progressBytes(table: TableView): number {
  return table.phase === 'pending' || table.phase === 'copying' ? table.bytes : table.estimate;
}

function tableLine(table: TableView, width: number, now: number): string {
  const name = table.source.length > width ? `…${table.source.slice(1 - width)}` : table.source.padEnd(width);
  if (table.phase === 'indexing') return `  ${name} ${'indexes'.padStart(22)}  ${table.rows} rows`;
  const part = table.estimate === 0 ? 1 : Math.min(1, table.bytes / table.estimate);
  const seconds = table.startedAt === null ? 0 : (now - table.startedAt) / 1000;
  const rate = seconds > 0 ? `${formatBytes(table.bytes / seconds)}/s` : '';
  return `  ${name} ${bar(part, 16)} ${`${Math.floor(part * 100)} %`.padStart(5)}  ${formatBytes(table.bytes).padStart(8)}  ${rate}`;
}

function sinkLine(view: RunView, sink: SinkView, rates: Rates, now: number): string {
  const seconds = view.lagSeconds(sink, now);
  const bytes = view.lagBytes(sink);
  const lag = seconds === null ? 'lag unknown' : `lag ${formatSeconds(seconds)}`;
  const behind = bytes === null ? '' : `, ${formatBytes(bytes)}`;
  return `  ${sink.name}: ${lag}${behind}; ${Math.round(rates.changes)} changes/s; ${sink.transactions} transactions, ${sink.changes} changes applied`;
}

function walLine(view: RunView): string {
  const limit = view.safeBytes === null ? 'no limit' : `${formatBytes(view.safeBytes)} until the limit`;
  return `  the slot keeps ${formatBytes(view.retainedBytes ?? 0)} of WAL on the source (${limit})`;
}

function bar(part: number, width: number): string {
  const full = Math.round(Math.max(0, Math.min(1, part)) * width);
  return `${'█'.repeat(full)}${'░'.repeat(width - full)}`;
}

function clip(line: string, columns: number): string {
  return line.length <= columns ? line : `${line.slice(0, Math.max(0, columns - 1))}…`;
}
