import { isIP } from 'node:net';
import { checkServerIdentity, type ConnectionOptions as TlsOptions } from 'node:tls';
import pg from 'pg';
import { PgsluiceError } from '../base/error.ts';
import { Choice, type StaticOf, Text, Type } from '../base/options.ts';
import { BulkSocket } from './bulk-socket.ts';
import { BindingWatch } from './channel-binding.ts';
import { connectionError } from './errors.ts';
import { everyAddress, type Host, hostText, isSocket, shuffled } from './hosts.ts';
import { fromPg } from './pg-error.ts';
import { roundsOf, type SessionKind, whyNotOf } from './session-kind.ts';
import { setUp } from './set-up.ts';
import { channelBindings, type Target, readTarget } from './target.ts';
import { sslModes } from './tls.ts';

const port = '0*([1-9]\\d{0,3}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d{2}|655[0-2]\\d|6553[0-5])';
const host = `(\\[[^\\]]*\\]|[^/?@:,]*)(:(${port})?)?`;

export const urlPattern = `^postgres(ql)?://([^/]*@)?${host}(,${host})*([/?].*)?$`;

/** Options that every connection to PostgreSQL shares in the pipeline file. */
export const connectionOptions = {
  url: Type.String({
    pattern: urlPattern,
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

/** Those of a plugin's options that say where the database is. */
export function connectionOf(options: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(options).filter(([key]) => key in connectionOptions));
}

export interface ConnectRequest {
  /** Name of the connection in errors. */
  readonly name: string;
  /** A walsender session (START_REPLICATION, CREATE_REPLICATION_SLOT). */
  readonly replication?: boolean;
  /** Much will be read from its socket (without TLS, a {@link BulkSocket}). */
  readonly bulk?: boolean;
  readonly applicationName: string;
}

/** The host that a URL with several hosts was last connected to: a pipeline's connections belong on one server. */
const chosen = new Map<string, Host>();

/** The server that other programs have to connect to in order to see what our earlier connection made or holds. */
export function serverOf(target: Target, url: string): Host {
  return chosen.get(url) ?? target.hosts[0]!;
}

/**
 * An open connection: values come back as the server's text, never parsed (pg's parsers lose microseconds and digits);
 * later socket errors do not end the process, the current query rejects. Of several hosts it is the first that answers
 * and is of the kind that target_session_attrs asks for, preferably the one of the previous connection.
 */
export async function connect(options: ConnectionOptions, request: ConnectRequest): Promise<pg.Client> {
  const target = readTarget(options.url, options, request.name);
  const hosts = await inOrder(target, options.url);
  const failures: Failure[] = [];
  for (const kind of roundsOf(target.kind)) {
    for (const host of hosts) {
      try {
        const client = await connectTo(host, { target, kind, request });
        if (hosts.length > 1) chosen.set(options.url, host);
        return client;
      } catch (error) {
        const failure = { host, error: fromPg(error, { connection: request.name }) };
        // As in libpq: a server that refuses the login or lacks the database ends the search; one that is down or not
        // ready does not.
        if (!passedOver.has(failure.error.code)) throw failure.error;
        failures.push(failure);
      }
    }
  }
  throw failureOf(failures, target.kind, request.name);
}

interface Failure {
  readonly host: Host;
  readonly error: PgsluiceError;
}

const passedOver: ReadonlySet<string> = new Set(['PGS2001', 'PGS2005', 'PGS2006', 'PGS2008', 'PGS2095']);

async function inOrder(target: Target, url: string): Promise<readonly Host[]> {
  const several = target.kind !== 'any' || target.balance;
  const hosts = several ? (await Promise.all(target.hosts.map(everyAddress))).flat() : target.hosts;
  const ordered = target.balance ? shuffled(hosts) : hosts;
  const before = chosen.get(url);
  const isBefore = ({ name, address, port }: Host) =>
    Number(name === before?.name && address === before.address && port === before.port);
  return ordered.toSorted((a, b) => isBefore(b) - isBefore(a));
}

function failureOf(failures: readonly Failure[], kind: SessionKind, name: string): PgsluiceError {
  const last = failures.at(-1)!.error;
  const wrong = failures.find(({ error }) => error.code === 'PGS2095');
  if (failures.length === 1 && wrong === undefined) return last;
  const words = [...new Set(failures.map(({ host, error }) => `${hostText(host)}: ${error.message}`))].join('; ');
  const details = { where: { connection: name }, cause: last };
  if (wrong !== undefined) return connectionError('PGS2095', `no host is ${kind}: ${words}`, details);
  return connectionError(last.code as 'PGS2001', words, { ...details, where: last.where });
}

interface Attempt {
  readonly target: Target;
  readonly kind: SessionKind;
  readonly request: ConnectRequest;
}

async function connectTo(host: Host, { target, kind, request }: Attempt): Promise<pg.Client> {
  const attempts = isSocket(host) ? [false as const] : target.attempts;
  for (const [i, tls] of attempts.entries()) {
    const binding = new BindingWatch(target.channelBinding, request.name);
    const login = () => binding.password(() => target.password(host));
    const client = newClient({ ...target, login }, { host, tls: namedTls(tls, host) }, request);
    binding.watch(client);
    try {
      await client.connect();
      binding.check();
      const other = await whyNotOf(client, kind);
      if (other !== null) throw connectionError('PGS2095', other, { where: { connection: request.name } });
      await setUp(client, { name: request.name, other: () => another(host, { target, tls, request }) });
      return client;
    } catch (error) {
      destroy(client);
      if (i + 1 < attempts.length && mayTryOther(error)) continue;
      throw error;
    }
  }
  throw new Error('unreachable: there is always one attempt');
}

/** A second session beside an open one, without our settings. */
async function another(
  host: Host,
  { target, tls, request }: Pick<Attempt, 'target' | 'request'> & { readonly tls: false | TlsOptions },
): Promise<pg.Client> {
  const login = () => target.password(host);
  const client = newClient({ ...target, login }, { host, tls: namedTls(tls, host) }, request);
  await client.connect();
  return client;
}

/** With hostaddr the certificate is that of the host's name, which the address does not give. */
function namedTls(tls: false | TlsOptions, { name, address }: Host): false | TlsOptions {
  if (tls === false || address === null || name === address) return tls;
  const named = isIP(name) === 0 ? { ...tls, servername: name } : { ...tls };
  return { checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate), ...named };
}

function newClient(
  target: Target & { readonly login: () => Promise<string | undefined> },
  { host, tls }: { readonly host: Host; readonly tls: false | TlsOptions },
  request: ConnectRequest,
): pg.Client {
  const client = new pg.Client({
    host: host.address ?? host.name,
    port: host.port,
    user: target.user,
    database: target.database,
    password: target.login as () => Promise<string>,
    ssl: tls,
    ...(target.options === undefined ? {} : { options: target.options }),
    application_name: request.applicationName,
    connectionTimeoutMillis: target.connectTimeoutMs,
    keepAlive: target.keepAlive.on,
    keepAliveInitialDelayMillis: target.keepAlive.idleMs,
    enableChannelBinding: tls !== false && target.channelBinding !== 'disable',
    types: { getTypeParser: () => (value: unknown) => value } as unknown as pg.CustomTypesConfig,
    ...(request.replication === true ? { replication: 'database' } : {}),
    // Under TLS the TLS layer reads from the socket.
    ...(request.bulk === true && tls === false ? { stream: () => new BulkSocket() } : {}),
  } as pg.ClientConfig);
  client.on('error', () => {});
  return client;
}

/** sslmode prefer and allow: the other mode is tried if the server lacks TLS, or its pg_hba.conf refuses this mode. */
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

/** Asks every host of the list, whatever its kind; one that does not answer is left out. */
export async function askEach<T>(
  options: ConnectionOptions,
  request: ConnectRequest,
  question: (client: pg.Client) => Promise<T>,
): Promise<readonly { readonly host: string; readonly answer: T }[]> {
  const target = readTarget(options.url, options, request.name);
  const answers: { host: string; answer: T }[] = [];
  for (const host of target.hosts) {
    const client = await connectTo(host, { target, kind: 'any', request }).catch(() => null);
    if (client === null) continue;
    try {
      answers.push({ host: hostText(host), answer: await question(client) });
    } finally {
      await disconnect(client);
    }
  }
  return answers;
}
