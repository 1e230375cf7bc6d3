import { printable } from '../../base/terminal-text.ts';
import { valueLines } from './row-values.ts';
import type { TableVerdict, VerifyReport } from './run-verify.ts';
import type { Moment } from './table-progress.ts';

/** The report as text: the tables that differ first named, then their rows by key. */
export function printVerify(report: VerifyReport): string {
  const lines: string[] = wentOn(report);
  const width = Math.max(...report.tables.map(({ table }) => table.length), 5);
  for (const verdict of report.tables) lines.push(tableLine(verdict, width));
  for (const verdict of report.tables) if (verdict.comparison?.equal === false) lines.push('', ...rowLines(verdict));
  if (report.trees.length > 0) lines.push('', ...treeLines(report));
  const compared = report.tables.filter(({ comparison }) => comparison !== null);
  const differing = compared.filter(({ comparison }) => comparison?.equal === false).length;
  const skipped = report.tables.length - compared.length;
  const tail = skipped === 0 ? '' : `, ${skipped} not compared`;
  const repaired = report.tables.reduce((sum, table) => sum + table.repaired, 0);
  const again = repaired === 0 ? '' : `; ${repaired} rows copied again, verify once more`;
  const apart = report.trees.length === 0 ? '' : `${report.trees.length} of their trees differ`;
  const rows = differing === 0 ? 'all agree' : `${differing} differ${again}`;
  const verdict = apart === '' ? rows : differing === 0 ? apart : `${rows}, ${apart}`;
  const earlier = report.wentOn?.tables ?? 0;
  const taken = earlier === 0 ? '' : ` and ${earlier} before the interruption`;
  const count = compared.length - earlier;
  lines.push('', `${count} tables compared in ${report.seconds.toFixed(1)} s${taken}: ${verdict}${tail}`);
  return `${lines.join('\n')}\n`;
}

/** What the report claims of tables that were not compared now, or not all of them. */
function wentOn({ tables, wentOn: on }: VerifyReport): string[] {
  if (on === null) return [];
  const ranges = on.ranges === 0 ? '' : ` and ${on.ranges} ranges of others`;
  const begun = on.begun.replace('T', ' ').replace(/\.\d+Z$/, ' UTC');
  return [
    `went on from the verification that began ${begun} and was interrupted: ${on.tables} of ${tables.length} tables${ranges}`,
    'were found equal then, at the positions given, and not compared again (--fresh compares all)',
    '',
  ];
}

function placeOf({ position, time }: Moment): string {
  return position ?? time;
}

function whenOf({ at, before, differed, comparison }: TableVerdict): string {
  if (at === null) return '';
  if (differed !== null) return `, compared again at ${placeOf(at)}: differed at ${placeOf(differed)}`;
  const first = comparison?.seen?.first ?? at;
  if (before === null) return first.time === at.time ? '' : `, from ${placeOf(first)} to ${placeOf(at)}`;
  if (before.ranges !== null)
    return `, ${before.ranges} ranges since ${placeOf(before.since)}, the others at ${placeOf(at)}`;
  return before.since.time === at.time ? `, at ${placeOf(at)}` : `, from ${placeOf(before.since)} to ${placeOf(at)}`;
}

function treeLines({ trees }: VerifyReport): string[] {
  return trees.flatMap(({ sink, table, what, remedy }) => [
    `  TREE     ${table} ${what}${sink === '' ? '' : ` (sink ${sink})`}`,
    `           ${remedy}`,
  ]);
}

function tableLine(of: TableVerdict, width: number): string {
  const { table, target, comparison, skipped } = of;
  const name = table === target ? table.padEnd(width) : `${table.padEnd(width)} → ${target}`;
  if (comparison === null) return `  skipped  ${name}  ${skipped ?? ''}`;
  const sampled = comparison.rangesLeftOut === 0 ? '' : ` of a sample; ${comparison.rangesLeftOut} ranges left out`;
  if (comparison.equal) return `  ok       ${name}  ${comparison.sourceRows} rows${sampled}${whenOf(of)}`;
  return `  DIFFERS  ${name}  ${comparison.sourceRows} rows in the source, ${comparison.targetRows} in the target`;
}

function rowLines({ table, keyNames, comparison }: TableVerdict): string[] {
  if (comparison === null) return [];
  const by = keyNames.length === 0 ? 'digest of the row' : keyNames.join(', ');
  const rows = comparison.differences.flatMap(({ kind, key, values }) => [
    `    ${kind.padEnd(8)} ${printable(key)}`,
    ...(values === undefined ? [] : valueLines(values)),
  ]);
  if (comparison.more) rows.push('    … and more');
  const passed = comparison.passed.map(
    ({ differed, agreed }) =>
      `    a range differed at ${placeOf(differed)}; no row of it did at ${placeOf(agreed)}, as later changes wrote over them`,
  );
  return [...(rows.length === 0 ? [`  ${table}:`] : [`  ${table}, by ${by}:`, ...rows]), ...passed];
}
