import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What a program took. */
export interface Usage {
  /** Wall clock, seconds. */
  readonly seconds: number;
  /** CPU seconds of the program and, for shell scripts, of its children; without the servers. */
  readonly cpu: number;
  /** Peak resident bytes; null where it was not measured. */
  readonly rss: number | null;
  readonly stdout: string;
}

const bin = fileURLToPath(new URL('../../bin/pgsluice.js', import.meta.url));
const preload = new URL('./usage-at-exit.ts', import.meta.url).href;

/** pgsluice in a process of its own. Throws when it does not end with 0. */
export function pgsluice(args: readonly string[]): Promise<Usage> {
  return nodeProgram(bin, args);
}

/** A file in a Node process of its own. BENCH_NODE_OPTIONS goes to Node, for profiles. Throws when it does not end with 0. */
export async function nodeProgram(file: string, args: readonly string[]): Promise<Usage> {
  const folder = await mkdtemp(join(tmpdir(), 'pgsluice-bench-'));
  const usage = join(folder, 'usage.json');
  try {
    const options = (process.env['BENCH_NODE_OPTIONS'] ?? '').split(' ').filter(Boolean);
    const ran = await runToEnd(process.execPath, [...options, '--import', preload, file, ...args], {
      BENCH_USAGE: usage,
    });
    const used = JSON.parse(await readFile(usage, 'utf8')) as { cpu: number; rss: number };
    return { ...ran, ...used };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A bash script; CPU is that of all its children. Throws when any command fails. */
export async function script(text: string, env: Readonly<Record<string, string>> = {}): Promise<Usage> {
  const ran = await runToEnd('bash', ['-c', `set -eo pipefail\n${text}\necho; echo "used:"; times`], env);
  const [, children] = ran.stdout.slice(ran.stdout.lastIndexOf('used:')).trim().split('\n').slice(1);
  const cpu = (children ?? '').split(' ').reduce((sum, part) => sum + seconds(part), 0);
  return { ...ran, cpu, rss: null };
}

/** `1m2.345s`, as bash writes times. */
function seconds(text: string): number {
  const match = /^(\d+)m([\d.]+)s$/.exec(text);
  return match === null ? 0 : Number(match[1]) * 60 + Number(match[2]);
}

async function runToEnd(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ seconds: number; stdout: string }> {
  const from = performance.now();
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  process.off('exit', kill);
  const took = (performance.now() - from) / 1000;
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${stderr.slice(-3000)}\n${stdout.slice(-1000)}`);
  return { seconds: took, stdout };
}

/** A program on PATH, else where Debian puts PostgreSQL's; null where there is none. */
export function findProgram(name: string): string | null {
  const places = (process.env['PATH'] ?? '').split(delimiter);
  for (const major of [18, 17, 16, 15, 14]) places.push(`/usr/lib/postgresql/${major}/bin`);
  for (const folder of places) if (folder !== '' && existsSync(join(folder, name))) return join(folder, name);
  return null;
}

/**
 * CPU seconds of a server so far: the postmaster with the children that ended and those that run (Linux: /proc). The
 * difference of two calls is what a contender made the server do. Null elsewhere.
 */
export function serverCpu(postmaster: number): number | null {
  try {
    const own = ticks(postmaster, true);
    const children = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, 'utf8').trim().split(' ');
    return (own + children.reduce((sum, pid) => sum + (pid === '' ? 0 : ticks(Number(pid), false)), 0)) / 100;
  } catch {
    return null;
  }
}

/** CPU seconds of one process so far (Linux: /proc); 0 elsewhere, and when it is gone. */
export function processCpu(pid: number): number {
  return ticks(pid, false) / 100;
}

/** utime and stime, and cutime and cstime where the children that ended count (proc(5)), in ticks of 10 ms. */
function ticks(pid: number, withEnded: boolean): number {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return 0;
  }
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const own = fields[11]! + fields[12]!;
  return withEnded ? own + fields[13]! + fields[14]! : own;
}
