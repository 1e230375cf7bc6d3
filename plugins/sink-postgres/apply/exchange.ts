import pg from 'pg';

/** What of pg's connection an {@link Exchange} uses; undocumented there, so a test holds it to this. */
interface Wire {
  readonly stream: { write(data: Uint8Array): unknown };
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
 * One round trip of many statements: a prepared buffer of messages up to and with one Sync goes out, the answers are
 * counted. It is a "Submittable" of pg, which gives it the connection and calls its handlers.
 */
export class Exchange {
  readonly #messages: Buffer;
  readonly #counts: number[] = [];
  #row: (string | null)[] | null = null;
  #failed = false;
  readonly #done = Promise.withResolvers<ExchangeResult>();

  constructor(messages: Buffer) {
    this.#messages = messages;
  }

  /** Runs it. Rejects with {@link ExchangeError}; the session stays usable unless the socket is gone. */
  static run(client: pg.Client, messages: Buffer): Promise<ExchangeResult> {
    const exchange = new Exchange(messages);
    client.query(exchange as unknown as pg.Submittable);
    return exchange.#done.promise;
  }

  submit(connection: Wire): void {
    connection.stream.write(this.#messages);
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
