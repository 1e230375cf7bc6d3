import type { CaseResult, Outcome } from './run-case.ts';

/** One line per case, and under a failing one the expected (-) and the actual (+) result. */
export function printResults(results: readonly CaseResult[]): string {
  const lines = results.flatMap((result) => [title(result), ...(result.ok ? [] : details(result))]);
  const failed = results.filter((result) => !result.ok).length;
  const count = `${results.length} case${results.length === 1 ? '' : 's'}`;
  return `${[...lines, `${count}, ${failed === 0 ? 'all pass' : `${failed} failed`}`].join('\n')}\n`;
}

function title({ of, ok }: CaseResult): string {
  return `${ok ? 'ok  ' : 'FAIL'} ${of.name} (${of.file}:${of.line})`;
}

function details({ expected, actual, error }: CaseResult): readonly string[] {
  if (error !== null) return [`     ! ${error}`];
  const lines: string[] = [];
  for (let i = 0; i < Math.max(expected.length, actual.length, 1); i++) {
    lines.push(...difference(expected[i], actual[i]));
  }
  return lines;
}

function difference(expected: Outcome | undefined, actual: Outcome | undefined): readonly string[] {
  const head = (outcome: Outcome | undefined) => (outcome === undefined ? 'nothing' : `${outcome.op} ${outcome.table}`);
  const names = new Set([...(expected?.row.keys() ?? []), ...(actual?.row.keys() ?? [])]);
  const width = Math.max(0, ...[...names].map((name) => name.length));
  const lines = pair(head(expected), head(actual));
  for (const name of names) {
    const show = (outcome: Outcome | undefined) =>
      outcome?.row.has(name) === true ? `${name.padEnd(width)}  ${text(outcome.row.get(name) ?? null)}` : null;
    lines.push(...pair(show(expected), show(actual)).map((line) => line.replace('     ', '       ')));
  }
  return lines;
}

function pair(expected: string | null, actual: string | null): string[] {
  if (expected === actual) return [`       ${expected ?? ''}`];
  return [...(expected === null ? [] : [`     - ${expected}`]), ...(actual === null ? [] : [`     + ${actual}`])];
}

function text(cell: string | null): string {
  return cell === null ? 'NULL' : JSON.stringify(cell);
}
