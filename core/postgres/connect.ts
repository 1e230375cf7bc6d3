import pg from 'pg';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { Choice, type StaticOf, Text, Type } from '../base/options.ts';
import { BulkSocket } from './bulk-socket.ts';
import { fromPg } from './pg-error.ts';
import { sessionSettings } from './session-settings.ts';
import { BindingWatch } from './channel-binding.ts';
import { channelBindings, type Target, readTarget } from './target.ts';
import { sslModes } from './tls.ts';

const port = '0*([1-9]\\d{0,3}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d{2}|655[0-2]\\d|6553[0-5])';

/** Options that every connection to PostgreSQL shares in the pipeline file. */
export const connectionOptions = {
  url: Type.String({
    pattern: `^postgres(ql)?://([^/?#]*@)?(\\[[^\\]]*\\]|[^/?#@:]*)(:(${port})?)?([/?#].*)?$`,
    description:
      'libpq connection URL: postgres://user:password@host:port/database?sslmode=verify-full, with a port of 1 to 65535',
    secret: true,
  }),
  sslmode: Type.Optional(Choice(sslModes, { description: 'As in libpq; default prefer. Wins over the URL.' })),
  sslrootcert: Type.Optional(Text({ description: 'File with the certificate authorities to trust, or "system".' })),
  sslcert: Type.Optional(Text({ description: 'File with the client certificate.' })),
  sslkey: Type.Optional(Text({ description: 'File with the key of the client certificate.' })),
  channel_binding: Type.Optional(
    Choice(channelBindings, { description: 'As in libpq; default prefer. Wins over the URL.' }),
  ),
};
export type ConnectionOptions = StaticOf<typeof connectionOptions>;

/** Of a plugin's options, those that say where the database is. */
export function connectionOf(options: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(options).filter(([key]) => key in connectionOptions));
}

export interface ConnectMore {
  /** Name of the connection in errors. */
  readonly name: string;
  /** A walsender session (START_REPLICATION, CREATE_REPLICATION_SLOT). */
  readonly replication?: boolean;
  /** Much will be read from its socket (without TLS, a {@link BulkSocket}). */
  readonly bulk?: boolean;
  readonly applicationName: string;
}

/**
 * An open connection: values come back as the server's text, never parsed (pg's parsers lose microseconds and digits);
 * socket errors after this do not end the process, the query under way rejects.
 */
export async function connect(options: ConnectionOptions, more: ConnectMore): Promise<pg.Client> {
  const target = readTarget(options.url, options, more.name);
  for (const [i, tls] of target.attempts.entries()) {
    const binding = new BindingWatch(target.channelBinding, more.name);
    const client = newClient({ ...target, password: () => binding.password(target.password) }, tls, more);
    binding.watch(client);
    try {
      await client.connect();
      binding.check();
      await client.query(setup());
      return client;
    } catch (error) {
      destroy(client);
      if (i + 1 < target.attempts.length && mayTryOther(error)) continue;
      throw fromPg(error, { connection: more.name });
    }
  }
  throw new Error('unreachable: there is always one attempt');
}

function newClient(target: Target, tls: false | TlsOptions, more: ConnectMore): pg.Client {
  const client = new pg.Client({
    host: target.host,
    port: target.port,
    user: target.user,
    database: target.database,
    password: target.password as () => Promise<string>,
    ssl: tls,
    ...(target.options === undefined ? {} : { options: target.options }),
    application_name: more.applicationName,
    connectionTimeoutMillis: target.connectTimeoutMs,
    keepAlive: true,
    enableChannelBinding: tls !== false && target.channelBinding !== 'disable',
    types: { getTypeParser: () => (value: unknown) => value } as unknown as pg.CustomTypesConfig,
    ...(more.replication === true ? { replication: 'database' } : {}),
    // Under TLS it is the TLS layer that reads.
    ...(more.bulk === true && tls === false ? { stream: () => new BulkSocket() } : {}),
  } as pg.ClientConfig);
  client.on('error', () => {});
  return client;
}

function setup(): string {
  const pairs = Object.entries(sessionSettings);
  // transaction_timeout is of 17 and later.
  const newer = `SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout'`;
  return [...pairs.map(([name, value]) => `SET ${name} = '${value}'`), newer].join('; ');
}

/** sslmode prefer and allow: the other way is tried when the server lacks TLS, or its pg_hba.conf refuses this way. */
function mayTryOther(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return error.code === '28000';
  return error instanceof Error && error.message === 'The server does not support SSL connections';
}

/** Cuts a connection at once; the server notices at its next read or write. */
export function destroy(client: pg.Client): void {
  const { stream } = (client as unknown as { connection: { stream: { destroy(): void } } }).connection;
  client.end().catch(() => {});
  stream.destroy();
}

/** Ends a connection without waiting for a server that does not answer. */
export async function disconnect(client: pg.Client): Promise<void> {
  const ended = client.end().catch(() => {});
  const timer = setTimeout(() => destroy(client), 2000);
  await ended;
  clearTimeout(timer);
}
