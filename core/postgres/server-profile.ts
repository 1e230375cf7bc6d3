import type pg from 'pg';

/** The properties of a server that decide how fast statements are, for a comparison with another server. */
export interface ServerProfile {
  /** server_version_num. */
  readonly version: number;
  /** By name, as a new session of the database would have them. */
  readonly settings: ReadonlyMap<string, SettingProfile>;
  /** Most time first; null: pg_stat_statements is not in the database, or may not be read. */
  readonly statements: readonly StatementProfile[] | null;
}

export interface SettingProfile {
  /** With its unit. */
  readonly value: string;
  /** The value was set; it is not the server's default. */
  readonly set: boolean;
}

/** A statement from pg_stat_statements, with parameters in place of constants. Times in milliseconds. */
export interface StatementProfile {
  readonly text: string;
  readonly calls: number;
  readonly total: number;
  readonly rows: number;
}

/** Settings that differ between servers without a meaning, or that belong to the asking session. */
const left = `category !~ '^(File Locations|Reporting and Logging|Connections and Authentication|Preset Options|Process Title)'
  AND source <> 'client' AND name !~ '^(primary_|recovery_|restore_|archive_|promote_|transaction_|in_hot_standby|cluster_name)'
  AND reset_val IS NOT NULL`;

export async function readServerProfile(client: pg.Client): Promise<ServerProfile> {
  const settings = await client.query<{ name: string; value: string; set: string }>(
    `SELECT name, reset_val || coalesce(' ' || nullif(unit, ''), '') AS value, (source <> 'default')::text AS set
     FROM pg_settings WHERE ${left} ORDER BY name`,
  );
  const version = await client.query<{ version: string }>(`SELECT current_setting('server_version_num') AS version`);
  return {
    version: Number(version.rows[0]!.version),
    settings: new Map(settings.rows.map(({ name, value, set }) => [name, { value, set: set === 'true' }])),
    statements: await readStatements(client),
  };
}

async function readStatements(client: pg.Client): Promise<readonly StatementProfile[] | null> {
  const { rows: found } = await client.query<{ view: string }>(
    `SELECT format('%I.pg_stat_statements', nspname) AS view FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace
     WHERE extname = 'pg_stat_statements' AND has_schema_privilege(n.oid, 'USAGE')`,
  );
  const [at] = found;
  // Without its library the view raises an error; the extension alone does not show that the library is loaded.
  const { rows: loaded } = await client.query<{ there: string | null }>(
    `SELECT current_setting('pg_stat_statements.max', true) AS there`,
  );
  if (at === undefined || (loaded[0]?.there ?? '') === '') return null;
  // Utility statements keep their constants, passwords of roles among them; our own statements are not the
  // applications'.
  const { rows } = await client.query<{ text: string; calls: string; total: string; rows: string }>(
    `SELECT regexp_replace(btrim(query), '\\s+', ' ', 'g') AS text, sum(calls) AS calls, sum(total_exec_time) AS total, sum(rows) AS rows
     FROM ${at.view} WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND query ~* '^\\s*(SELECT|INSERT|UPDATE|DELETE|MERGE|WITH)\\M' AND query !~* '\\mpgsluice\\M|\\mpg_catalog\\M|\\mpg_[a-z_]+'
     GROUP BY 1 ORDER BY sum(total_exec_time) DESC LIMIT 1000`,
  );
  return rows.map(({ text, ...numbers }) => ({
    text,
    calls: Number(numbers.calls),
    total: Number(numbers.total),
    rows: Number(numbers.rows),
  }));
}
