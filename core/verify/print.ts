import type { TableVerdict, VerifyReport } from './run-verify.ts';

/** The report as text: the tables that differ first named, then their rows by key. */
export function printVerify(report: VerifyReport): string {
  const lines: string[] = [];
  const width = Math.max(...report.tables.map(({ table }) => table.length), 5);
  for (const verdict of report.tables) lines.push(tableLine(verdict, width));
  for (const verdict of report.tables) if (verdict.comparison?.equal === false) lines.push('', ...rowLines(verdict));
  const compared = report.tables.filter(({ comparison }) => comparison !== null);
  const differing = compared.filter(({ comparison }) => comparison?.equal === false).length;
  const skipped = report.tables.length - compared.length;
  const tail = skipped === 0 ? '' : `, ${skipped} not compared`;
  const repaired = report.tables.reduce((sum, table) => sum + table.repaired, 0);
  const again = repaired === 0 ? '' : `; ${repaired} rows copied again, verify once more`;
  const verdict = differing === 0 ? 'all agree' : `${differing} differ${again}`;
  lines.push('', `${compared.length} tables compared in ${report.seconds.toFixed(1)} s: ${verdict}${tail}`);
  return `${lines.join('\n')}\n`;
}

function tableLine({ table, target, comparison, skipped }: TableVerdict, width: number): string {
  const name = table === target ? table.padEnd(width) : `${table.padEnd(width)} → ${target}`;
  if (comparison === null) return `  skipped  ${name}  ${skipped ?? ''}`;
  const sampled = comparison.rangesLeftOut === 0 ? '' : ` of a sample; ${comparison.rangesLeftOut} ranges left out`;
  if (comparison.equal) return `  ok       ${name}  ${comparison.sourceRows} rows${sampled}`;
  return `  DIFFERS  ${name}  ${comparison.sourceRows} rows in the source, ${comparison.targetRows} in the target`;
}

function rowLines({ table, keyNames, comparison }: TableVerdict): string[] {
  if (comparison === null) return [];
  const by = keyNames.length === 0 ? 'digest of the row' : keyNames.join(', ');
  const rows = comparison.differences.map(({ kind, key }) => `    ${kind.padEnd(8)} ${key}`);
  if (comparison.more) rows.push('    … and more');
  return [`  ${table}, by ${by}:`, ...rows];
}
