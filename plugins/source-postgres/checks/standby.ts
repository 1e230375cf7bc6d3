import type pg from 'pg';
import type { Finding } from '../../../core/api/check.ts';
import { quoteIdent } from '../../../core/postgres/quote.ts';
import { primaryOf } from '../primary.ts';
import { withClient } from '../session.ts';
import { type CheckInput, value } from './check.ts';

const subject = 'source';

/**
 * A standby decodes from 16 on; publication, messages and triggers are created on its primary (manual: "Logical
 * Decoding on Standby").
 */
export async function standby(input: CheckInput): Promise<void> {
  const { client, access, catalog, report } = input;
  if ((await value(client, 'SELECT pg_is_in_recovery()')) !== 't') return;
  const say = (level: Finding['level'], message: string, details: Partial<Finding> = {}): void =>
    report.add({ check: 'standby', level, subject, message, remedy: null, ...details });
  if (catalog.identity.version < 160_000) {
    return say('error', 'the source is a standby, which decodes from PostgreSQL 16 on', {
      remedy: 'Name the primary in the URL.',
    });
  }
  const primary = primaryOf(access);
  if (primary === access) {
    return say('error', 'the source is a standby: publications and messages cannot be made there', {
      remedy: 'Name its primary in source.primary, or in the URL.',
    });
  }
  await withClient(primary, null, (on) => ofPrimary(input, on, say));
  if ((await value(client, 'SHOW hot_standby_feedback')) !== 'on') {
    const statements = ['ALTER SYSTEM SET hot_standby_feedback = on;', 'SELECT pg_reload_conf();'];
    say(
      'error',
      'hot_standby_feedback is off: the primary removes rows of the catalog that the slot needs (rows_removed)',
      {
        remedy: `On the standby: ${statements.join(' ')}`,
        statements,
      },
    );
  }
  const unlogged = catalog.tables.filter(({ persistence }) => persistence === 'unlogged');
  if (unlogged.length > 0) {
    const names = unlogged.map(({ relation }) => `${relation.schema}.${relation.name}`).join(', ');
    say('error', `unlogged tables cannot be read on a standby: ${names}`, {
      remedy: 'Leave them out with tables.exclude.',
    });
  }
}

async function ofPrimary(
  { client, catalog }: CheckInput,
  on: pg.Client,
  say: (level: Finding['level'], message: string, details?: Partial<Finding>) => void,
): Promise<void> {
  const { rows } = await on.query<Record<string, string>>(
    `SELECT pg_is_in_recovery() AS standby, current_setting('wal_level') AS level, current_database() AS database,
            (SELECT system_identifier FROM pg_control_system()) AS system, current_user AS role,
            has_function_privilege('pg_log_standby_snapshot()', 'EXECUTE') AS may`,
  );
  const row = rows[0]!;
  const { systemId, database } = catalog.identity;
  if (row['system'] !== systemId || row['database'] !== database)
    return say('error', 'source.primary is another system or database than the standby', {
      remedy: 'Correct source.primary.',
    });
  if (row['standby'] === 't')
    return say('error', 'source.primary is a standby, too', { remedy: 'Name the primary there.' });
  if (row['level'] !== 'logical') {
    say('error', `wal_level of the primary is ${row['level']} (wal_level_insufficient)`, {
      remedy: "On the primary: ALTER SYSTEM SET wal_level = 'logical'; and restart it",
    });
  }
  if (row['may'] !== 't') {
    const grant = `GRANT EXECUTE ON FUNCTION pg_log_standby_snapshot() TO ${quoteIdent(row['role']!)};`;
    say('warning', 'the slot may be long in the making while the primary is idle', {
      remedy: `On the primary: ${grant}`,
    });
  }
  const slot = await value(client, 'SHOW primary_slot_name');
  if (slot === '')
    say(
      'warning',
      'the standby streams without a slot (primary_slot_name): hot_standby_feedback is lost while it is away',
    );
  else say('ok', 'decodes on the standby; publication and messages are made on the primary');
}
