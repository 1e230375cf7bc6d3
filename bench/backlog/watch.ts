import pg from 'pg';
import { marker } from './workloads.ts';

/** Milliseconds between two looks for the last row. */
const lookEvery = 5;

/** A connection that waits for something to be so. */
export class Watch implements AsyncDisposable {
  readonly #client: pg.Client;
  #over = false;

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  static async on(url: string): Promise<Watch> {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => {});
    await client.connect();
    return new Watch(client);
  }

  /** Date.now() when the query first returned a row; null when it was given up before. */
  async for(sql: string): Promise<number | null> {
    while (!this.#over) {
      const { rowCount } = await this.#client.query(sql);
      if (rowCount !== null && rowCount > 0) return Date.now();
      await new Promise((resolve) => setTimeout(resolve, lookEvery));
    }
    return null;
  }

  giveUp(): void {
    this.#over = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end();
  }
}

/** Finds a row once the last transaction of the backlog is in. */
export const arrived = `SELECT 1 FROM ${marker}`;
/** Seconds. */
export const since = (at: number | null, from: number): number | null => (at === null ? null : (at - from) / 1000);
