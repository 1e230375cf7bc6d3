import pg from 'pg';

/** One TPC-B transaction per call; the number of the call goes into the history row, which is never changed. */
export const writerFunction = `CREATE FUNCTION bench_tpcb(n bigint, scale int) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE a int := 1 + floor(random() * scale * 100000); t int := 1 + floor(random() * scale * 10);
    b int := 1 + floor(random() * scale); d int := floor(random() * 10000) - 5000;
  BEGIN
    UPDATE pgbench_accounts SET abalance = abalance + d WHERE aid = a;
    UPDATE pgbench_tellers SET tbalance = tbalance + d WHERE tid = t;
    UPDATE pgbench_branches SET bbalance = bbalance + d WHERE bid = b;
    INSERT INTO pgbench_history (tid, bid, aid, delta, mtime, filler) VALUES (t, b, a, d, clock_timestamp(), n::text);
  END $$`;

export interface Written {
  /** Numbers of the first and one past the last transaction. */
  readonly from: number;
  readonly to: number;
  /** Wall clock of the writing, seconds. */
  readonly seconds: number;
}

/** Connections that commit TPC-B transactions on the source, as fast as they can or at a rate. */
export class Writers implements AsyncDisposable {
  readonly #clients: readonly pg.Client[];
  readonly #scale: number;
  #next = 0;

  private constructor(clients: readonly pg.Client[], scale: number) {
    this.#clients = clients;
    this.#scale = scale;
  }

  static async connect(url: string, scale: number, connections: number): Promise<Writers> {
    const clients = Array.from({ length: connections }, () => new pg.Client({ connectionString: url }));
    await Promise.all(clients.map((client) => client.connect()));
    return new Writers(clients, scale);
  }

  /** `perSecond` null: without a pause. A transaction that is late does not move the next one. */
  async write(seconds: number, perSecond: number | null): Promise<Written> {
    const from = this.#next;
    const begun = performance.now();
    const until = begun + seconds * 1000;
    await Promise.all(
      this.#clients.map(async (client) => {
        for (;;) {
          const n = this.#next++;
          const due = perSecond === null ? performance.now() : begun + ((n - from) / perSecond) * 1000;
          if (due >= until) {
            this.#next--;
            return;
          }
          const wait = due - performance.now();
          if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
          await client.query({ name: 'tpcb', text: 'SELECT bench_tpcb($1, $2)', values: [n, this.#scale] });
        }
      }),
    );
    return { from, to: this.#next, seconds: (performance.now() - begun) / 1000 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.end()));
  }
}
