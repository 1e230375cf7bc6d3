import type pg from 'pg';
import type { Finding } from '../../../core/api/check.ts';
import { askEach } from '../../../core/postgres/connect.ts';
import { quoteLiteral } from '../../../core/postgres/quote.ts';
import { failoverSince, tooOld } from '../failover.ts';
import type { CheckInput } from './check.ts';

/**
 * What standbys need in order to take over the slot (manual: "Logical Replication Failover", "Replication Slot
 * Synchronization").
 */
export async function failover(input: CheckInput): Promise<void> {
  const { access, options, catalog, report } = input;
  if (!options.slot.failover) return;
  if (catalog.identity.version < failoverSince) {
    const { message } = tooOld(access, catalog.identity.version);
    report.add({ ...finding('error', message), code: 'PGS2195', remedy: 'Leave slot.failover out.' });
    return;
  }
  const before = await onPrimary(input);
  const standbys = await askEach(
    access.connection,
    { name: access.name, applicationName: access.application },
    (client) => readStandby(client, access.slot),
  );
  const found = [
    ...before,
    ...standbys.flatMap(({ host, answer }) => (answer === null ? [] : onStandby(host, answer))),
  ];
  for (const one of found) report.add(one);
  if (found.length > 0) return;
  const looked = standbys.filter(({ answer }) => answer !== null).map(({ host }) => host);
  const where =
    looked.length === 0 ? 'no standby is in the URL, so none was looked at' : `looked at ${looked.join(', ')}`;
  report.add(finding('ok', `standbys keep a copy of the slot (${where})`));
}

function finding(level: Finding['level'], message: string, details: Partial<Finding> = {}): Finding {
  return { check: 'failover', level, subject: 'source', message, remedy: null, ...details };
}

function setting(name: string, value: string): readonly string[] {
  return [`ALTER SYSTEM SET ${name} = ${value};`, 'SELECT pg_reload_conf();'];
}

/** Physical slots that are being read are those of standbys. */
async function onPrimary({ client }: CheckInput): Promise<readonly Finding[]> {
  const { rows } = await client.query<{ waits: string; slots: string | null; standbys: string; recovery: string }>(
    `SELECT current_setting('synchronized_standby_slots') AS waits, pg_is_in_recovery() AS recovery,
            (SELECT string_agg(slot_name, ',' ORDER BY slot_name) FROM pg_replication_slots WHERE slot_type = 'physical' AND active) AS slots`,
  );
  const { waits, slots, recovery } = rows[0]!;
  if (recovery === 't') return [];
  if (slots === null) {
    return [
      finding('warning', 'no standby streams by a replication slot: none can keep a copy of the pipeline’s slot', {
        remedy: `On the source: SELECT pg_create_physical_replication_slot('standby'); on the standby: ${setting('primary_slot_name', "'standby'").join(' ')}`,
      }),
    ];
  }
  if (waits !== '') return [];
  const statements = setting('synchronized_standby_slots', quoteLiteral(slots));
  return [
    finding(
      'warning',
      'synchronized_standby_slots is empty: the pipeline may have what no standby has yet, which is a gap after a failover (PGS2196)',
      { remedy: statements.join(' '), statements },
    ),
  ];
}

interface Standby {
  readonly sync: string;
  readonly feedback: string;
  readonly primarySlot: string;
  /** Null: the role may not read it. */
  readonly conninfo: string | null;
  /** Null: the slot does not exist; otherwise whether it would survive a promotion. */
  readonly ready: boolean | null;
}

async function readStandby(client: pg.Client, slot: string): Promise<Standby | null> {
  const { rows } = await client.query<Record<string, string | null>>(
    `SELECT pg_is_in_recovery() AS recovery, current_setting('sync_replication_slots', true) AS sync,
            current_setting('hot_standby_feedback') AS feedback, current_setting('primary_slot_name') AS slot,
            CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('primary_conninfo') END AS conninfo`,
  );
  const row = rows[0]!;
  if (row['recovery'] !== 't') return null;
  const { rows: there } = await client.query<{ ready: string }>(
    `SELECT (to_jsonb(s) ->> 'synced' = 'true' AND NOT temporary) AS ready FROM pg_replication_slots s WHERE slot_name = $1`,
    [slot],
  );
  return {
    sync: row['sync'] ?? 'off',
    feedback: row['feedback'] ?? '',
    primarySlot: row['slot'] ?? '',
    conninfo: row['conninfo'] ?? null,
    ready: there[0] === undefined ? null : there[0].ready === 't',
  };
}

/** Each with its statement. No part of primary_conninfo is printed: it may hold a password (I11). */
function onStandby(host: string, { sync, feedback, primarySlot, conninfo, ready }: Standby): readonly Finding[] {
  const missing: Finding[] = [];
  const say = (message: string, statements: readonly string[]): void => {
    missing.push({
      ...finding('warning', message),
      subject: `standby ${host}`,
      remedy: statements.join(' '),
      statements,
    });
  };
  if (sync !== 'on') say('sync_replication_slots is off', setting('sync_replication_slots', 'on'));
  if (feedback !== 'on') say('hot_standby_feedback is off', setting('hot_standby_feedback', 'on'));
  if (primarySlot === '') {
    say('primary_slot_name is empty; the slot is made on the source first', [
      ...setting('primary_slot_name', "'standby'"),
      `-- on the source: SELECT pg_create_physical_replication_slot('standby');`,
    ]);
  }
  if (conninfo !== null && !/(^|\s)dbname\s*=|[:][/][/][^/]*[/][^?]/.test(conninfo)) {
    const statement = `SELECT format('ALTER SYSTEM SET primary_conninfo = %L', current_setting('primary_conninfo') || ' dbname=' || quote_ident(current_database())) \\gexec`;
    say('primary_conninfo has no dbname', [statement, 'SELECT pg_reload_conf();']);
  }
  if (missing.length === 0 && ready === false)
    missing.push({
      ...finding('warning', 'the copy of the slot is not in step yet: a promotion now would lose it'),
      subject: `standby ${host}`,
      remedy: 'Wait until the pipeline has confirmed something; it comes into step by itself.',
    });
  return missing;
}
