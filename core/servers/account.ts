import { chmod, cp, mkdtemp, readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** The account that servers run under; null: our own. PostgreSQL refuses to run as root. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** As root: `postgres` where there is such a user, else `nobody`. */
export async function serverAccount(): Promise<Account | null> {
  if (process.getuid?.() !== 0) return null;
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const entry = lines.find((fields) => fields[0] === name);
    if (entry !== undefined) return { uid: Number(entry[2]), gid: Number(entry[3]) };
  }
  throw new Error('no user "postgres" or "nobody" to run a server as: PostgreSQL does not run as root');
}

/**
 * The programs as the account can reach them: a checkout under a home folder that only its owner may enter is copied
 * to a temporary place once.
 */
export async function reachable(bin: string, account: Account | null): Promise<{ bin: string; copied: string | null }> {
  if (account === null || (await enterable(bin))) return { bin, copied: null };
  const copied = await mkdtemp(join(tmpdir(), 'pgsluice-bin-'));
  await chmod(copied, 0o755);
  await cp(dirname(bin), copied, { recursive: true, verbatimSymlinks: true });
  return { bin: join(copied, 'bin'), copied };
}

async function enterable(path: string): Promise<boolean> {
  for (let at = path; ; at = dirname(at)) {
    const { mode } = await stat(at);
    if ((mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}
