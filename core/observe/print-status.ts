import type { WorkerStatus } from '../api/shared-copy.ts';
import { printUncovered } from '../operations/coverage/uncovered.ts';
import { deadLetterWords, formatBytes, formatSeconds } from '../base/format.ts';
import { phaseWords } from './live/render.ts';
import { fitName, printable, textWidth } from '../base/terminal-text.ts';
import type { Verdict, VerifiedTable } from '../pipeline/progress/verification-view.ts';
import type { RunPhase } from '../pipeline/state/run-state.ts';
import type { SinkStatus, StatusReport, TableProgressState, TableStatus } from './status-report.ts';

/** Tables shown to people one by one; `--json` has all. */
const shownTables = 50;
const order: readonly TableProgressState[] = ['copying', 'indexing', 'copied', 'pending', 'followed', 'finished'];
const stateWords: Readonly<Record<TableProgressState, string>> = {
  copying: 'copying',
  indexing: 'indexes',
  copied: 'copied',
  pending: 'to copy',
  finished: 'finished',
  followed: 'followed',
};

/** The report for people. */
export function printStatus(report: StatusReport, now: number): string {
  const lines = [
    `pipeline ${report.pipeline}: ${headline(report)}`,
    ...runLines(report, now),
    ...sourceLines(report),
    ...report.sinks.flatMap((sink) => sinkLines(sink)),
    ...report.workers.map(workerLine),
    ...verificationLines(report, now),
    ...tableLines(report.tables),
    ...printUncovered(report.uncovered ?? [], new Set())
      .split('\n')
      .filter((line) => line !== ''),
  ];
  return `${lines.map(printable).join('\n')}\n`;
}

/** The phase in words, and what is to be done where something is. */
function headline({ phase, running, run, copyOnly }: StatusReport): string {
  if (phase === 'done') return copyOnly ? 'copied' : 'cut over';
  if (running && run !== null) return phaseWords[run['phase'] as RunPhase] ?? String(run['phase']);
  const goOn = running ? '' : '; nothing runs: go on with pgsluice run';
  switch (phase) {
    case 'not started':
      return running ? 'starting' : 'not started; begin with pgsluice run';
    case 'starting':
      return `starting: no row was copied yet${goOn}`;
    case 'snapshot':
      return `copying${goOn}`;
    case 'stream':
      return running ? 'following the source' : 'copied; nothing runs now: go on with pgsluice run';
    case 'cutover':
      return `cutover begun${running ? '' : '; go on with pgsluice cutover'}`;
    default:
      return `${phase}${goOn}`;
  }
}

function runLines({ run, running }: StatusReport, now: number): string[] {
  if (run === null) return [];
  const age = formatSeconds(Math.max(0, (now - Number(run['at'])) / 1000));
  const where = `process ${String(run['pid'])} on ${String(run['host'])}`;
  const lines = [running ? `run: ${where}, noted ${age} ago` : `last run: ${where}, until ${age} ago`];
  if (typeof run['failure'] === 'string') lines.push(`  it ended with ${run['failure']}`);
  if (running && typeof run['retrying'] === 'string')
    lines.push(`  the stream is opened again after ${run['retrying']}`);
  const copy = run['copy'] as { readonly [key: string]: number | null } | undefined;
  if (running && copy !== undefined && ['copy', 'index'].includes(String(run['phase']))) {
    const left = typeof copy['secondsLeft'] === 'number' ? `, about ${formatSeconds(copy['secondsLeft'])} left` : '';
    const rates = run['rates'] as { readonly [key: string]: number } | undefined;
    lines.push(
      `  ${formatBytes(copy['doneBytes'] ?? 0)} of about ${formatBytes(copy['estimatedBytes'] ?? 0)} copied, ${formatBytes(rates?.['copyBytes'] ?? 0)}/s${left}`,
    );
  }
  return lines;
}

function sourceLines({ slot, sourceError, waits, run, running }: StatusReport): string[] {
  if (sourceError !== null) {
    return [
      `source: cannot be asked (${sourceError.code} ${sourceError.message}); what follows is from the checkpoint`,
    ];
  }
  const waiting = waits.map((line) => `  ${line}`);
  if (slot === null) return ['slot: none on the source', ...waiting];
  const left = slot.safeBytes === null ? '' : `, ${formatBytes(slot.safeBytes)} left before the server cuts it off`;
  const limit = running
    ? (run?.['source'] as { readonly limitSeconds?: number | null } | undefined)?.limitSeconds
    : null;
  const when = typeof limit === 'number' ? `, in about ${formatSeconds(limit)} at this pace` : '';
  return [
    `slot ${slot.name}: ${slot.active ? 'active' : 'not active'}, confirmed ${slot.confirmed}, source at ${slot.sourcePosition} (${formatBytes(slot.lagBytes)} behind)`,
    `  keeps ${formatBytes(slot.retainedBytes)} of WAL on the source (${slot.walStatus}${left}${when})`,
    ...heldLines(slot),
    ...waiting,
  ];
}

function heldLines({ held }: NonNullable<StatusReport['slot']>): string[] {
  if (held === null) return [];
  const { seconds, transactions, deadRows } = held;
  return [
    `  a snapshot is held for ${formatSeconds(seconds)}, ${transactions} transaction ids old: of ${deadRows} dead rows vacuum removes none that died since`,
  ];
}

/** One that has not been heard of for a while may be gone. */
const silence = 5;

