import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { isSea } from 'node:sea';
import { packageRoot } from '../package-root.ts';

export type LogLine = { readonly event?: string; readonly msg?: string } & { readonly [key: string]: unknown };

/** pgsluice itself in a process of its own, as a user would start it. */
export class Child {
  readonly #process: ChildProcess;
  readonly #ended: Promise<number | null>;
  #stderr = '';

  constructor(args: readonly string[], env: Readonly<Record<string, string>>, onLine: (line: string) => void) {
    // The single executable is Node and the program in one.
    const program = isSea() ? [] : [join(packageRoot(), 'bin', 'pgsluice.js')];
    this.#process = spawn(process.execPath, [...program, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    createInterface({ input: this.#process.stdout! }).on('line', onLine);
    this.#process.stderr!.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.#ended = once(this.#process, 'close').then(([code]) => code as number | null);
  }

  /** Exit code; null when a signal ended it. */
  get ended(): Promise<number | null> {
    return this.#ended;
  }
  get stderr(): string {
    return this.#stderr.trim();
  }
  kill(): void {
    this.#process.kill('SIGKILL');
  }
}

/** A log line as JSON; null for anything else. */
export function parseLine(line: string): LogLine | null {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return null;
  }
}
