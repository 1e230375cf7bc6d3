import { qualified } from '../../../core/postgres/quote.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import { findProblems } from '../publication/publishable.ts';
import type { CheckInput } from './check.ts';
import { identityFindings, readRates } from './identity-groups.ts';

/**
 * I10: tables whose UPDATE and DELETE would start to fail on the source. Unlogged ones are reported: they are not in
 * the stream.
 */
export async function replicaIdentity({ client, catalog, report }: CheckInput): Promise<void> {
  const logged = catalog.tables.filter(({ persistence }) => persistence === 'permanent');
  const tables = logged.map(({ relation }) => ({ relation, where: null, columns: null }));
  for (const { relation, persistence } of catalog.tables) {
    if (persistence === 'permanent') continue;
    const table = relationName(relation);
    const message = `${table} is unlogged: it is copied with the snapshot, and again at the cutover; no stream carries its changes`;
    const remedy = `Nothing; or ALTER TABLE ${qualified(relation)} SET LOGGED; to have it followed.`;
    report.add({ check: 'unlogged', level: 'warning', subject: table, message, remedy });
  }
  const problems = await findProblems(client, tables, catalog.identity.version);
  if (problems.length > 0) {
    const findings = identityFindings(problems, await readRates(client));
    for (const finding of findings) report.add({ ...finding, code: 'PGS2103' });
    return;
  }
  const message = `all ${tables.length} tables have a usable replica identity`;
  report.add({ check: 'replica-identity', level: 'ok', subject: 'source', message, remedy: null });
}
