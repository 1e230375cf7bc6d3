import pg from 'pg';

/** What of pg's connection an {@link Exchange} uses; undocumented there, so a test holds it to this. */
interface Wire {
  readonly stream: { write(data: Uint8Array, done: () => void): unknown };
}

export interface ExchangeResult {
  /** Rows that each Execute touched, in order (the number that ends a command tag; 0 where there is none). */
  readonly counts: readonly number[];
  /** The last row that was returned, as text. */
  readonly row: readonly (string | null)[] | null;
}

/** An error of the server, and the Execute that it belongs to. */
export class ExchangeError extends Error {
  readonly index: number;
  constructor(cause: unknown, index: number) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.index = index;
  }
}

/**
 * One round trip of many statements: messages up to and with one Sync go out piece by piece, the answers are counted. It is
 * a "Submittable" of pg, which gives it the connection and calls its handlers.
 */
export class Exchange {
  readonly #client: pg.Client;
  #connection: Wire | null = null;
  #begun = false;
  /** Pieces from before pg gave the connection. */
  #waiting: (readonly [bytes: Buffer, done: () => void])[] = [];
  readonly #counts: number[] = [];
  #row: (string | null)[] | null = null;
  #failed = false;
  readonly #done = Promise.withResolvers<ExchangeResult>();

  constructor(client: pg.Client) {
    this.#client = client;
    // Whoever stops half way does not come to wait for it.
    this.#done.promise.catch(() => {});
  }

  /** Something went out: it must be finished before the session is used for anything else. */
  get begun(): boolean {
    return this.#begun;
  }

  /** After the piece with the Sync. Rejects with {@link ExchangeError}; the session stays usable unless the socket is gone. */
  get result(): Promise<ExchangeResult> {
    return this.#done.promise;
  }

  /** Sends the next piece; `done` when its memory is free again. */
  readonly send = (bytes: Buffer, done: () => void): void => {
    if (this.#connection !== null) {
      this.#connection.stream.write(bytes, done);
      return;
    }
    this.#waiting.push([bytes, done]);
    if (this.#begun) return;
    this.#begun = true;
    this.#client.query(this as unknown as pg.Submittable);
  };

  submit(connection: Wire): void {
    this.#connection = connection;
    for (const [bytes, done] of this.#waiting) connection.stream.write(bytes, done);
    this.#waiting = [];
  }

  handleCommandComplete(message: { readonly text: string }): void {
    const { text } = message;
    this.#counts.push(Number(text.slice(text.lastIndexOf(' ') + 1)) || 0);
  }

  handleDataRow(message: { readonly fields: (string | null)[] }): void {
    this.#row = message.fields;
  }

  handleEmptyQuery(): void {
    this.#counts.push(0);
  }

  handleError(error: unknown): void {
    this.#failed = true;
    this.#done.reject(new ExchangeError(error, this.#counts.length));
  }

  handleReadyForQuery(): void {
    if (!this.#failed) this.#done.resolve({ counts: this.#counts, row: this.#row });
  }

  handleRowDescription(): void {}
  handlePortalSuspended(): void {}
  /** The data is already behind the command, in the same write. */
  handleCopyInResponse(): void {}
  handleCopyData(): void {}
}
