import type { ConnectionOptions as TlsOptions } from 'node:tls';
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
  readonly channelBinding: boolean;
  readonly connectTimeoutMs: number;
}

/** TLS keys of the pipeline file; each wins over the URL. */
export interface TlsKeys {
  readonly sslmode?: SslMode;
  readonly sslrootcert?: string;
  readonly sslcert?: string;
  readonly sslkey?: string;
}

/**
 * Reads a libpq connection URL (manual: "Connection URIs"); what it leaves out comes from PGHOST, PGPORT, PGUSER, PGDATABASE,
 * PGPASSWORD, PGPASSFILE, PGSSLMODE, PGSSLROOTCERT, PGSSLCERT, PGSSLKEY, PGOPTIONS and PGCONNECT_TIMEOUT. Throws PGS2009 for
 * a URL that is none; the message never holds the URL, as a password is in it.
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
  const mode = keys.sslmode ?? from('sslmode', 'PGSSLMODE') ?? 'prefer';
  if (!isMode(mode)) throw badUrl(name, `sslmode "${mode}" is none of ${sslModes.join(', ')}`);
  const bare = (address: string): string => address.replace(/^\[(.+)\]$/, '$1');
  const files = {
    mode,
    rootCert: keys.sslrootcert ?? from('sslrootcert', 'PGSSLROOTCERT'),
    cert: keys.sslcert ?? from('sslcert', 'PGSSLCERT'),
    key: keys.sslkey ?? from('sslkey', 'PGSSLKEY'),
  };
  const at = { host: bare(host), port, database, user };
  return {
    ...at,
    password: async () => secret ?? (await passwordFromFile(at)),
    // libpq speaks no TLS on a Unix socket.
    attempts: host.startsWith('/') ? [false] : tlsAttempts(files, name),
    tls: files,
    options: from('options', 'PGOPTIONS'),
    channelBinding: ['prefer', 'require'].includes(from('channel_binding', 'PGCHANNELBINDING') ?? ''),
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

function isMode(mode: string): mode is SslMode {
  return (sslModes as readonly string[]).includes(mode);
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
