import { copyFigures } from '../../pipeline/progress/copy-figures.ts';
import { deadLetterWords, formatBytes, formatSeconds } from '../../base/format.ts';
import type { RunView, SinkView, TableView } from '../../pipeline/progress/run-view.ts';
import type { RunPhase } from '../../pipeline/state/run-state.ts';
import { clipText, fitName, printable, textWidth } from '../../base/terminal-text.ts';

export interface Screen {
  readonly columns: number;
  readonly rows: number;
  readonly now: number;
}

/** The phases for people. */
export const phaseWords: Readonly<Record<RunPhase, string>> = {
  starting: 'starting',
  schema: 'making the schema',
  copy: 'copying',
  index: 'building indexes',
  'catch-up': 'catching up',
  follow: 'following',
  stopping: 'stopping',
  done: 'done',
};

/**
 * The live view as lines, each shorter than the screen is wide (a full one would wrap on some terminals) and together
 * never more than two thirds of its height, also with a thousand tables: the ones under way first, the rest as counts.
 * Pure.
 */
export function renderLive(view: RunView, screen: Screen): readonly string[] {
  const room = Math.max(3, Math.floor((screen.rows * 2) / 3));
  const lines = [title(view, screen.now)];
  const foot = footLines(view);
  const body = ['schema', 'copy', 'index'].includes(view.phase)
    ? copyLines(view, screen, room - 1 - foot.length)
    : sinkLines(view, screen.now, room - 1 - foot.length);
  lines.push(...body, ...foot);
  return lines.slice(0, room).map((line) => clipText(printable(line), screen.columns - 1));
}

function title(view: RunView, now: number): string {
  const phase = `${phaseWords[view.phase]} for ${formatSeconds((now - view.phaseSince) / 1000)}`;
  return `pgsluice ${view.pipeline}: ${phase}, running for ${formatSeconds((now - view.startedAt) / 1000)}`;
}

function footLines(view: RunView): string[] {
  const lines: string[] = [];
  if (view.retainedBytes !== null) lines.push(walLine(view));
  if (view.retrying !== null) lines.push(`  trying again after ${view.retrying}`);
  if (view.sourceError !== null) lines.push(`  the last look at the source failed with ${view.sourceError}`);
  return lines;
}

function copyLines(view: RunView, screen: Screen, room: number): string[] {
  const copy = copyFigures(view, screen.now);
  const active = [...view.tables.values()].filter(({ phase }) => phase === 'copying' || phase === 'indexing');
  const left = copy.secondsLeft === null ? '' : `, about ${formatSeconds(copy.secondsLeft)} left`;
  const part = copy.estimatedBytes === 0 ? 1 : copy.doneBytes / copy.estimatedBytes;
  const pace = view.phase === 'copy' ? `, ${formatBytes(view.rates.copyBytes)}/s${left}` : '';
  const head = [
    `  ${bar(part, wideEnough(screen) ? 30 : 12)} ${formatBytes(copy.doneBytes)} of about ${formatBytes(copy.estimatedBytes)}${pace}`,
    `  ${copy.finished} of ${copy.tables} tables finished${waitingTables(copy.phases)}`,
  ];
  const rest = room - head.length;
  const shown = active.length <= rest ? active : active.slice(0, Math.max(0, rest - 1));
  const widest = Math.max(8, ...shown.map(({ source }) => textWidth(printable(source))));
  const width = Math.min(widest, wideEnough(screen) ? 40 : Math.max(8, screen.columns - 28));
  const more = active.length > shown.length ? [`  and ${active.length - shown.length} more under way`] : [];
  return [...head, ...shown.map((table) => tableLine(table, width, screen)), ...more];
}

/** Below this there is room for names or for bars. */
function wideEnough(screen: Screen): boolean {
  return screen.columns >= 72;
}

function waitingTables({ pending, copied }: { readonly pending: number; readonly copied: number }): string {
  const words = [pending > 0 ? `${pending} to copy` : '', copied > 0 ? `${copied} wait for their indexes` : ''];
  const told = words.filter((word) => word !== '').join(', ');
  return told === '' ? '' : `; ${told}`;
}

function tableLine(table: TableView, width: number, screen: Screen): string {
  const name = fitName(printable(table.source), width);
  if (table.phase === 'indexing') return `  ${name}  indexes, ${table.rows} rows`;
  const part = table.estimate === 0 ? 1 : Math.min(1, table.bytes / table.estimate);
  const percent = `${Math.floor(part * 100)} %`.padStart(5);
  if (!wideEnough(screen)) return `  ${name} ${percent} ${formatBytes(table.bytes).padStart(8)}`;
  const seconds = table.startedAt === null ? 0 : (screen.now - table.startedAt) / 1000;
  const rate = seconds > 0 ? `${formatBytes(table.bytes / seconds)}/s` : '';
  return `  ${name} ${bar(part, 16)} ${percent}  ${formatBytes(table.bytes).padStart(8)}  ${rate}`;
}

function sinkLines(view: RunView, now: number, room: number): string[] {
  const sinks = [...view.sinks.values()];
  if (sinks.length === 0) return [];
  const { changes, transactions } = view.rates;
  const pace = `  applying ${round(changes)} changes/s in ${round(transactions)} transactions/s`;
  // Two lines a sink where they fit, so that a narrow screen shows both halves.
  const lines = sinks.flatMap((sink) => sinkLine(view, sink, now));
  return [...lines.slice(0, Math.max(1, room - 1)), pace];
}

function sinkLine(view: RunView, sink: SinkView, now: number): string[] {
  const seconds = view.lagSeconds(sink, now);
  const bytes = view.lagBytes(sink);
  const transactions = view.lagTransactions(sink);
  const lag = seconds === null ? 'lag unknown' : `lag ${formatSeconds(seconds)}`;
  const behind = bytes === null ? '' : `, ${formatBytes(bytes)}`;
  const count = transactions === null ? '' : `, ${transactions} transactions`;
  const lines = [
    `  ${sink.name}: ${lag}${behind}${count}`,
    `    ${sink.transactions} transactions, ${sink.changes} changes applied`,
  ];
  if (sink.retrying !== null) lines.push(`    trying again after ${sink.retrying}`);
  if (sink.deadLetters > 0) lines.push(`    ${deadLetterWords(sink.deadLetters)}`);
  return lines;
}

function walLine(view: RunView): string {
  const limit = view.safeBytes === null ? 'no limit' : `${formatBytes(view.safeBytes)} until the limit`;
  const when = view.limitSeconds === null ? '' : `, met in about ${formatSeconds(view.limitSeconds)} at this pace`;
  return `  the slot keeps ${formatBytes(view.retainedBytes ?? 0)} of WAL on the source (${limit}${when})`;
}

/** Small rates with a digit: 0.4 a second is not nothing. */
function round(rate: number): string {
  return rate > 0.05 && rate < 10 ? rate.toFixed(1) : String(Math.round(rate));
}

function bar(part: number, width: number): string {
  const full = Math.round(Math.max(0, Math.min(1, part)) * width);
  return `${'█'.repeat(full)}${'░'.repeat(width - full)}`;
}
