import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface FileResult {
  readonly file: string;
  readonly passed: number;
  /** Also 1 for a file that ended badly though no test of it failed. */
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
  /** stdout and stderr of the file, as they came. */
  readonly output: string;
}

const running = new Set<ChildProcess>();

/** Runs one test file in a process of its own. One that has not ended after `limit`, milliseconds, is ended, and has failed. */
export async function runFile(file: string, env: NodeJS.ProcessEnv, limit: number): Promise<FileResult> {
  const begin = Date.now();
  const args = ['--test-reporter=spec', '--test-reporter-destination=stdout', file];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  let hung = false;
  const timer = setTimeout(() => {
    hung = true;
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), 10_000).unref();
  }, limit);
  const closed = once(child, 'close');
  const [code] = (await once(child, 'exit')) as [number | null];
  // A process that the file left behind may keep the pipes open.
  await Promise.race([closed, sleep(5000, undefined, { ref: false })]);
  clearTimeout(timer);
  running.delete(child);
  if (hung) output += `\n${relative(process.cwd(), file)} had not ended after ${limit / 60_000} minutes\n`;
  const counts = summary(output);
  const bad = counts.fail + counts.cancelled;
  // No count at all: the file broke before its first test, or holds none.
  const silent = counts.pass + counts.skipped + counts.todo + bad === 0;
  const failed = bad > 0 ? bad : code !== 0 || silent ? 1 : 0;
  const seconds = (Date.now() - begin) / 1000;
  return { file, passed: counts.pass, failed, skipped: counts.skipped + counts.todo, seconds, output };
}

/** Ends the files that run, and with them what they started. */
export function killFiles(): void {
  for (const child of running) child.kill('SIGTERM');
}

/** The counts that the reporter prints at its end. */
function summary(output: string): Record<'pass' | 'fail' | 'cancelled' | 'skipped' | 'todo', number> {
  const counts = { pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 };
  for (const [, word, count] of output.matchAll(/^ℹ (pass|fail|cancelled|skipped|todo) (\d+)$/gm)) {
    counts[word as keyof typeof counts] = Number(count);
  }
  return counts;
}
