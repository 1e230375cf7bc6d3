import type pg from 'pg';

/** A managed service, with its own commands for what PostgreSQL does otherwise. Sources: docs/managed.md. */
export interface Service {
  readonly name: string;
  /** How logical decoding is enabled; null: the service does not offer it. */
  readonly logical: string | null;
  /** Grants a role the right to stream; `{role}` stands for the quoted role. */
  readonly replication: string;
  /** How a server setting is changed; `{name}` and `{value}` are replaced. */
  readonly setting: string;
}

interface Known extends Service {
  /** True if the marks are those of this service. */
  readonly is: (marks: Marks) => boolean;
}

/** Signs of the service that runs a server. */
export interface Marks {
  readonly version: string;
  readonly roles: ReadonlySet<string>;
  /** Prefixes of settings with a dot: `rds`, `cloudsql`. */
  readonly settings: ReadonlySet<string>;
  /** `aurora_version` exists. */
  readonly aurora: boolean;
}

const alter = 'ALTER ROLE {role} REPLICATION;';

/** The first match counts. */
const known: readonly Known[] = [
  {
    name: 'Amazon Aurora',
    is: ({ aurora, roles }) => aurora && roles.has('rds_superuser'),
    logical: 'rds.logical_replication = 1 in the DB cluster parameter group, then reboot the writer',
    replication: 'GRANT rds_replication TO {role};',
    setting: '{name} = {value} in the DB cluster parameter group, then reboot the writer',
  },
  {
    name: 'Amazon RDS',
    is: ({ roles }) => roles.has('rds_superuser'),
    logical: 'rds.logical_replication = 1 in the DB parameter group, then reboot the instance',
    replication: 'GRANT rds_replication TO {role};',
    setting: '{name} = {value} in the DB parameter group, then reboot the instance',
  },
  {
    name: 'AlloyDB',
    is: ({ roles, settings }) => roles.has('alloydbsuperuser') || settings.has('alloydb'),
    logical: 'the flag alloydb.logical_decoding = on of the instance (it restarts)',
    replication: alter,
    setting: 'the flag {name} = {value} of the instance',
  },
  {
    name: 'Cloud SQL',
    is: ({ roles, settings }) => roles.has('cloudsqlsuperuser') || settings.has('cloudsql'),
    logical:
      'gcloud sql instances patch INSTANCE --database-flags=cloudsql.logical_decoding=on (it restarts; name the flags that are set, too)',
    replication: alter,
    setting: 'gcloud sql instances patch INSTANCE --database-flags={name}={value} (name the flags that are set, too)',
  },
  {
    name: 'Azure Database for PostgreSQL',
    is: ({ roles, settings }) => roles.has('azure_pg_admin') || settings.has('azure'),
    logical:
      'the server parameter wal_level = logical (of a single server: azure.replication_support = logical), then restart the server',
    replication: alter,
    setting: 'the server parameter {name} = {value}, then restart the server',
  },
  {
    name: 'Supabase',
    is: ({ roles }) => roles.has('supabase_admin'),
    logical: 'wal_level is logical there; name the direct connection (db.PROJECT.supabase.co:5432), not a pooler',
    replication: alter,
    setting: 'supabase postgres-config update --config {name}={value}',
  },
  {
    name: 'Neon',
    is: ({ roles, settings }) => roles.has('neon_superuser') || settings.has('neon'),
    logical: 'Settings, Logical Replication, Enable in the console of the project; name the host without -pooler',
    replication: 'make the role in the console, the CLI or the API: such roles may replicate',
    setting: '{name} is set by the service: ask its support for {value}',
  },
  {
    name: 'Timescale Cloud',
    is: ({ roles }) => roles.has('tsdbadmin') || roles.has('tsdbowner'),
    logical: 'ask the support of Timescale whether the service has logical decoding (wal_level = logical)',
    replication: alter,
    setting: '{name} = {value} in Operations, Database parameters of the console',
  },
  {
    name: 'Aiven',
    is: ({ roles, settings }) => roles.has('avnadmin') || settings.has('aiven'),
    logical: 'wal_level is logical there; ask the support if it is not',
    replication: alter,
    setting: 'avn service update SERVICE -c pg.{name}={value}',
  },
  {
    name: 'DigitalOcean',
    is: ({ roles }) => roles.has('doadmin'),
    logical: 'wal_level is logical there; ask the support if it is not',
    replication: alter,
    setting: '{name} = {value} by the API of the cluster (PATCH /v2/databases/ID/config)',
  },
  {
    name: 'Crunchy Bridge',
    is: ({ roles }) => roles.has('crunchy_superuser') || roles.has('ccp_monitoring'),
    logical:
      'wal_level is logical there; if not: cb config-param set --cluster CLUSTER wal_level=logical, then cb restart CLUSTER',
    replication: alter,
    setting: 'cb config-param set --cluster CLUSTER {name}={value}',
  },
  {
    name: 'Heroku Postgres',
    is: ({ roles, settings }) => roles.has('heroku_admin') || settings.has('heroku'),
    logical: null,
    replication: 'Heroku gives no role this right',
    setting: '{name} is set by the service',
  },
];

/** Pure. Null: no managed service, or an unknown one. */
export function serviceOf(marks: Marks): Service | null {
  return known.find(({ is }) => is(marks)) ?? null;
}

export async function readService(client: pg.Client): Promise<Service | null> {
  const { rows } = await client.query<Record<string, string | null>>(
    `SELECT pg_catalog.version() AS version, (SELECT string_agg(rolname, ',') FROM pg_catalog.pg_roles WHERE rolname !~ '[,]') AS roles,
            (SELECT string_agg(DISTINCT split_part(name, '.', 1), ',') FROM pg_catalog.pg_settings WHERE name LIKE '%.%') AS settings,
            EXISTS (SELECT FROM pg_catalog.pg_proc WHERE proname = 'aurora_version') AS aurora`,
  );
  const row = rows[0]!;
  const list = (text: string | null | undefined) => new Set((text ?? '').split(','));
  return serviceOf({
    version: row['version'] ?? '',
    roles: list(row['roles']),
    settings: list(row['settings']),
    aurora: row['aurora'] === 't',
  });
}

/** How to change a setting of the server, in the service's words or as SQL. */
export function settingRemedy(service: Service | null, name: string, value: string | number): string {
  if (service === null) return `ALTER SYSTEM SET ${name} = ${value}; and restart the source`;
  return `${service.name}: ${service.setting.replace('{name}', name).replace('{value}', String(value))}`;
}

/** Roles for which services keep schemas of their own; `supabase_…` as well. */
const serviceRoles = ['rdsadmin', 'azuresu', 'cloudsqladmin', 'alloydbadmin', 'cloud_admin', 'pgsodium_keymaker'];

/**
 * For a schema `n`: it belongs to the service, not to the user. Decided by its owner, never by its name alone, as users
 * have schemas such as `auth` or `storage`, too: it is owned by a role of the service, or came with an extension (cron,
 * _timescaledb_…).
 */
export const isServiceSchema = `(
  pg_catalog.pg_get_userbyid(n.nspowner) ~ '^supabase_' OR pg_catalog.pg_get_userbyid(n.nspowner) IN (${serviceRoles.map((role) => `'${role}'`).join(', ')})
  OR EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_namespace'::regclass AND e.objid = n.oid AND e.deptype = 'e'))`;

export async function serviceSchemas(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT n.nspname AS name FROM pg_catalog.pg_namespace n
     WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'public') AND ${isServiceSchema} ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}
