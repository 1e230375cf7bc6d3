import type { TableComparison } from './compare.ts';
import type { TableVerdict, VerifyReport } from './run-verify.ts';

/** Looks at a row before it counts as different. */
const looks = 4;

/**
 * Where values are fetched (`refetch`), a row may be ahead of the position at which both sides are compared: the value is
 * one that a later change made. So a row of the tables `ahead` differs only if it does so at several positions.
 */
export async function lookAgain(
  first: VerifyReport,
  ahead: ReadonlySet<string>,
  look: (only: readonly string[]) => Promise<VerifyReport>,
): Promise<VerifyReport> {
  let report = first;
  for (let n = 1; n < looks && !report.equal; n++) {
    const doubted = report.tables.filter((verdict) => verdict.comparison?.equal === false && ahead.has(verdict.table));
    if (doubted.length === 0) return report;
    const again = await look([...new Set(doubted.map((verdict) => verdict.table))]);
    const tables = report.tables.map((verdict) => (doubted.includes(verdict) ? confirmed(verdict, again) : verdict));
    const equal = tables.every((verdict) => verdict.comparison === null || verdict.comparison.equal);
    report = { ...report, equal, tables, seconds: report.seconds + again.seconds };
  }
  return report;
}

function confirmed(verdict: TableVerdict, { tables }: VerifyReport): TableVerdict {
  const now = tables.find((other) => other.sink === verdict.sink && other.table === verdict.table);
  if (now === undefined || now.comparison === null || verdict.comparison === null) return verdict;
  return { ...now, comparison: both(verdict.comparison, now.comparison) };
}

/** Rows that differ both times; where not all could be named, the table differs. */
export function both(before: TableComparison, now: TableComparison): TableComparison {
  const keys = new Set(before.differences.map((row) => row.key));
  const more = before.more || now.more;
  const differences = now.equal || before.more ? now.differences : now.differences.filter((row) => keys.has(row.key));
  return { ...now, differences, more: more && !now.equal, equal: now.equal || (differences.length === 0 && !more) };
}