function workerLine({ host, pid, ranges, indexes, bytes, doing, seconds, silentSeconds }: WorkerStatus): string {
  const heard = silentSeconds > silence ? `; not heard of for ${formatSeconds(silentSeconds)}` : '';
  return `worker: process ${pid} on ${host}, ${ranges} ranges (${formatBytes(bytes)}), ${indexes} indexes in ${formatSeconds(seconds)}: ${doing}${heard}`;
}

function sinkLines(sink: SinkStatus): string[] {
  const { name, tables, lagBytes, lagSeconds, lagTransactions } = sink;
  const lines = [`sink ${name}: ${tableWords(tables)}`];
  if (lagBytes !== null || lagSeconds !== null) {
    const lag = lagSeconds === null ? 'lag unknown' : `lag ${formatSeconds(lagSeconds)}`;
    const bytes = lagBytes === null ? '' : `, ${formatBytes(lagBytes)}`;
    const count = lagTransactions === null ? '' : `, ${lagTransactions} transactions`;
    const waiting =
      sink.queuedBytes === null || sink.queuedBytes === 0 ? '' : `, ${formatBytes(sink.queuedBytes)} waiting`;
    lines.push(`  ${lag}${bytes}${count}${waiting}${sink.durable === null ? '' : `; durable up to ${sink.durable}`}`);
  }
  if (sink.lanes.length > 0) {
    lines.push(`  ${sink.lanes.length} lanes, durable up to ${sink.lanes.map((at) => at ?? 'nothing yet').join(', ')}`);
  }
  if (sink.retrying !== null) lines.push(`  trying again after ${sink.retrying}`);
  if (sink.deadLetters > 0) lines.push(`  ${deadLetterWords(sink.deadLetters)}`);
  return lines;
}

interface VerificationNote {
  readonly every: number;
  readonly repair: boolean;
  readonly waits: string | null;
  readonly counts: Readonly<Record<Verdict, number>>;
  readonly tables: readonly VerifiedTable[];
}

/** What the verification beside the stream has found, from the note of the run. */
function verificationLines({ run, running }: StatusReport, now: number): string[] {
  const noted = (run?.['verification'] ?? null) as VerificationNote | null;
  if (noted === null) return [];
  const { counts, tables, every, waits } = noted;
  const since = tables.flatMap((table) => (table.verdict === 'equal' ? (table.since ?? []) : []));
  const oldest =
    since.length === 0 ? '' : ` (the oldest part compared ${formatSeconds((now - Math.min(...since)) / 1000)} ago)`;
  const parts = [
    `${counts.equal} equal${oldest}`,
    ...(counts.differs > 0 ? [`${counts.differs} DIFFER`] : []),
    ...(counts.unknown > 0 ? [`${counts.unknown} not all compared yet`] : []),
    ...(counts['not-compared'] > 0 ? [`${counts['not-compared']} not compared`] : []),
  ];
  return [
    `verification, each row once in ${formatSeconds(every / 1000)}: ${parts.join(', ')}`,
    ...(running && waits !== null ? [`  waits: ${waits}`] : []),
    ...tables
      .filter(({ verdict }) => verdict !== 'equal' && verdict !== 'unknown')
      .slice(0, shownTables)
      .flatMap(verifiedLines),
  ];
}

function verifiedLines({ table, sink, verdict, why, differing, named, repaired }: VerifiedTable): string[] {
  if (verdict !== 'differs') return [`  ${table} in ${sink} is not compared: ${why ?? ''}`];
  const again = repaired === 0 ? '' : `; ${repaired} were copied again so far`;
  const rows = named.map(({ kind, key }) => `    ${kind.padEnd(8)} ${key}`);
  const more = differing > named.length ? ['    … and more'] : [];
  return [
    `  ${table} DIFFERS in ${sink}: ${differing} rows${again}${why === null ? '' : `; ${why}`}`,
    ...rows,
    ...more,
  ];
}

function tableWords({ total, copied, finished, followed }: SinkStatus['tables']): string {
  // A way back, for one, follows tables that it never copied.
  if (copied === 0 && followed > 0) return `${followed} tables followed, none of them copied by this pipeline`;
  const more = followed === 0 ? '' : `, ${followed} followed without a copy`;
  return `${finished} of ${total - followed} tables finished, ${copied} copied${more}`;
}

function tableLines(tables: readonly TableStatus[]): string[] {
  const sorted = tables.toSorted(
    (a, b) => order.indexOf(a.state) - order.indexOf(b.state) || (a.table < b.table ? -1 : a.table > b.table ? 1 : 0),
  );
  const shown = sorted.slice(0, shownTables);
  const width = Math.max(5, ...shown.map(({ table }) => textWidth(printable(table))));
  const lines = shown.map((table) => tableLine(table, Math.min(width, 60)));
  if (sorted.length > shown.length) lines.push(`  and ${sorted.length - shown.length} more: --json shows all`);
  return lines;
}

function tableLine({ table, state, rows, bytes, estimatedBytes }: TableStatus, width: number): string {
  const name = fitName(printable(table), width);
  const start = `  ${name}  ${stateWords[state].padEnd(8)}`;
  if (state === 'followed') return start.trimEnd();
  if (state === 'pending')
    return estimatedBytes === null ? start.trimEnd() : `${start}  about ${formatBytes(estimatedBytes)}`;
  if (state === 'copying' && estimatedBytes !== null) {
    const part = estimatedBytes === 0 ? 100 : Math.min(100, Math.floor((bytes / estimatedBytes) * 100));
    return `${start}  ${`${part} %`.padStart(12)}       ${formatBytes(bytes).padStart(9)} of about ${formatBytes(estimatedBytes)}`;
  }
  return `${start}  ${rows.padStart(12)} rows  ${formatBytes(bytes).padStart(9)}`;
}
