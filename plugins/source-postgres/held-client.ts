import type pg from 'pg';
import { destroy, disconnect } from '../../core/postgres/connect.ts';

/** One connection that is opened when it is first needed, held, and opened again after it failed or was closed. */
export class HeldClient implements AsyncDisposable {
  readonly #open: () => Promise<pg.Client>;
  #client: Promise<pg.Client> | null = null;

  constructor(open: () => Promise<pg.Client>) {
    this.#open = open;
  }

  connected(): Promise<pg.Client> {
    if (this.#client !== null) return this.#client;
    const opened = this.#open();
    const gone = (): void => {
      if (this.#client === opened) this.#client = null;
    };
    opened.then((client) => client.once('end', gone), gone);
    this.#client = opened;
    return opened;
  }

  /** Closes it at once: a query under way fails. */
  drop(): void {
    this.#client?.then(destroy, () => {});
    this.#client = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const client = (await this.#client?.catch(() => null)) ?? null;
    this.#client = null;
    if (client !== null) await disconnect(client);
  }
}
