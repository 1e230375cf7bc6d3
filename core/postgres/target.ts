import type { ConnectionOptions as TlsOptions, SecureVersion } from 'node:tls';
import { userInfo } from 'node:os';
import { badUrl, type Parameter, readParameters } from './conninfo.ts';
import { type Host, hostsOf, isSocket } from './hosts.ts';
import { passwordFromFile } from './pgpass.ts';
import { type SessionKind, sessionKinds } from './session-kind.ts';
import { type SslMode, type TlsFiles, sslModes, tlsAttempts } from './tls.ts';

/** Servers and database as given by the URL, its service and libpq's environment variables. */
export interface Target {
  /** In the order of the list; at least one. */
  readonly hosts: readonly Host[];
  readonly kind: SessionKind;
  /** load_balance_hosts=random. */
  readonly balance: boolean;
  readonly user: string;
  readonly database: string;
  /** Undefined: no password is sent (trust, certificate). */
  readonly password: (host: Host) => Promise<string | undefined>;
  /** For a host reached by TCP: plain (false) or TLS, in order. */
  readonly attempts: readonly (false | TlsOptions)[];
  /** The mode and files that the attempts were made from. */
  readonly tls: TlsFiles;
  /** Startup parameter `options` (`-c …`). */
  readonly options: string | undefined;
  readonly channelBinding: ChannelBinding;
  readonly connectTimeoutMs: number;
  readonly keepAlive: { readonly on: boolean; readonly idleMs: number };
}

/**
 * libpq's values: never bind SCRAM to the server's certificate, bind it if the server offers that, or refuse a
 * connection without it.
 */
export const channelBindings = ['disable', 'prefer', 'require'] as const;
export type ChannelBinding = (typeof channelBindings)[number];

/** TLS keys of the pipeline file; each wins over the URL. */
export interface TlsKeys {
  readonly sslmode?: SslMode;
  readonly sslrootcert?: string;
  readonly sslcert?: string;
  readonly sslkey?: string;
  readonly channel_binding?: ChannelBinding;
}

/**
 * Reads a libpq connection URL (manual: "Connection URIs"); parameters that it leaves out come from the service that it
 * or PGSERVICE names, and from the environment. Throws PGS2009 for an invalid URL, and for unknown parameters that
 * would make a connection safer; the message never contains the URL, as that may hold a password.
 */
export function readTarget(url: string, keys: TlsKeys, name: string): Target {
  const get = readParameters(url, name);
  refuseUnsupported(get, name);
  const hosts = hostsOf(get, name);
  const user = get('user') ?? userInfo().username;
  const database = get('dbname') ?? user;
  const files = tlsFiles(get, keys, name);
  const [secret, passFile] = [get('password'), get('passfile')];
  return {
    hosts,
    kind: oneOf(sessionKinds, get('target_session_attrs') ?? 'any', { param: 'target_session_attrs', name }),
    balance:
      oneOf(['disable', 'random'], get('load_balance_hosts') ?? 'disable', { param: 'load_balance_hosts', name }) ===
      'random',
    user,
    database,
    password: async (host) =>
      secret ?? (await passwordFromFile({ host: host.name, port: host.port, database, user }, passFile)),
    // libpq speaks no TLS on a Unix socket.
    attempts: hosts.every(isSocket) ? [false] : tlsAttempts(files, name),
    tls: files,
    options: get('options'),
    channelBinding: oneOf(channelBindings, keys.channel_binding ?? get('channel_binding') ?? 'prefer', {
      param: 'channel_binding',
      name,
    }),
    connectTimeoutMs: seconds(get, { param: 'connect_timeout', name }, 15),
    keepAlive: { on: get('keepalives') !== '0', idleMs: seconds(get, { param: 'keepalives_idle', name }, 0) },
  };
}

function tlsFiles(get: Parameter, keys: TlsKeys, name: string): TlsFiles {
  const rootCert = keys.sslrootcert ?? get('sslrootcert');
  const mode = keys.sslmode ?? get('sslmode') ?? (rootCert === 'system' ? 'verify-full' : 'prefer');
  return {
    mode: oneOf(sslModes, mode, { param: 'sslmode', name }),
    rootCert,
    cert: keys.sslcert ?? get('sslcert'),
    key: keys.sslkey ?? get('sslkey'),
    keyPassword: get('sslpassword'),
    crl: get('sslcrl'),
    crlFolder: get('sslcrldir'),
    minVersion: versionOf(get('ssl_min_protocol_version'), name),
    maxVersion: versionOf(get('ssl_max_protocol_version'), name),
  };
}

interface Asked {
  readonly param: string;
  /** Of the connection. */
  readonly name: string;
}

function oneOf<T extends string>(all: readonly T[], value: string, { param, name }: Asked): T {
  const found = all.find((one) => one === value);
  if (found === undefined) throw badUrl(name, `${param} "${value}" is none of ${all.join(', ')}`);
  return found;
}

/** In milliseconds. */
function seconds(get: Parameter, { param, name }: Asked, otherwise: number): number {
  const text = get(param) ?? String(otherwise);
  const number = Number(text);
  if (!Number.isInteger(number)) throw badUrl(name, `${param} "${text}" is not a number of seconds`);
  return Math.max(0, number) * 1000;
}

const tlsVersions = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const;

function versionOf(text: string | undefined, name: string): SecureVersion | undefined {
  if (text === undefined) return undefined;
  const found = tlsVersions.find((version) => version.toLowerCase() === text.toLowerCase());
  if (found === undefined) throw badUrl(name, `TLS version "${text}" is none of ${tlsVersions.join(', ')}`);
  return found;
}

/** Parameters of libpq that make a connection safer: ignoring them would be worse than refusing them. */
const unsupported = ['require_auth', 'requirepeer'];

function refuseUnsupported(get: Parameter, name: string): void {
  const given = unsupported.find((param) => get(param) !== undefined);
  if (given !== undefined) throw badUrl(name, `${given} of libpq is not supported`);
  if (get('gssencmode') === 'require') throw badUrl(name, 'gssencmode=require is not supported');
}
