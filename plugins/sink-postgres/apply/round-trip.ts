import type { Change } from '../../../core/api/change.ts';
import { BufferPool, type Send, WireWriter } from './wire.ts';
import { copyRows } from './encode.ts';
import type { Row } from '../../../core/api/wire-change.ts';
import pg from 'pg';

/** Statements prepared in a session, by text. Names are never used twice in one session. */
export class Prepared {
  readonly #names = new Map<string, string>();
  #next = 0;
  #epoch = 0;

  /** Another number each time that names were forgotten: a script written before may use some that are gone. */
  get epoch(): number {
    return this.#epoch;
  }

  get size(): number {
    return this.#names.size;
  }

  /** The name of a text, and whether it has still to be parsed. */
  name(text: string): { readonly name: string; readonly fresh: boolean } {
    const known = this.#names.get(text);
    if (known !== undefined) return { name: known, fresh: false };
    const name = `pgsluice_${this.#next++}`;
    this.#names.set(text, name);
    return { name, fresh: true };
  }

  /** After DEALLOCATE ALL, or when it is not known what was parsed. */
  forget(): void {
    this.#names.clear();
    this.#epoch++;
  }
}

/** Rows that a step must touch: `any`: not looked at. */
export type Expectation = number | 'any';

/** What stands behind one Execute: needed only when its count is wrong or it fails. */
export interface StepOrigin {
  readonly table: string;
  /** Null for a set-wise step, which stands for many changes. */
  readonly change: Change | null;
}

/** Where the messages of a script go, and whether values of rows are bytes, one character each. */
export interface ScriptOptions {
  readonly send: Send;
  readonly pool?: BufferPool;
  readonly binary?: boolean;
}

/** The statements of one round trip, and how many rows each must touch. They go out while the rest is written. */
export class Script {
  readonly #writer: WireWriter;
  readonly #prepared: Prepared;
  readonly #binary: boolean;
  /** One per Execute; -1: any. */
  readonly expected: number[] = [];
  /** Parallel arrays, not an object per row. */
  readonly tables: string[] = [];
  readonly changes: (Change | null)[] = [];

  constructor(prepared: Prepared, { send, pool, binary }: ScriptOptions) {
    this.#prepared = prepared;
    this.#writer = new WireWriter(send, pool ?? new BufferPool());
    this.#binary = binary === true;
  }

  /** True when a step's count has to be looked at before the transaction may be committed. */
  get mustCheck(): boolean {
    return this.expected.some((count) => count !== -1);
  }

  get steps(): number {
    return this.expected.length;
  }

  /** True once after some of what was written went out. */
  get handedOn(): boolean {
    return this.#writer.handedOn;
  }

  /** BEGIN, SAVEPOINT and the like. */
  control(text: string): void {
    this.once(text, [], { expected: 'any', table: '' });
  }

  /** A statement that runs once with many rows; parsed each time, so that it is planned for these rows. */
  once(
    text: string,
    values: readonly Buffer[],
    of: { readonly expected: Expectation; readonly table: string; readonly change?: Change },
  ): void {
    this.#writer.parse('', text);
    this.#writer.run('', values, this.#binary);
    this.#step(of.expected, of.table, of.change ?? null);
  }

  /** A statement for one row, prepared once per session. */
  row(text: string, values: readonly (string | Buffer | null)[], expected: Expectation, origin: StepOrigin): void {
    const { name, fresh } = this.#prepared.name(text);
    if (fresh) this.#writer.parse(name, text);
    this.#writer.run(name, values, this.#binary);
    this.#step(expected, origin.table, origin.change);
  }

  /** A statement of our own; its values are text always. */
  own(text: string, values: readonly (string | null)[], table = ''): void {
    const { name, fresh } = this.#prepared.name(text);
    if (fresh) this.#writer.parse(name, text);
    this.#writer.run(name, values, false);
    this.#step('any', table, null);
  }

  /** COPY … FROM STDIN with its rows, the columns at `filled`. */
  *copy(text: string, rows: readonly Row[], of: { readonly filled: readonly number[]; readonly table: string }): Steps {
    this.#writer.parse('', text);
    this.#writer.run('', [], false);
    yield* copyRows(this.#writer, rows, of.filled, this.#binary);
    this.#step('any', of.table, null);
  }

  /** What is left goes out, with a Sync behind it. */
  finish(): void {
    this.#writer.finish();
  }

  #step(expected: Expectation, table: string, change: Change | null): void {
    this.expected.push(expected === 'any' ? -1 : expected);
    this.tables.push(table);
    this.changes.push(change);
  }
}

/** Work that can rest between two pieces; whoever drives it decides when it goes on. */
export type Steps = Generator<void, void, void>;

export function finish(steps: Steps): void {
  while (steps.next().done !== true);
}

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
