import pg from 'pg';
import { type Columns } from './kafka-fold.ts';
import { pgbenchInit, PgbenchWriters } from './pgbench.ts';
import type { TestDatabase } from './servers.ts';

/**
 * A small source with live writers: pgbench's tables with a few accounts, and `items` with large values that updates leave
 * alone, deletes, and keys that change.
 */
export const workloadTables: readonly { readonly name: string; readonly columns: Columns }[] = [
  {
    name: 'pgbench_accounts',
    columns: {
      aid: 'aid',
      bid: 'bid',
      abalance: 'abalance',
      filler: "rpad(filler, CASE WHEN tableoid = 'pgbench_branches'::regclass THEN 88 ELSE 84 END)",
    },
  },
  {
    name: 'pgbench_branches',
    columns: {
      bid: 'bid',
      bbalance: 'bbalance',
      filler: "rpad(filler, CASE WHEN tableoid = 'pgbench_branches'::regclass THEN 88 ELSE 84 END)",
    },
  },
  {
    name: 'pgbench_tellers',
    columns: {
      tid: 'tid',
      bid: 'bid',
      tbalance: 'tbalance',
      filler: "rpad(filler, CASE WHEN tableoid = 'pgbench_branches'::regclass THEN 88 ELSE 84 END)",
    },
  },
  {
    name: 'pgbench_history',
    columns: {
      id: 'id',
      tid: 'tid',
      bid: 'bid',
      aid: 'aid',
      delta: 'delta',
      mtime: '(extract(epoch FROM mtime) * 1000000)::bigint',
    },
  },
  { name: 'items', columns: { id: 'id', body: 'body', n: 'n', at: 'to_char(at, \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')' } },
];

export async function initWorkload(db: TestDatabase, accounts = 1500): Promise<void> {
  await pgbenchInit(db, 1);
  await db.query(`
    DELETE FROM pgbench_accounts WHERE aid > ${accounts};
    ALTER TABLE pgbench_history ADD COLUMN id bigserial PRIMARY KEY;
    CREATE TABLE items (id int PRIMARY KEY, body text, n bigint NOT NULL, at timestamptz NOT NULL);
    ALTER TABLE items ALTER body SET STORAGE EXTERNAL;
    INSERT INTO items SELECT i, repeat('b' || i, 1000), i, now() FROM generate_series(1, 300) i;`);
}

/** Writers on all of it. A key that changes brings its large value: under a new key there is none that it could stand for. */
export class Workload implements AsyncDisposable {
  readonly #url: string;
  readonly #pgbench: PgbenchWriters;
  #items: Promise<void> = Promise.resolve();
  #stop = false;

  constructor(url: string, accounts = 1500) {
    this.#url = url;
    this.#pgbench = new PgbenchWriters(url, accounts / 100_000);
  }

  start(pauseMs: number): void {
    this.#stop = false;
    this.#pgbench.start(2, pauseMs);
    this.#items = this.#writeItems(pauseMs);
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await Promise.all([this.#pgbench.stop(), this.#items]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #writeItems(pauseMs: number): Promise<void> {
    const client = new pg.Client({ connectionString: this.#url });
    client.on('error', () => {});
    await client.connect();
    const id = () => 1 + Math.floor(Math.random() * 400);
    try {
      while (!this.#stop) {
        const [a, b, c] = [id(), id(), id()];
        await client.query(`BEGIN;
          UPDATE items SET n = n + 1, at = clock_timestamp() WHERE id = ${a};
          UPDATE items SET body = repeat(md5(random()::text), 150) WHERE id = ${b};
          DELETE FROM items WHERE id = ${c};
          INSERT INTO items VALUES (${c}, repeat('n', 3000), ${a}, clock_timestamp());
          DELETE FROM items WHERE id = ${b} + 1000;
          UPDATE items SET id = id + 1000, body = body || 'k' WHERE id = ${b};
          COMMIT`);
        if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    } finally {
      await client.end();
    }
  }
}
