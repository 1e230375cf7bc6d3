import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionOptions as TlsOptions, SecureVersion } from 'node:tls';
import { connectionError } from './errors.ts';

/** libpq's modes (manual: "SSL Support", table "SSL Mode Descriptions"). */
export const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof sslModes)[number];

export interface TlsFiles {
  readonly mode: SslMode;
  /** A file, or `system` for the certificate authorities that Node trusts. */
  readonly rootCert: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** Of a key that is encrypted. */
  readonly keyPassword: string | undefined;
  /** Revoked certificates: a file, and a folder of such files. */
  readonly crl: string | undefined;
  readonly crlFolder: string | undefined;
  readonly minVersion: SecureVersion | undefined;
  readonly maxVersion: SecureVersion | undefined;
}

/** The attempts in order: plain (false) or TLS with these options. */
export function tlsAttempts(files: TlsFiles, name: string): readonly (false | TlsOptions)[] {
  refuseWeakSystem(files, name);
  if (files.mode === 'disable') return [false];
  const tls = tlsOptions(files, name);
  if (files.mode === 'allow') return [false, tls];
  return files.mode === 'prefer' ? [tls, false] : [tls];
}

/** As in libpq: public certificate authorities prove nothing about a server whose name is not compared. */
function refuseWeakSystem({ mode, rootCert }: TlsFiles, name: string): void {
  if (rootCert !== 'system' || mode === 'verify-full') return;
  throw connectionError('PGS2004', `sslmode=${mode} is too weak for sslrootcert=system`, {
    where: { connection: name },
    remedy: 'Use sslmode=verify-full, which is the default with sslrootcert=system.',
  });
}

function tlsOptions(files: TlsFiles, name: string): TlsOptions {
  const home = join(homedir(), '.postgresql');
  const explicitRoot = files.rootCert ?? present(join(home, 'root.crt'));
  const verifies = files.mode === 'verify-ca' || files.mode === 'verify-full';
  // A root certificate makes `require` verify the chain, as in libpq (there "for backward compatibility").
  const checksChain = verifies || (files.mode === 'require' && explicitRoot !== undefined);
  if (files.mode === 'verify-ca' && explicitRoot === undefined) {
    throw connectionError(
      'PGS2004',
      'sslmode=verify-ca needs sslrootcert: any name would pass with a public authority',
      {
        where: { connection: name },
        remedy: 'Give sslrootcert=FILE, or use sslmode=verify-full.',
      },
    );
  }
  const cert = files.cert ?? present(join(home, 'postgresql.crt'));
  const key = files.key ?? present(join(home, 'postgresql.key'));
  if (files.cert !== undefined && key === undefined) {
    throw connectionError('PGS2004', `sslcert ${files.cert} is given, but no sslkey`, {
      where: { connection: name },
      remedy: 'Give sslkey=FILE with the key of the certificate.',
    });
  }
  return {
    ...(files.minVersion === undefined ? {} : { minVersion: files.minVersion }),
    ...(files.maxVersion === undefined ? {} : { maxVersion: files.maxVersion }),
    rejectUnauthorized: checksChain,
    ...(checksChain && explicitRoot !== undefined && explicitRoot !== 'system'
      ? { ca: read(explicitRoot, 'sslrootcert', name) }
      : {}),
    ...(checksChain ? revoked(files, home, name) : {}),
    ...(cert !== undefined && key !== undefined
      ? { cert: read(cert, 'sslcert', name), key: read(key, 'sslkey', name) }
      : {}),
    ...(files.keyPassword === undefined ? {} : { passphrase: files.keyPassword }),
    ...(files.mode === 'verify-full' || explicitRoot === 'system' ? {} : { checkServerIdentity: () => undefined }),
  };
}

/**
 * Revocation lists. If there is one, every authority of the chain needs one (as in libpq, whose OpenSSL flags are used
 * here, too). A configured list that cannot be read is refused: libpq would continue without it.
 */
function revoked(files: TlsFiles, home: string, name: string): { crl?: string[] } {
  const path = files.crl ?? (files.crlFolder === undefined ? present(join(home, 'root.crl')) : undefined);
  const lists = path === undefined ? [] : [read(path, 'sslcrl', name)];
  if (files.crlFolder !== undefined) {
    const folder = files.crlFolder;
    lists.push(...listed(folder, name).map((file) => read(join(folder, file), 'sslcrldir', name)));
  }
  return lists.length === 0 ? {} : { crl: lists };
}

function listed(folder: string, name: string): string[] {
  try {
    return readdirSync(folder);
  } catch (cause) {
    throw unreadable(folder, 'sslcrldir', { name, cause });
  }
}

function present(path: string): string | undefined {
  return existsSync(path) ? path : undefined;
}

function read(path: string, what: string, name: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw unreadable(path, what, { name, cause });
  }
}

function unreadable(path: string, what: string, details: { readonly name: string; readonly cause: unknown }): Error {
  return connectionError('PGS2004', `cannot read ${what} ${path}`, {
    where: { connection: details.name },
    remedy: `Correct ${what}, or make the file readable.`,
    cause: details.cause,
  });
}
