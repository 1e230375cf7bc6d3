import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fromStandby } from './standby-source.ts';

const bin = fileURLToPath(new URL('../../bin/pgsluice.js', import.meta.url));

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** pgsluice in a process of its own. */
export class CliProcess {
  readonly process: ChildProcess;
  readonly ended: Promise<CliResult>;
  stdout = '';
  stderr = '';

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}, cwd: string = process.cwd()) {
    this.process = spawn(process.execPath, [bin, ...args], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const running = this.process;
    const kill = () => running.kill('SIGKILL');
    process.once('exit', kill);
    running.stdout!.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    running.stderr!.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.ended = once(running, 'close').then(([code]) => {
      process.off('exit', kill);
      return { code: code as number | null, stdout: this.stdout, stderr: this.stderr };
    });
  }

  /** Log events by name, in order. */
  events(name?: string): readonly Readonly<Record<string, unknown>>[] {
    const lines = this.stdout.split('\n').filter((line) => line.startsWith('{'));
    const parsed = lines.flatMap((line) => {
      try {
        return [JSON.parse(line) as Record<string, unknown>];
      } catch {
        return [];
      }
    });
    return name === undefined ? parsed : parsed.filter((line) => line['event'] === name);
  }

  /** Resolves when the log holds the event; rejects when the process ends first. */
  async until(name: string, count = 1): Promise<void> {
    while (this.events(name).length < count) {
      if (this.process.exitCode !== null || this.process.signalCode !== null) {
        const { code } = await this.ended;
        if (this.events(name).length >= count) return;
        throw new Error(`pgsluice ended with ${code} before ${name}: ${this.stderr}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Runs pgsluice to its end. */
export function cli(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliResult> {
  return new CliProcess(args, env).ended;
}

/** A pipeline file in a folder of its own, removed at the end of the test file. */
export async function pipelineFile(yaml: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'pgsluice-test-'));
  after(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, 'pipeline.yaml');
  await writeFile(file, fromStandby(yaml));
  return file;
}
