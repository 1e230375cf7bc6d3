import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, readFile, rename, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { checkpointFileError } from './errors.ts';

/** A lock file's record of its owner. */
interface Owner {
  readonly pid: number;
  /** Start of the process in kernel ticks, so that a reused pid is not taken for the owner; null: unknown. */
  readonly started: string | null;
  readonly host: string;
  readonly token: string;
}

/** A lock of another machine counts as abandoned if its owner has not touched it for this long, in milliseconds. */
const foreignPatience = 60_000;
const touchInterval = 10_000;

/**
 * A file that exists while a process works. It remains after its owner was killed, so the next process checks whether
 * the owner is alive. Made by link(), which is atomic: no process sees a partly written lock, and only one of two gets
 * it.
 */
export class LockFile {
  readonly #path: string;
  readonly #text: string;
  readonly #touch: NodeJS.Timeout;

  private constructor(path: string, text: string) {
    this.#path = path;
    this.#text = text;
    this.#touch = setInterval(() => {
      const now = new Date();
      utimes(path, now, now).catch(() => {});
    }, touchInterval);
    this.#touch.unref();
  }

  /** Throws PGS6070 if a living process holds it. */
  static async take(path: string): Promise<LockFile> {
    const owner: Owner = {
      pid: process.pid,
      started: startOf(process.pid),
      host: hostname(),
      token: randomUUID(),
    };
    const text = JSON.stringify(owner);
    const candidate = `${path}.${owner.token}`;
    await writeFile(candidate, text, { flag: 'wx' });
    try {
      for (let tries = 0; tries < 20; tries++) {
        if (await linked(candidate, path)) return new LockFile(path, text);
        const held = await readOwner(path);
        if (held === null) continue;
        if (await isAlive(held, path, candidate)) throw refused(path, held.owner);
        if (await succeed(path, held, candidate)) return new LockFile(path, text);
      }
      throw refused(path, null);
    } finally {
      await unlink(candidate).catch(() => {});
    }
  }

  /** Throws PGS6074 if the lock is no longer ours. */
  async verify(): Promise<void> {
    const text = await readFile(this.#path, 'utf8').catch(() => null);
    if (text !== this.#text)
      throw checkpointFileError('PGS6074', `the lock file ${this.#path} no longer belongs to this process`);
  }

  async release(): Promise<void> {
    clearInterval(this.#touch);
    const text = await readFile(this.#path, 'utf8').catch(() => null);
    if (text === this.#text) await unlink(this.#path).catch(() => {});
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

interface Held {
  readonly owner: Owner | null;
  readonly text: string;
}

async function readOwner(path: string): Promise<Held | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    return { owner: JSON.parse(text) as Owner, text };
  } catch {
    // Not written by us, or damaged by a crash of the machine: its age decides.
    return { owner: null, text };
  }
}

async function isAlive({ owner }: Held, path: string, candidate: string): Promise<boolean> {
  if (owner === null || owner.host !== hostname()) {
    // Both times are the file system's, so clocks of two machines need not agree.
    const [lock, now] = await Promise.all([stat(path).catch(() => null), stat(candidate)]);
    return lock !== null && now.mtimeMs - lock.mtimeMs < foreignPatience;
  }
  if (owner.started !== null) return startOf(owner.pid) === owner.started;
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Replaces the lock of a dead owner. Two processes may find it dead at the same time, so a successor first makes a
 * claim: a link whose name is derived from the dead owner's text, which only one process can create. A claim of a
 * process that died in turn is replaced in the same way. With the claim made, the lock must still be the dead owner's:
 * if not, it was replaced, and the claims removed, between our look and our claim.
 */
async function succeed(path: string, dead: Held, candidate: string): Promise<boolean> {
  const claims: string[] = [];
  for (let last = dead; ; ) {
    const claim = `${path}.${createHash('sha256').update(last.text).digest('hex').slice(0, 32)}`;
    claims.push(claim);
    if (await linked(candidate, claim)) break;
    const claimant = await readOwner(claim);
    if (claimant === null) return false;
    if (await isAlive(claimant, claim, candidate)) throw refused(path, claimant.owner);
    last = claimant;
  }
  const mine = claims.at(-1) as string;
  if ((await readOwner(path))?.text !== dead.text) {
    await unlink(mine);
    return false;
  }
  await rename(candidate, path);
  for (const claim of claims) await unlink(claim).catch(() => {});
  return true;
}

/** Field 22 of /proc/PID/stat (proc_pid_stat(5)); null if there is no such process or no /proc. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the command's name in parentheses, which may contain any character.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function refused(path: string, owner: Owner | null): Error {
  const who = owner === null ? 'another process' : `process ${owner.pid} on ${owner.host}`;
  return checkpointFileError('PGS6070', `${path} is held by ${who}`);
}
