import type pg from 'pg';
import type { PluginContext } from '../../../core/api/context.ts';
import type { CheckReport, Finding } from '../../../core/api/check.ts';
import { PgsluiceError } from '../../../core/base/error.ts';
import type { TablePlan } from '../../../core/api/plan.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import { quoteIdent } from '../../../core/postgres/quote.ts';
import { type PostgresSinkOptions, schemaExclude, schemaMode } from '../options.ts';
import { refuseOccupied } from '../schema/empty.ts';
import { actingFindings } from './acting.ts';
import { verifyTargets, withRows } from '../schema/verify-target.ts';
import type { Sessions } from '../sessions.ts';
import { bulkStateExists, readPhase } from '../state.ts';

interface Facts {
  readonly version: number;
  readonly encoding: string;
  readonly database: string;
  readonly user: string;
  readonly mayCreate: boolean;
  readonly superuser: boolean;
  readonly replica: boolean;
  readonly readOnly: boolean;
  readonly freeConnections: number;
}

/** The oldest major that the sink's statements are written for. */
const oldest = 140000;

interface Looked {
  readonly options: PostgresSinkOptions;
  readonly context: PluginContext;
  /** Rows will be copied, so that existing rows are in the way. */
  readonly copies: boolean;
}

/** Reads only; changes nothing. */
export async function checkTarget(
  sessions: Sessions,
  input: Looked,
  plans: readonly TablePlan[],
  report: CheckReport,
): Promise<void> {
  const subject = `sink ${input.context.name}`;
  const powers = await sessions.powers();
  await sessions.query(async (client) => {
    const facts = { ...(await readFacts(client)), ...powers };
    for (const finding of serverFindings(facts, input.options)) report.add({ subject, ...finding });
    report.add({ subject, ...(await tablesFinding(client, input, plans)) });
    for (const finding of excludeFindings(input.options, plans)) report.add({ subject, ...finding });
    for (const finding of await actingFindings(client, facts, plans)) report.add({ subject, ...finding });
  });
}

async function readFacts(client: pg.Client): Promise<Omit<Facts, 'superuser' | 'replica' | 'version'>> {
  const { rows } = await client.query<Record<string, string>>(
    `SELECT current_setting('server_encoding') AS encoding, current_database() AS db, current_user AS usr,
            has_database_privilege(current_database(), 'CREATE')::text AS may_create,
            (pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean)::text AS read_only,
            current_setting('max_connections')::int - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS free`,
  );
  const row = rows[0]!;
  return {
    encoding: row['encoding']!,
    database: row['db']!,
    user: row['usr']!,
    mayCreate: row['may_create'] === 'true',
    readOnly: row['read_only'] === 'true',
    freeConnections: Number(row['free']),
  };
}

type Found = Omit<Finding, 'subject'>;

/** Pure. */
export function serverFindings(facts: Facts, options: PostgresSinkOptions): Found[] {
  const ok = (check: string, message: string): Found => ({ check, level: 'ok', message, remedy: null });
  const not = (level: 'warning' | 'error', check: string, message: string, remedy: string): Found => ({
    check,
    level,
    message,
    remedy,
  });
  const user = quoteIdent(facts.user);
  const major = Math.floor(facts.version / 10000);
  return [
    facts.version >= oldest
      ? ok('target-version', `PostgreSQL ${major}`)
      : not('error', 'target-version', `PostgreSQL ${major} is too old`, 'Use a target of version 14 or later.'),
    facts.readOnly
      ? not('error', 'target-writable', 'the target is read-only (a standby?)', 'Connect to the primary.')
      : ok('target-writable', 'takes writes'),
    facts.encoding === 'UTF8'
      ? ok('target-encoding', 'UTF8')
      : not(
          'warning',
          'target-encoding',
          `the target is ${facts.encoding}: a character that it lacks stops the copy`,
          `CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0;`,
        ),
    facts.mayCreate
      ? ok('target-create', `${facts.user} may create schemas`)
      : not(
          'error',
          'target-create',
          `${facts.user} may not create schemas`,
          `GRANT CREATE ON DATABASE ${quoteIdent(facts.database)} TO ${user};`,
        ),
    facts.replica
      ? ok('target-replication-role', 'triggers and foreign keys stay out of the way of replicated rows')
      : {
          check: 'target-replication-role',
          level: 'warning',
          message:
            'session_replication_role may not be set: triggers and rules are kept off by their tables until the cutover, foreign keys are made there, and changes are applied one by one, which is slower',
          // Before 15 only a superuser may set it: nothing can be done, and nothing has to be done.
          remedy: facts.version >= 150000 ? `GRANT SET ON PARAMETER session_replication_role TO ${user};` : null,
        },
    facts.superuser
      ? ok('target-foreign-keys', 'foreign keys that the snapshot guarantees need no scan')
      : ok('target-foreign-keys', 'foreign keys are validated by a scan, as the user is no superuser'),
    facts.freeConnections >= 4 + options.index_workers
      ? ok('target-connections', `${facts.freeConnections} connections are free`)
      : not(
          'error',
          'target-connections',
          `only ${facts.freeConnections} connections are free`,
          'Raise max_connections of the target, or lower snapshot.workers and index_workers.',
        ),
  ];
}

async function tablesFinding(client: pg.Client, input: Looked, plans: readonly TablePlan[]): Promise<Found> {
  const check = 'target-tables';
  const owner = { pipeline: input.context.pipeline, sink: input.context.name };
  if ((await bulkStateExists(client)) && (await readPhase(client, owner)) !== null) {
    return { check, level: 'ok', message: 'an earlier run of this pipeline has prepared the target', remedy: null };
  }
  try {
    if (!input.copies) {
      await verifyTargets(client, plans, false);
      return { check, level: 'ok', message: 'all tables are there, and stay as they are', remedy: null };
    }
    if (schemaMode(input.options) === 'create') {
      await refuseOccupied(client, { plans }, input.context.name);
      return { check, level: 'ok', message: 'no table of the plan is in the target yet', remedy: null };
    }
    const found = await verifyTargets(client, plans);
    const full = await withRows(
      client,
      found.map(({ relid }) => relid),
    );
    if (full.length === 0) return { check, level: 'ok', message: 'all tables are there, and empty', remedy: null };
    const message = `rows in ${full.slice(0, 5).join(', ')}`;
    if (input.options.on_existing === 'truncate')
      return { check, level: 'warning', message: `${message}: they will be removed`, remedy: null };
    return { check, level: 'error', message, remedy: `TRUNCATE ${full.join(', ')}; or on_existing: truncate` };
  } catch (error) {
    if (!(error instanceof PgsluiceError) || !error.code.startsWith('PGS30')) throw error;
    return { check, level: 'error', message: error.message, remedy: error.remedy, code: error.code };
  }
}

/** Pure: tables that the file chooses in schemas that it excludes. */
function excludeFindings(options: PostgresSinkOptions, plans: readonly TablePlan[]): Found[] {
  const { schemas } = schemaExclude(options);
  const inside = plans.filter(({ source }) => schemas.includes(source.schema));
  if (schemaMode(options) === 'existing' || inside.length === 0) return [];
  const names = inside.slice(0, 5).map(({ source }) => relationName(source));
  const others = inside.length > 5 ? ` and ${inside.length - 5} more` : '';
  return [
    {
      check: 'target-exclude',
      level: 'error',
      message: `schema.exclude leaves out the schema of ${names.join(', ')}${others}, which the file copies`,
      remedy: `Leave these tables out, too (source.tables.exclude), or take the schema off schema.exclude.schemas.`,
    },
  ];
}
