import { setTimeout as sleep } from 'node:timers/promises';
import { type CliResult, CliProcess } from '../cli.ts';
import type { Random } from './random.ts';

export interface RunRecord {
  readonly started: number;
  readonly ended: number;
  /** How we ended it; null: it ended by itself. */
  readonly by: 'SIGKILL' | 'SIGTERM' | null;
  /** SIGTERM came a second time, which ends it with 130. */
  readonly twice: boolean;
  readonly code: number | null;
  /** First code of an error on stderr. */
  readonly error: string | null;
  readonly stderr: string;
  readonly stdout: string;
}

/** Ends of a run that a kill or a cut may cause, then or for a moment afterwards: everything else is a finding. */
export const excusable: ReadonlySet<string> = new Set([
  'PGS2001', // unreachable
  'PGS2005', // connection lost
  'PGS2006', // too many connections
  'PGS2008', // server starts or stops
  'PGS2120', // snapshot lost
  'PGS2122', // table truncated under the snapshot
  'PGS2153', // slot in use by the walsender of a run that is gone
  'PGS2158', // source silent
  'PGS2159', // stream ended by the server
  'PGS3110', // apply lock held by a backend of a run that is gone
  'PGS6003', // chunk failed again and again
  'PGS6050', // lock held by a backend of a run that is gone
  'PGS6051',
]);

/** Starts `pgsluice run` again whenever it has ended, as a service manager does. */
export class Supervisor {
  readonly records: RunRecord[] = [];
  readonly #file: string;
  readonly #random: Random;
  #current: { readonly process: CliProcess; by: RunRecord['by']; twice: boolean; readonly started: number } | null =
    null;
  #stop = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(file: string, random: Random) {
    this.#file = file;
    this.#random = random;
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** Sends the signal to the run that is under way, if one is. */
  signal(signal: 'SIGKILL' | 'SIGTERM'): boolean {
    const run = this.#current;
    if (run === null) return false;
    if (signal === 'SIGTERM' && run.by === 'SIGTERM') run.twice = true;
    run.by ??= signal;
    if (signal === 'SIGKILL') run.by = signal;
    return run.process.process.kill(signal);
  }

  /** Stops the run under way for a while, without its knowing. */
  async freeze(ms: number): Promise<void> {
    const child = this.#current?.process.process;
    child?.kill('SIGSTOP');
    await sleep(ms);
    child?.kill('SIGCONT');
  }

  /** Resolves when the run under way logs the event (also when it has before), or after `ms`. True when it did. */
  async event(name: string, count: number, ms: number): Promise<boolean> {
    for (const deadline = Date.now() + ms; Date.now() < deadline; await sleep(15)) {
      if ((this.#current?.process.events(name).length ?? 0) >= count) return true;
    }
    return false;
  }

  async stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#stop = true;
    this.signal(signal);
    const late = setTimeout(() => {
      const run = this.#current;
      if (run === null || run.by === 'SIGKILL') return;
      this.records.push(this.#record({ code: null, stdout: run.process.stdout, stderr: 'did not end on SIGTERM' }));
      this.signal('SIGKILL');
    }, 60_000);
    await this.#loop;
    clearTimeout(late);
  }

  /** What ended otherwise than the faults excuse. */
  findings(): readonly string[] {
    return this.records.flatMap((record) => {
      const problem = problemOf(record);
      return problem === null ? [] : [problem];
    });
  }

  async #run(): Promise<void> {
    while (!this.#stop) {
      const child = new CliProcess(['run', this.#file, '--log', 'json', '--debug']);
      this.#current = { process: child, by: null, twice: false, started: Date.now() };
      const result = await child.ended;
      this.records.push(this.#record(result));
      this.#current = null;
      await sleep(this.#random.int(0, 400));
    }
  }

  #record({ code, stdout, stderr }: CliResult): RunRecord {
    const { by, twice, started } = this.#current!;
    return { started, ended: Date.now(), by, twice, code, error: codeOf(stderr), stderr, stdout };
  }
}

export function codeOf(stderr: string): string | null {
  return /\bPGS\d{4}\b/.exec(stderr)?.[0] ?? null;
}

function problemOf(record: RunRecord): string | null {
  const { by, code, error, stderr } = record;
  // So early that its handler was not there yet.
  if (by === 'SIGTERM' && code === null && record.stdout === '' && stderr === '') return null;
  if (by === 'SIGKILL')
    return error === null || excusable.has(error) ? null : `killed, but had said: ${stderr.slice(0, 1500)}`;
  if (code === 0 && by === 'SIGTERM') return null;
  if (code === 130 && record.twice) return null;
  if (code === 0) return 'ended with 0 though nobody asked it to';
  if (error !== null && excusable.has(error)) return null;
  return `ended with ${code}${by === null ? '' : ` after ${by}`}: ${stderr.slice(0, 1500)}`;
}
