import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, excusable } from '../support/chaos/supervisor.ts';
import { type CliResult, CliProcess } from '../support/cli.ts';
import type { Fault } from './judge.ts';

/** Milliseconds after which a command is stuck: more on a machine that does other things as well. */
function patience(): number {
  return 180_000 * Math.min(10, Math.max(1, loadavg()[0]! / availableParallelism()));
}

/** A table that changed between the plan and its copy: the next run plans it again. */
const altered: ReadonlySet<string> = new Set(['PGS2121', 'PGS3006']);

export const codeIn = (stderr: string): string => codeOf(stderr) ?? 'no code';

/** The product's commands on one pipeline file; remembers what must not be. */
export class Drive {
  readonly faults: Fault[];
  readonly log: string[];
  runs = 0;
  readonly #file: string;
  readonly #follows: boolean;
  readonly #write: (run: number) => Promise<void>;
  #child: CliProcess | null = null;

  /** `write`: the file for a run, by its number. */
  constructor(
    file: string,
    { ddl }: { ddl: 'stop' | 'follow' },
    write: (run: number) => Promise<void>,
    notes: Pick<Drive, 'faults' | 'log'> = { faults: [], log: [] },
  ) {
    this.faults = notes.faults;
    this.log = notes.log;
    this.#file = file;
    this.#write = write;
    this.#follows = ddl === 'follow';
  }

  /** False: there is a fault, and nothing goes on. */
  get well(): boolean {
    return this.faults.length === 0;
  }

  /** Whether a run of the pipeline is, or was, beyond its first copy. */
  get streamed(): boolean {
    return [...this.log, this.#child?.stdout ?? ''].some((text) => text.includes('"event":"stream-started"'));
  }

  get running(): boolean {
    return this.#child !== null;
  }

  async start(): Promise<void> {
    await this.#notice();
    if (this.#child !== null || !this.well) return;
    await this.#write(this.runs);
    this.#child = new CliProcess(['run', this.#file, '--log', 'json', '--debug']);
    this.runs++;
  }

  /** Resolves when the run streams, after `ms` where it need not, or when there is a fault. */
  async streaming(ms?: number): Promise<void> {
    const most = ms ?? patience();
    for (const deadline = Date.now() + most; Date.now() < deadline && this.well; await sleep(50)) {
      await this.start();
      if (this.#child?.stdout.includes('"event":"stream-started"')) return;
    }
    if (this.well && ms === undefined) await this.#stuck(`run does not stream after ${most / 1000} s`);
  }

  async kill(): Promise<void> {
    await this.#notice();
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    child.process.kill('SIGKILL');
    this.#note(['run'], await child.ended, 'killed');
  }

  /** SIGTERM; it must end with 0. */
  async stop(): Promise<void> {
    await this.streaming();
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    child.process.kill('SIGTERM');
    const result = await this.#within(child);
    this.#note(['run'], result, 'SIGTERM');
    if (result.code !== 0 && !this.#passes(result.stderr)) this.#fault('run', result);
  }

  /** `run --stop-at now`, again after what passes. */
  async catchUp(): Promise<void> {
    if (this.#child !== null) await this.stop();
    for (let tries = 0; this.well; tries++) {
      await this.#write(this.runs);
      const result = await this.command('run', '--stop-at', 'now', '--log', 'json', '--debug');
      this.runs++;
      if (result.code === 0 || !this.well) return;
      if (tries === 6 || !this.#passes(result.stderr)) return this.#fault('run', result);
    }
  }

  /** Any verb to its end. */
  async command(verb: string, ...more: readonly string[]): Promise<CliResult> {
    const child = new CliProcess([verb, this.#file, ...more]);
    const result = await this.#within(child);
    this.#note([verb, ...more], result, '');
    return result;
  }

  fault(kind: string, text: string): void {
    this.faults.push({ class: kind, text });
  }

  async end(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    child?.process.kill('SIGKILL');
    if (child !== null) this.#note(['run'], await child.ended, 'killed at the end');
  }

  /** A run that has ended by itself. */
  async #notice(): Promise<void> {
    const child = this.#child;
    if (child === null || (child.process.exitCode === null && child.process.signalCode === null)) return;
    this.#child = null;
    const result = await child.ended;
    this.#note(['run'], result, 'by itself');
    if (!this.#passes(result.stderr)) this.#fault('run', result);
  }

  async #within(child: CliProcess): Promise<CliResult> {
    const late = Symbol();
    const most = patience();
    const timer = new AbortController();
    const first = await Promise.race([child.ended, sleep(most, late, { signal: timer.signal }).catch(() => late)]);
    timer.abort();
    if (first !== late) return first as CliResult;
    child.process.kill('SIGKILL');
    const result = await child.ended;
    this.fault('stuck', `not ended after ${most / 1000} s: ${result.stdout.slice(-1500)}${result.stderr}`);
    return result;
  }

  #passes(stderr: string): boolean {
    const code = codeOf(stderr) ?? '';
    return excusable.has(code) || (this.#follows && altered.has(code));
  }

  async #stuck(what: string): Promise<void> {
    this.fault('stuck', `${what}: ${this.#child?.stdout.slice(-1500) ?? ''}`);
    await this.end();
  }

  #fault(what: string, { code, stderr }: CliResult): void {
    this.fault(
      `${what}:${code === 3 ? 'refused:' : ''}${codeOf(stderr)}`,
      `${what} ended with ${code}: ${stderr.slice(0, 1500)}`,
    );
  }

  #note(args: readonly string[], { code, stdout, stderr }: CliResult, by: string): void {
    this.log.push(`$ pgsluice ${args.join(' ')}\n${stdout}${stderr}-- ${code} ${by}\n`);
  }
}
