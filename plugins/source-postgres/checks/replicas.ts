import type { Finding } from '../../../core/api/check.ts';
import { quoteIdent } from '../../../core/postgres/quote.ts';
import { replicasOf } from '../primary.ts';
import { withClient } from '../session.ts';
import type { CheckInput } from './check.ts';

/** The standbys of `snapshot.from`. */
export async function replicas(input: CheckInput): Promise<void> {
  for (const access of replicasOf(input.access, input.options)) {
    const say = (level: Finding['level'], message: string, details: Partial<Finding> = {}): void =>
      input.report.add({
        check: 'replicas',
        level,
        subject: 'source',
        message: `${access.name}: ${message}`,
        remedy: null,
        ...details,
      });
    try {
      const { rows } = await withClient(access, null, (client) => client.query<Row>(question));
      judge(input, rows[0]!, say);
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      say('warning', `cannot be asked, and is not read while that is so: ${said}`);
    }
  }
}

type Row = Readonly<Record<'standby' | 'system' | 'database' | 'role' | 'may' | 'feedback', string>>;

const question = `
  SELECT pg_is_in_recovery() AS standby, (SELECT system_identifier FROM pg_control_system()) AS system, current_database() AS database,
    current_user AS role, current_setting('hot_standby_feedback') AS feedback,
    has_function_privilege('pg_wal_replay_pause()', 'EXECUTE') AND has_function_privilege('pg_wal_replay_resume()', 'EXECUTE') AS may`;

function judge(
  { catalog }: CheckInput,
  { standby, system, database, role, may, feedback }: Row,
  say: (level: Finding['level'], message: string, details?: Partial<Finding>) => void,
): void {
  const { systemId, database: ours } = catalog.identity;
  if (standby !== 't' || system !== systemId || database !== ours)
    return say('error', 'is no standby of the source', { remedy: 'Correct source.snapshot.from.' });
  if (may !== 't') {
    const grant = `GRANT EXECUTE ON FUNCTION pg_wal_replay_pause(), pg_wal_replay_resume() TO ${quoteIdent(role)};`;
    return say('error', 'the role may not hold its replay for the moment in which a snapshot is taken', {
      remedy: `On the source: ${grant}`,
      statements: [grant],
    });
  }
  if (feedback !== 'on')
    return say('warning', 'hot_standby_feedback is off: reads are cancelled when vacuum on the source removes rows', {
      remedy: 'On the standby: ALTER SYSTEM SET hot_standby_feedback = on; SELECT pg_reload_conf();',
    });
  say('ok', 'ranges of large tables are read there');
}
