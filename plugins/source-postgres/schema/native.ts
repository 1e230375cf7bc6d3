import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { type ConnectionOptions, serverOf } from '../../../core/postgres/connect.ts';
import { readTarget } from '../../../core/postgres/target.ts';
import { sourceError } from '../errors.ts';

const run = promisify(execFile);

export interface NativeDump {
  readonly path: string;
  readonly version: string;
  readonly major: number;
}

/** A pg_dump of at least this major: on PATH, or where Debian and Red Hat install them. The oldest that fits. */
export async function findNative(major: number): Promise<NativeDump | null> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...(await installed())].filter(Boolean);
  const paths = folders.map((folder) => join(folder, process.platform === 'win32' ? 'pg_dump.exe' : 'pg_dump'));
  const found = await Promise.all([...new Set(paths)].filter((path) => existsSync(path)).map(inspect));
  const fit = found.filter((dump) => dump !== null && dump.major >= major);
  return fit.sort((a, b) => a!.major - b!.major)[0] ?? null;
}

export async function inspect(path: string): Promise<NativeDump | null> {
  try {
    const { stdout } = await run(path, ['--version'], { timeout: 10_000 });
    const version = /(\d+)(?:\.\d+|\w*)/.exec(stdout);
    return version === null ? null : { path, version: version[0], major: Number(version[1]) };
  } catch {
    return null;
  }
}

async function installed(): Promise<string[]> {
  const folders: string[] = [];
  for (const [root, pattern] of [
    ['/usr/lib/postgresql', /^\d+$/],
    ['/usr', /^pgsql-\d+$/],
  ] as const) {
    const names = await readdir(root).catch(() => []);
    folders.push(...names.filter((name) => pattern.test(name)).map((name) => join(root, name, 'bin')));
  }
  return folders;
}

const placing: ReadonlySet<string> = new Set(['PGHOSTADDR', 'PGSERVICE', 'PGTARGETSESSIONATTRS', 'PGLOADBALANCEHOSTS']);

/** Runs it. The password goes by environment, never by argument: arguments are visible to everyone (I11). */
export async function runNative(
  dump: NativeDump,
  connection: ConnectionOptions,
  args: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const target = readTarget(connection.url, connection, 'source');
  const { mode, rootCert, cert, key, crl, crlFolder, minVersion, maxVersion } = target.tls;
  // The snapshot is on the server of the earlier connections.
  const host = serverOf(target, connection.url);
  const password = await target.password(host);
  const env = {
    // Variables for another server, or a service, are in the target already.
    ...Object.fromEntries(Object.entries(process.env).filter(([variable]) => !placing.has(variable))),
    PGHOST: host.name,
    ...(host.address === null ? {} : { PGHOSTADDR: host.address }),
    PGPORT: String(host.port),
    PGUSER: target.user,
    PGDATABASE: target.database,
    PGAPPNAME: 'pgsluice pg_dump',
    PGSSLMODE: mode,
    PGCHANNELBINDING: target.channelBinding,
    ...(password === undefined ? {} : { PGPASSWORD: password }),
    ...(target.options === undefined ? {} : { PGOPTIONS: target.options }),
    ...(rootCert === undefined ? {} : { PGSSLROOTCERT: rootCert }),
    ...(cert === undefined ? {} : { PGSSLCERT: cert }),
    ...(key === undefined ? {} : { PGSSLKEY: key }),
    ...(crl === undefined ? {} : { PGSSLCRL: crl }),
    ...(crlFolder === undefined ? {} : { PGSSLCRLDIR: crlFolder }),
    ...(minVersion === undefined ? {} : { PGSSLMINPROTOCOLVERSION: minVersion }),
    ...(maxVersion === undefined ? {} : { PGSSLMAXPROTOCOLVERSION: maxVersion }),
  };
  try {
    const { stdout } = await run(dump.path, [...args], { env, signal, maxBuffer: 1 << 30, encoding: 'utf8' });
    return stdout;
  } catch (cause) {
    signal.throwIfAborted();
    const stderr = (cause as { stderr?: string }).stderr?.trim() ?? String(cause);
    throw sourceError('PGS2130', `${dump.path} (${dump.version}): ${lastLines(stderr)}`, { cause });
  }
}

/** The last lines describe the error, earlier ones are warnings. */
export function lastLines(text: string): string {
  return text.split('\n').filter(Boolean).slice(-3).join(' – ');
}
