import { formatBytes, formatSeconds } from '../../base/format.ts';
import type { Rate } from './estimate.ts';
import { type Probe, type Probed, rateOf } from './probed.ts';
import { type AssessedTable, type Assessment, bytesOf, changesOf } from './report.ts';

/** Tables that the text names; JSON has them all. */
const shown = 20;

export function printAssessment(report: Assessment): string {
  return `${[...summary(report), '', ...tableLines(report), '', ...reasonLines(report)].join('\n')}\n`;
}

/** Heading and value of each figure; the text and the HTML page show the same. */
export function figures(report: Assessment): readonly (readonly [string, string])[] {
  const { estimate, rates, walPerSecond, tables } = report;
  const sum = (of: 'heap' | 'toast' | 'indexes') => formatBytes(tables.reduce((total, table) => total + table[of], 0));
  const at = ({ bytes, by }: Rate) => `at ${formatBytes(bytes)}/s${by === 'given' ? '' : `, ${by}`}`;
  const limit = report.slotKeepsBytes === null ? 'no limit' : formatBytes(report.slotKeepsBytes);
  const others = report.seesSessions ? '' : ' (only sessions of this role: others need pg_monitor)';
  const oldest = report.oldestWriter === null ? 'none' : formatSeconds(report.oldestWriter);
  const unlogged = tables.filter((table) => table.unlogged).map(({ name }) => name);
  return [
    ['watched', formatSeconds(report.watched)],
    ['tables', `${tables.length}: ${sum('heap')} of rows, ${sum('toast')} of TOAST, ${sum('indexes')} of indexes`],
    [
      'WAL',
      `${formatBytes(walPerSecond.byPosition)}/s by position, ${formatBytes(walPerSecond.byStatistics)}/s by pg_stat_wal`,
    ],
    ['copy', `about ${formatSeconds(estimate.copy)} (${at(rates.copy)})`],
    ['indexes', `about ${formatSeconds(estimate.indexes)} (${at(rates.index)})`],
    ['WAL kept meanwhile', `about ${formatBytes(estimate.walKept)}; max_slot_wal_keep_size: ${limit}`],
    ['free disk', 'not known: PostgreSQL does not tell it; the WAL kept must fit beside what is there'],
    [
      'catch-up',
      estimate.catchUp === null
        ? `never (${at(rates.apply)})`
        : `about ${formatSeconds(estimate.catchUp)} (${at(rates.apply)})`,
    ],
    ...(report.probe === null ? [] : probeLines(report.probe)),
    ['oldest writing transaction', `${oldest}${others}`],
    ['unlogged tables', unlogged.length === 0 ? 'none' : unlogged.join(', ')],
    ['large objects', String(report.largeObjects)],
    ['extensions', report.extensions.length === 0 ? 'none' : report.extensions.join(', ')],
  ];
}

function probeLines({ copy, index, decode, transforms }: Probe): readonly (readonly [string, string])[] {
  const say = (probed: Probed, what: string) =>
    'why' in probed
      ? `not measured: ${probed.why}`
      : `${formatBytes(rateOf(probed))}/s: ${formatBytes(probed.bytes)} of ${what} in ${formatSeconds(probed.seconds)}`;
  return [
    ['probe of the copy', say(copy, 'tables')],
    ...(transforms === null
      ? []
      : [
          ['with transforms', say(transforms.with, `${transforms.tables} changed tables`)] as const,
          ['without them', say(transforms.without, 'the same')] as const,
        ]),
    ['probe of indexes', say(index, 'indexes')],
    ['probe of decoding', say(decode, 'WAL')],
  ];
}

export const tableHeadings = [
  'table',
  'size',
  'changes/s',
  'inserts',
  'updates',
  'HOT',
  'deletes',
  'dead rows',
  'identity',
] as const;

/** Counts are those of the watch, in seconds. */
export function tableCells(table: AssessedTable, watched: number): readonly string[] {
  const hot = table.updates === 0 ? '-' : `${Math.round((table.hotUpdates / table.updates) * 100)} %`;
  const { fullBytesPerSecond: cost } = table;
  const without = cost === null ? 'none; FULL: cost not known' : `none; FULL: about ${formatBytes(cost)}/s of WAL more`;
  const counts = [table.inserts, table.updates, table.deletes, table.deadRows].map(String);
  return [
    table.name,
    formatBytes(bytesOf(table)),
    watched > 0 ? (changesOf(table) / watched).toFixed(1) : '-',
    counts[0]!,
    counts[1]!,
    hot,
    counts[2]!,
    counts[3]!,
    table.identified ? 'yes' : without,
  ];
}

function summary(report: Assessment): string[] {
  const lines = figures(report);
  const width = Math.max(...lines.map(([name]) => name.length));
  return [
    `${report.pipeline}: ${report.verdict}`,
    '',
    ...lines.map(([name, text]) => `${name.padEnd(width)}  ${text}`),
  ];
}

function tableLines({ tables, watched }: Assessment): string[] {
  const rows = [tableHeadings, ...tables.slice(0, shown).map((table) => tableCells(table, watched))];
  const widths = tableHeadings.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
  const rest = tables.slice(shown);
  if (rest.length === 0) return lines;
  const changes = rest.reduce((total, table) => total + changesOf(table), 0);
  return [...lines, `${rest.length} more tables with ${changes} changes (--json shows them)`];
}

function reasonLines({ verdict, reasons }: Assessment): string[] {
  const lines = reasons.flatMap(({ kind, what, remedy }) => {
    const line = `${kind.padEnd(6)}  ${what}`;
    return remedy === null ? [line] : [line, `        → ${remedy}`];
  });
  return [...lines, verdict];
}
