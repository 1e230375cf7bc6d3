import { findProblems } from '../publishable.ts';
import type { CheckInput } from './check.ts';

/** I10: tables whose UPDATE and DELETE would start to fail on the source, and unlogged ones. */
export async function replicaIdentity({ client, catalog, report }: CheckInput): Promise<void> {
  const tables = catalog.tables.map(({ relation }) => ({ relation, where: null, columns: null }));
  const problems = await findProblems(client, tables);
  for (const { kind, table, what, remedy } of problems) {
    report.add({ check: kind, level: 'error', subject: table, message: what, remedy, code: 'PGS2103' });
  }
  if (problems.length > 0) return;
  const message = `all ${tables.length} tables have a usable replica identity`;
  report.add({ check: 'replica-identity', level: 'ok', subject: 'source', message, remedy: null });
}
