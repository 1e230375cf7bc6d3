import type { DigestSession } from '../../postgres/digest-query.ts';
import type { RepairSink } from '../../api/sink.ts';
import type { TableComparison } from './compare.ts';
import { verifyError } from './errors.ts';
import type { TableQueries } from './queries.ts';

/** More rows than this are a matter for a new copy. They are in memory together. */
export const mostRepaired = 20_000;
const perFetch = 500;

/**
 * Copies the rows that differ again, in one transaction of the target. Sound only while nothing is applied there: the
 * target stands at the position of the source's view, and afterwards the stream goes on from there as if nothing had been.
 * What the source has of them is read again, as the view may be a later one than that in which they differed.
 */
export async function repairTable(
  sides: { readonly source: DigestSession; readonly target: RepairSink },
  queries: TableQueries,
  comparison: TableComparison,
  signal: AbortSignal,
): Promise<number> {
  const table = `${queries.source.schema}.${queries.source.table}`;
  if (comparison.more) {
    throw verifyError('PGS7007', `more than ${mostRepaired} rows differ in ${table}`, { where: { table } });
  }
  const names = comparison.differences.map(({ key }) => key);
  const rows: (readonly (string | null)[])[] = [];
  for (let at = 0; at < names.length; at += perFetch) {
    const some = names.slice(at, at + perFetch);
    for (const row of await sides.source.fetch(queries.source, some, signal)) rows.push(row);
  }
  await sides.target.replace(queries.target, { names, rows }, signal);
  return names.length;
}
