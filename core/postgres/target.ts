import type { ConnectionOptions as TlsOptions, SecureVersion } from 'node:tls';
import { userInfo } from 'node:os';
import { connectionError } from './errors.ts';
import { passwordFromFile } from './pgpass.ts';
import { type SslMode, type TlsFiles, sslModes, tlsAttempts } from './tls.ts';

/** A server and database as the URL and libpq's environment variables name it. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** Undefined: the server is asked without one (trust, certificate). */
  readonly password: () => Promise<string | undefined>;
  readonly attempts: readonly (false | TlsOptions)[];
  /** The mode and files that the attempts were made from. */
  readonly tls: TlsFiles;
  /** Startup parameter `options` (`-c …`). */
  readonly options: string | undefined;
  readonly channelBinding: ChannelBinding;
  readonly connectTimeoutMs: number;
}

/** libpq's values: SCRAM bound to the server's certificate, not at all, where the server offers it, or not without it. */
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
 * Reads a libpq connection URL (manual: "Connection URIs"); what it leaves out comes from PGHOST, PGPORT, PGUSER, PGDATABASE,
 * PGPASSWORD, PGPASSFILE, PGSSLMODE, PGSSLROOTCERT, PGSSLCERT, PGSSLKEY, PGSSLMINPROTOCOLVERSION, PGSSLMAXPROTOCOLVERSION,
 * PGCHANNELBINDING, PGOPTIONS and PGCONNECT_TIMEOUT. Throws PGS2009 for a URL that is none, and for what would make a connection
 * safer and is not known here; the message never holds the URL, as a password is in it.
 */
export function readTarget(url: string, keys: TlsKeys, name: string): Target {
  const parsed = parseUrl(url, name);
  const query = parsed.searchParams;
  const from = (param: string, env: string): string | undefined =>
    nonEmpty(query.get(param)) ?? nonEmpty(process.env[env]);
  const named = parsed.hostname === noHost ? undefined : nonEmpty(decode(parsed.hostname));
  const host = nonEmpty(query.get('host')) ?? named ?? nonEmpty(process.env['PGHOST']) ?? 'localhost';
  const user = nonEmpty(decode(parsed.username)) ?? from('user', 'PGUSER') ?? userInfo().username;
  const database = nonEmpty(decode(parsed.pathname.slice(1))) ?? from('dbname', 'PGDATABASE') ?? user;
  const port = Number(nonEmpty(parsed.port) ?? from('port', 'PGPORT') ?? '5432');
  const secret = nonEmpty(decode(parsed.password)) ?? from('password', 'PGPASSWORD');
  refuseUnsupported(from, name);
  const rootCert = keys.sslrootcert ?? from('sslrootcert', 'PGSSLROOTCERT');
  const mode = keys.sslmode ?? from('sslmode', 'PGSSLMODE') ?? (rootCert === 'system' ? 'verify-full' : 'prefer');
  if (!isOneOf(sslModes, mode)) throw badUrl(name, `sslmode "${mode}" is none of ${sslModes.join(', ')}`);
  const binding = keys.channel_binding ?? from('channel_binding', 'PGCHANNELBINDING') ?? 'prefer';
  if (!isOneOf(channelBindings, binding))
    throw badUrl(name, `channel_binding "${binding}" is none of ${channelBindings.join(', ')}`);
  const bare = (address: string): string => address.replace(/^\[(.+)\]$/, '$1');
  const files = {
    mode,
    rootCert,
    cert: keys.sslcert ?? from('sslcert', 'PGSSLCERT'),
    key: keys.sslkey ?? from('sslkey', 'PGSSLKEY'),
    minVersion: versionOf(from('ssl_min_protocol_version', 'PGSSLMINPROTOCOLVERSION'), name),
    maxVersion: versionOf(from('ssl_max_protocol_version', 'PGSSLMAXPROTOCOLVERSION'), name),
  };
  const passFile = from('passfile', 'PGPASSFILE');
  const at = { host: bare(host), port, database, user };
  return {
    ...at,
    password: async () => secret ?? (await passwordFromFile(at, passFile)),
    // libpq speaks no TLS on a Unix socket.
    attempts: host.startsWith('/') ? [false] : tlsAttempts(files, name),
    tls: files,
    options: from('options', 'PGOPTIONS'),
    channelBinding: binding,
    connectTimeoutMs: Number(from('connect_timeout', 'PGCONNECT_TIMEOUT') ?? '15') * 1000,
  };
}

const noHost = 'no-host.invalid';

function parseUrl(url: string, name: string): URL {
  // `postgres:///db?host=/run` and `postgres://user@/db` have no host, which the URL class refuses beside a user.
  const withHost = url.replace(/^(postgres(?:ql)?:\/\/[^/?]*@)(?=[/?]|$)/, `$1${noHost}`);
  const parsed = URL.canParse(withHost) ? new URL(withHost) : null;
  if (parsed?.protocol === 'postgres:' || parsed?.protocol === 'postgresql:') return parsed;
  throw badUrl(name, 'the URL is not of the form postgres://user:password@host:port/database');
}

function isOneOf<T extends string>(all: readonly T[], value: string): value is T {
  return (all as readonly string[]).includes(value);
}

const tlsVersions = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const;

function versionOf(text: string | undefined, name: string): SecureVersion | undefined {
  if (text === undefined) return undefined;
  const found = tlsVersions.find((version) => version.toLowerCase() === text.toLowerCase());
  if (found === undefined) throw badUrl(name, `TLS version "${text}" is none of ${tlsVersions.join(', ')}`);
  return found;
}

/** Parameters of libpq that make a connection safer, or another one: to overlook them would be worse than to refuse. */
const unsupported = [
  ['require_auth', 'PGREQUIREAUTH'],
  ['requirepeer', 'PGREQUIREPEER'],
  ['sslcrl', 'PGSSLCRL'],
  ['sslcrldir', 'PGSSLCRLDIR'],
  ['sslpassword', ''],
  ['service', ''],
] as const;

function refuseUnsupported(from: (param: string, env: string) => string | undefined, name: string): void {
  const given = unsupported.find(([param, env]) => from(param, env) !== undefined)?.[0];
  if (given !== undefined) throw badUrl(name, `${given} of libpq is not supported`);
  if (from('gssencmode', 'PGGSSENCMODE') === 'require') throw badUrl(name, 'gssencmode=require is not supported');
}

function badUrl(name: string, what: string): Error {
  return connectionError('PGS2009', what, { where: { connection: name } });
}

function nonEmpty(text: string | null | undefined): string | undefined {
  return text === null || text === undefined || text === '' ? undefined : text;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
