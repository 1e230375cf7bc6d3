import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { parseLsn } from '../../../core/postgres/lsn.ts';
import { largeTransaction, operations } from './operations.ts';
import type { Random } from './random.ts';

/** A transaction that its writer saw committed, and a WAL position behind its commit. */
export interface Witness {
  readonly id: number;
  readonly behind: bigint;
}

/** With a transaction id, without one, and with WAL that decoding does not show. */
const withoutEffect = [
  'BEGIN; SELECT txid_current(); COMMIT',
  'SELECT 1',
  'CREATE TEMP TABLE IF NOT EXISTS gone (a int); DROP TABLE gone',
  'BEGIN; INSERT INTO log1 (v) VALUES (1); ROLLBACK',
];

/**
 * Several sessions that write at the same time, so that the orders of BEGIN and COMMIT differ and locks are met. A lost
 * connection or a deadlock costs a transaction, nothing else.
 */
export class Writers {
  readonly witnesses: Witness[] = [];
  transactions = 0;
  failures = 0;
  /** Errors that a writer on a healthy source must never see (I10), by SQLSTATE. */
  readonly refused: string[] = [];
  readonly #url: string;
  #stop = false;
  #running: Promise<void>[] = [];
  #nextWitness = 1;
  #paused = false;

  constructor(url: string) {
    this.#url = url;
  }

  start(count: number, random: Random, pauseMs: number): void {
    this.#running = Array.from({ length: count }, () => this.#write(random.fork(), pauseMs));
  }

  /** Nothing is written for a while: the source is idle. */
  async rest(ms: number): Promise<void> {
    this.#paused = true;
    await sleep(ms);
    this.#paused = false;
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await Promise.all(this.#running);
  }

  async #write(random: Random, pauseMs: number): Promise<void> {
    while (!this.#stop) {
      const client = new pg.Client({ connectionString: this.#url, application_name: 'writer' });
      client.on('error', () => {});
      try {
        await client.connect();
        await client.query(`SET lock_timeout = '400ms'; SET deadlock_timeout = '50ms'; SET statement_timeout = '30s'`);
        while (!this.#stop) {
          if (!this.#paused) await this.#transaction(client, random);
          await sleep(random.int(0, pauseMs * 2));
        }
      } catch {
        await sleep(100);
      } finally {
        await client.end().catch(() => {});
      }
    }
  }

  async #transaction(client: pg.Client, random: Random): Promise<void> {
    const id = this.#nextWitness++;
    try {
      if (random.chance(0.03)) return void (await client.query(random.pick(withoutEffect)));
      await client.query('BEGIN');
      await client.query('INSERT INTO witness VALUES ($1)', [id]);
      await this.#body(client, random);
      if (random.chance(0.08)) return void (await client.query('ROLLBACK'));
      await client.query('COMMIT');
      const { rows } = await client.query<{ at: string }>('SELECT pg_current_wal_insert_lsn() AS at');
      this.witnesses.push({ id, behind: parseLsn(rows[0]!.at) });
      this.transactions++;
    } catch (error) {
      this.failures++;
      const { code } = error as { code?: string };
      // 55000: UPDATE of a published table without replica identity.
      if (code === '55000' || code?.startsWith('42') === true)
        this.refused.push(`${code}: ${(error as Error).message}`);
      await client.query('ROLLBACK');
    }
  }

  async #body(client: pg.Client, random: Random): Promise<void> {
    if (random.chance(0.004)) return void (await largeTransaction(client, random));
    const count = random.int(1, 6);
    for (let i = 0; i < count; i++) {
      const operation = random.weighted(operations);
      const nested = random.chance(0.2);
      if (nested) await client.query('SAVEPOINT s');
      await operation(client, random);
      if (nested && random.chance(0.3)) {
        await client.query('SAVEPOINT t');
        await random.weighted(operations)(client, random);
        await client.query(random.chance(0.5) ? 'ROLLBACK TO t' : 'RELEASE t');
      }
      if (nested) await client.query(random.chance(0.5) ? 'ROLLBACK TO s' : 'RELEASE s');
      if (random.chance(0.2)) await sleep(random.int(0, 30));
    }
  }
}
