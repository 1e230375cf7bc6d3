import type pg from 'pg';
import type { ErrorWhere } from '../../../core/base/error.ts';
import { conceal } from '../../../core/postgres/pg-error.ts';
import { remedyOfState } from '../../../core/postgres/state-remedy.ts';
import { connectionError } from '../../../core/postgres/errors.ts';
import { destroy } from '../../../core/postgres/connect.ts';
import { BulkSocket, type ReadBlock } from '../../../core/postgres/bulk-socket.ts';
import { type TakenSocket, queryMessage, serverError, takeSocket } from '../../../core/postgres/socket.ts';
import { sourceError } from '../errors.ts';
import { guardAnswers } from './copy-sql.ts';
import { MessageSplitter } from './frames.ts';
import { RunQueue } from './run-queue.ts';

/** Bytes that may wait here for their reader before the socket is paused (I8), and below which it goes on. */
const highWater = 1 << 20;
const lowWater = 1 << 18;

export interface CopyOutInput {
  readonly client: pg.Client;
  /**
   * Statements, the last a COPY … TO STDOUT. One before it may be a SELECT of one of {@link guardAnswers}: PGS2122 where the
   * snapshot would not see the rows of this table any more, PGS2121 where its columns are not those that were planned.
   */
  readonly sql: string;
  readonly where: ErrorWhere;
  readonly signal: AbortSignal;
}

/**
 * A COPY TO STDOUT under way: CopyData messages exactly as the socket gave them. The connection is usable again only
 * after the iteration has ended by itself; however else it ends, the connection is cut, because a backend in the
 * middle of a COPY cannot be used and would hold its snapshot (I6).
 */
export class CopyOut {
  readonly #input: CopyOutInput;
  readonly #socket: TakenSocket;
  readonly #splitter = new MessageSplitter();
  /** Over TLS null: then every chunk is memory of its own. */
  readonly #bulk: BulkSocket | null;
  readonly #queue: RunQueue;
  /** Where the chunk in hand was read into. */
  #block: ReadBlock | null = null;
  #wake: (() => void) | null = null;
  #state: 'starting' | 'copying' | 'done' | 'failed' = 'starting';
  #failure: unknown = null;
  #complete = false;

  private constructor(input: CopyOutInput) {
    this.#input = input;
    this.#socket = takeSocket(input.client);
    const { stream } = this.#socket;
    this.#bulk = stream instanceof BulkSocket ? stream : null;
    this.#queue = new RunQueue(this.#bulk);
    if (this.#bulk === null) stream.on('data', this.#onData);
    else this.#bulk.setReader(this.#onData);
    stream.on('close', this.#onClose);
    stream.on('error', this.#onError);
    input.signal.addEventListener('abort', this.#onAbort, { once: true });
    stream.write(queryMessage(input.sql));
    stream.resume();
  }

  /** Resolves when the server has begun to send; throws what it refused, with the connection cut. */
  static async start(input: CopyOutInput): Promise<CopyOut> {
    input.signal.throwIfAborted();
    const copy = new CopyOut(input);
    while (copy.#state === 'starting') await copy.#changed();
    if (copy.#state === 'failed') throw copy.#failure;
    return copy;
  }

  /**
   * One reader, who is done with a run when it asks for the next: the memory is used again. Ends only after CommandComplete
   * and ReadyForQuery (I6). `ended` is told whether the connection is clean.
   */
  async *frames(ended: (clean: boolean) => void): AsyncGenerator<Buffer> {
    try {
      for (;;) {
        const next = this.#queue.shift();
        if (next !== undefined) {
          if (this.#queue.bytes < lowWater && this.#state === 'copying') this.#socket.stream.resume();
          yield next;
        } else if (this.#state === 'copying') await this.#changed();
        else if (this.#state === 'failed') throw this.#failure;
        else return;
      }
    } finally {
      if (this.#state !== 'done')
        this.#fail(sourceError('PGS2121', 'the reader stopped', { where: this.#input.where }));
      this.#queue.giveBack();
      ended(this.#state === 'done');
    }
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  #onData = (chunk: Buffer, block: ReadBlock | null = null): void => {
    this.#block = block;
    try {
      this.#splitter.split(chunk, this.#sink);
    } catch (error) {
      this.#fail(error);
    }
    if (this.#queue.bytes > highWater) this.#socket.stream.pause();
    this.#notify();
  };

  readonly #sink = {
    data: (run: Buffer): void => {
      if (this.#state === 'failed') return;
      this.#queue.push(run, this.#block);
    },
    message: (type: number, body: Buffer): void => this.#onMessage(String.fromCharCode(type), body),
  };

  #onMessage(type: string, body: Buffer): void {
    // What follows a failure in the same read means nothing any more.
    if (this.#state === 'failed') return;
    if (type === 'E') this.#refused(body);
    else if (type === 'H') this.#state = 'copying';
    else if (type === 'D' && this.#state === 'starting') this.#onAnswer(body);
    else if (type === 'C' && this.#state === 'copying') this.#complete = true;
    else if (type === 'Z') this.#onReady();
  }

  /** DataRow of the question before the COPY: one column, its text a letter. */
  #onAnswer(body: Buffer): void {
    const answer = String.fromCharCode(body[body.length - 1]!);
    if (answer === guardAnswers.go) return;
    const { where } = this.#input;
    const altered = answer === guardAnswers.altered;
    const what = altered
      ? 'is another, or has other columns, than when it was planned'
      : 'was rewritten since the snapshot was taken';
    this.#fail(sourceError(altered ? 'PGS2121' : 'PGS2122', `table ${where.table ?? ''} ${what}`, { where }));
  }

  #onReady(): void {
    if (!this.#complete) return this.#fail(new Error('the server ended the COPY without completing it'));
    this.#state = 'done';
    this.#detach();
    this.#socket.release();
    this.#notify();
  }

  #refused(body: Buffer): void {
    const error = serverError(body);
    const code = error.code ?? '';
    const where = { ...this.#input.where, sqlstate: code };
    // Losing the server is for a new attempt; anything else is about this table.
    const lost = /^(08|57P|53|40|58030)/.test(code);
    if (lost)
      this.#fail(
        connectionError(code.startsWith('53') ? 'PGS2008' : 'PGS2005', error.message, { where, cause: error }),
      );
    else {
      const remedy = remedyOfState(code);
      this.#fail(
        sourceError('PGS2121', conceal(error), { where, cause: error, ...(remedy === null ? {} : { remedy }) }),
      );
    }
  }

  #onClose = (): void => this.#fail(this.#lost('the server closed the connection in the middle of a COPY'));
  #onError = (cause: Error): void => this.#fail(this.#lost(cause.message, cause));
  #onAbort = (): void => this.#fail(this.#input.signal.reason);

  #lost(message: string, cause?: Error): Error {
    return connectionError('PGS2005', message, { where: this.#input.where, ...(cause === undefined ? {} : { cause }) });
  }

  #fail(error: unknown): void {
    if (this.#state === 'failed' || this.#state === 'done') return;
    this.#state = 'failed';
    this.#failure = error;
    this.#queue.clear();
    this.#detach();
    destroy(this.#input.client);
    this.#notify();
  }

  #detach(): void {
    const { stream } = this.#socket;
    this.#bulk?.setReader(null);
    stream.off('data', this.#onData);
    stream.off('close', this.#onClose);
    stream.off('error', this.#onError);
    this.#input.signal.removeEventListener('abort', this.#onAbort);
  }
}
