import type pg from 'pg';
import { destroy, disconnect } from '../../core/postgres/connect.ts';

/** Milliseconds that an idle connection is kept for the next query. */
const keepFor = 500;

/**
 * Keeps a connection between queries that follow each other, as at a start: connecting, with TLS and a password, takes
 * several round trips and longer than most queries. At most one is kept, for half a second.
 */
export class KeptClient implements AsyncDisposable {
  #client: pg.Client | null = null;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** The kept connection, which belongs to the caller from now on; null if there is none. */
  take(): pg.Client | null {
    const client = this.#client;
    this.#client = null;
    clearTimeout(this.#timer);
    client?.off('end', this.#lost);
    return client;
  }

  /** Keeps a connection whose session is in its initial state, or closes it. */
  async give(client: pg.Client): Promise<void> {
    if (this.#closed || this.#client !== null) return disconnect(client);
    this.#client = client;
    client.once('end', this.#lost);
    this.#timer = setTimeout(() => void this.#close(), keepFor);
    this.#timer.unref();
  }

  readonly #lost = (): void => {
    const client = this.take();
    if (client !== null) destroy(client);
  };

  async #close(): Promise<void> {
    const client = this.take();
    if (client !== null) await disconnect(client);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#close();
  }
}
