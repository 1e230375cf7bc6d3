import pg from 'pg';
import type { TestDatabase } from './servers.ts';

/** The tables of pgbench, as `pgbench -i` makes them, without needing pgbench. Scale 1 is 100,000 accounts. */
export async function pgbenchInit(db: TestDatabase, scale: number): Promise<void> {
  await db.query(`
    CREATE TABLE pgbench_branches (bid int NOT NULL, bbalance int, filler char(88));
    CREATE TABLE pgbench_tellers (tid int NOT NULL, bid int, tbalance int, filler char(84));
    CREATE TABLE pgbench_accounts (aid int NOT NULL, bid int, abalance int, filler char(84));
    CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
    INSERT INTO pgbench_branches SELECT i, 0, NULL FROM generate_series(1, ${scale}) i;
    INSERT INTO pgbench_tellers SELECT i, 1 + (i - 1) / 10, 0, NULL FROM generate_series(1, ${scale * 10}) i;
    INSERT INTO pgbench_accounts SELECT i, 1 + (i - 1) / 100000, 0, '' FROM generate_series(1, ${scale * 100_000}) i;
    ALTER TABLE pgbench_branches ADD PRIMARY KEY (bid);
    ALTER TABLE pgbench_tellers ADD PRIMARY KEY (tid);
    ALTER TABLE pgbench_accounts ADD PRIMARY KEY (aid);
    ALTER TABLE pgbench_history REPLICA IDENTITY FULL;`);
}

/** Connections that run pgbench's TPC-B transaction until they are stopped. */
export class PgbenchWriters implements AsyncDisposable {
  readonly #url: string;
  readonly #scale: number;
  #running: Promise<void>[] = [];
  #stop = false;
  transactions = 0;

  constructor(url: string, scale: number) {
    this.#url = url;
    this.#scale = scale;
  }

  /** `pauseMs` between two transactions of one connection, so that a test's machine has something left. */
  start(count: number, pauseMs: number): void {
    this.#stop = false;
    this.#running = Array.from({ length: count }, () => this.#write(pauseMs));
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await Promise.all(this.#running);
    this.#running = [];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #write(pauseMs: number): Promise<void> {
    const client = new pg.Client({ connectionString: this.#url });
    client.on('error', () => {});
    await client.connect();
    const upTo = (n: number) => 1 + Math.floor(Math.random() * n);
    try {
      while (!this.#stop) {
        const [aid, bid, tid] = [upTo(this.#scale * 100_000), upTo(this.#scale), upTo(this.#scale * 10)];
        const delta = upTo(10_000) - 5000;
        await client.query(`BEGIN;
          UPDATE pgbench_accounts SET abalance = abalance + ${delta} WHERE aid = ${aid};
          UPDATE pgbench_tellers SET tbalance = tbalance + ${delta} WHERE tid = ${tid};
          UPDATE pgbench_branches SET bbalance = bbalance + ${delta} WHERE bid = ${bid};
          INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (${tid}, ${bid}, ${aid}, ${delta}, CURRENT_TIMESTAMP);
          COMMIT`);
        this.transactions++;
        if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    } finally {
      await client.end();
    }
  }
}

export const pgbenchTables = ['pgbench_accounts', 'pgbench_branches', 'pgbench_history', 'pgbench_tellers'] as const;

/** Count and order-independent hash of every table, by name: equal iff the rows are the same multiset. */
export async function fingerprints(db: TestDatabase, tables: readonly string[]): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const table of tables) {
    const [row] = await db.query<{ n: string; h: string }>(
      `SELECT count(*)::text AS n, coalesce(sum(('x' || left(md5(t::text), 16))::bit(64)::bigint), 0)::text AS h FROM ONLY ${table} t`,
    );
    found[table] = `${row?.n} rows, ${row?.h}`;
  }
  return found;
}
