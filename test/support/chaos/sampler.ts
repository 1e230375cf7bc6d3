import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { formatLsn, parseLsn } from '../../../core/postgres/lsn.ts';
import type { Writers } from './writers.ts';

export interface SampledState {
  /** Highest of the sink's position, the noted idle position and the slot's consistent point; null: not streaming yet. */
  readonly noted: bigint | null;
}

export interface SamplerInput {
  readonly sourceUrl: string;
  readonly targetUrl: string;
  readonly slot: string;
  readonly witnessTable: string;
  readonly writers: Writers;
  readonly state: (target: pg.Client) => Promise<SampledState>;
}

/**
 * I1, looked at from outside all the time: what the slot has confirmed must be in the target. The slot is read first,
 * the target after it, so a target that is ahead is never held against it. Transactions are known by their witness row.
 * A target that lost commits in a crash is caught by the next sample, as the slot never goes back.
 */
export class Sampler {
  readonly findings: string[] = [];
  samples = 0;
  readonly #input: SamplerInput;
  readonly #clients = new Map<string, pg.Client>();
  #stop = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(input: SamplerInput) {
    this.#input = input;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await this.#loop;
    this.#forget();
  }

  /** One more look, with both servers up and nobody at work: this one must come about. */
  async last(): Promise<void> {
    const before = this.samples;
    await this.#sample();
    if (this.samples === before) this.#found('the last look found no slot, or a pipeline that does not stream yet');
    for (const client of this.#clients.values()) await client.end().catch(() => {});
    this.#clients.clear();
  }

  async #run(): Promise<void> {
    while (!this.#stop) {
      try {
        await this.#sample();
      } catch (error) {
        // A server that is down, or a table that is not there yet.
        const { code } = error as { code?: string };
        if (code !== undefined && /^(42P01|3F000)$/.test(code)) await sleep(100);
        else this.#forget();
      }
      await sleep(120);
    }
  }

  async #sample(): Promise<void> {
    const { slot, writers, witnessTable, state } = this.#input;
    const source = await this.#client(this.#input.sourceUrl);
    const known = writers.witnesses.length;
    const { rows } = await source.query<{ at: string | null }>(
      'SELECT confirmed_flush_lsn AS at FROM pg_replication_slots WHERE slot_name = $1',
      [slot],
    );
    const at = rows[0]?.at ?? null;
    if (at === null) return;
    const confirmed = parseLsn(at);
    const target = await this.#client(this.#input.targetUrl);
    const { noted } = await state(target);
    if (noted === null) return;
    if (confirmed > noted) this.#found(`slot at ${at}, the pipeline's own notes say ${formatLsn(noted)}`);
    const due = writers.witnesses.slice(0, known).filter(({ behind }) => behind <= confirmed);
    const missing = await target.query<{ id: string }>(
      `SELECT i AS id FROM unnest($1::bigint[]) i WHERE NOT EXISTS (SELECT FROM ${witnessTable} w WHERE w.id = i)`,
      [due.map(({ id }) => id)],
    );
    // The first streaming sample may come before the witness table is visible as a whole only if the phase lied.
    if (missing.rows.length > 0) {
      const ids = missing.rows.map((row) => row.id).slice(0, 5);
      this.#found(
        `slot confirmed ${at}, but ${missing.rows.length} transactions before it are not in the target: ${ids}`,
      );
    }
    this.samples++;
  }

  #found(finding: string): void {
    if (this.findings.length < 10) this.findings.push(finding);
  }

  async #client(url: string): Promise<pg.Client> {
    const known = this.#clients.get(url);
    if (known !== undefined) return known;
    const client = new pg.Client({ connectionString: url, application_name: 'sampler' });
    client.on('error', () => this.#clients.delete(url));
    await client.connect();
    await client.query(`SET statement_timeout = '5s'`);
    this.#clients.set(url, client);
    return client;
  }

  #forget(): void {
    for (const client of this.#clients.values()) client.end().catch(() => {});
    this.#clients.clear();
  }
}
