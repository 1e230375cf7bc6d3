import pg from 'pg';
import type { JsonSchema } from '../../core/api/plugin.ts';
import { fromPg } from './pg-error.ts';

/** Options that every connection to PostgreSQL shares in the pipeline file. */
export interface ConnectionOptions {
  readonly url: string;
}
export const connectionOptions: { readonly [key: string]: JsonSchema } = {
  url: {
    type: 'string',
    minLength: 1,
    description: 'libpq connection URL: postgres://user:password@host:port/database?sslmode=verify-full',
  },
};

/** What every session of ours is set to, so that text output is exact and the same on all servers. */
const settings: Readonly<Record<string, string>> = {
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  extra_float_digits: '3',
  bytea_output: 'hex',
  xmloption: 'content',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  search_path: 'pg_catalog',
};

export interface ConnectMore {
  /** Name of the connection in errors. */
  readonly name: string;
  /** A walsender session (START_REPLICATION, CREATE_REPLICATION_SLOT). */
  readonly replication?: boolean;
  readonly applicationName: string;
}

/**
 * An open connection: values come back as the server's text, never parsed (pg's parsers lose microseconds and digits);
 * socket errors after this do not end the process, the query under way rejects.
 */
export async function connect(options: ConnectionOptions, more: ConnectMore): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: options.url,
    application_name: more.applicationName,
    connectionTimeoutMillis: 15_000,
    keepAlive: true,
    types: { getTypeParser: () => (value: unknown) => value } as unknown as pg.CustomTypesConfig,
    ...(more.replication === true ? { replication: 'database' } : {}),
  } as pg.ClientConfig);
  client.on('error', () => {});
  try {
    await client.connect();
    const pairs = Object.entries(settings).filter(([name]) => more.replication !== true || name !== 'search_path');
    await client.query(pairs.map(([name, value]) => `SET ${name} = '${value}'`).join('; '));
    return client;
  } catch (error) {
    client.end().catch(() => {});
    throw fromPg(error, { connection: more.name });
  }
}

/** Ends a connection without waiting for a server that does not answer. */
export async function disconnect(client: pg.Client): Promise<void> {
  const ended = client.end().catch(() => {});
  const timer = setTimeout(
    () => (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy(),
    2000,
  );
  await ended;
  clearTimeout(timer);
}
