import type { Socket } from 'node:net';
import type pg from 'pg';
import { destroy } from '../../../core/postgres/connect.ts';
import { CopyFrames } from '../../../core/postgres/copy-frames.ts';

/** What pg's Client calls of a query object (pg/lib/client.js); only what a simple-protocol COPY FROM needs. */
interface PgConnection {
  readonly stream: Socket;
  query(text: string): void;
  sendCopyFail(message: string): void;
}

/**
 * COPY … FROM STDIN as a query object of pg. The frames go to the socket as they are. CopyDone is sent only at the clean end
 * of the frames and between messages; whatever else happens ends in CopyFail or in a cut connection (I6).
 */
class CopyIn {
  readonly #text: string;
  #connection: PgConnection | null = null;
  readonly ready = Promise.withResolvers<void>();
  readonly complete = Promise.withResolvers<bigint>();
  #rows: bigint | null = null;
  /** First value of the last row of a SELECT that ran before the COPY. */
  answer: string | null = null;
  failure: Error | null = null;
  /** Wakes a writer that waits for the socket. */
  wake: (() => void) | null = null;

  constructor(text: string) {
    this.#text = text;
    // Each is awaited only on one of the ways through; the other must not count as unhandled.
    this.ready.promise.catch(() => {});
    this.complete.promise.catch(() => {});
  }

  /** pg replaces it to implement query timeouts. */
  callback(): void {}

  submit(connection: PgConnection): undefined {
    this.#connection = connection;
    connection.query(this.#text);
  }

  handleCopyInResponse(): void {
    this.ready.resolve();
  }

  handleRowDescription(): void {}

  handleDataRow(message: { readonly fields: readonly (string | null)[] }): void {
    this.answer = message.fields[0] ?? null;
  }

  handleCommandComplete(message: { readonly text: string }): void {
    const match = /^COPY (\d+)$/.exec(message.text);
    if (match !== null) this.#rows = BigInt(match[1]!);
    // The answer to a COMMIT of a transaction that had failed.
    else if (message.text === 'ROLLBACK') this.fail(new Error('the transaction of the COPY was rolled back'));
  }

  handleReadyForQuery(): void {
    if (this.#rows === null) this.fail(new Error('COPY ended without a count of rows'));
    else this.complete.resolve(this.#rows);
  }

  handleError(error: Error): void {
    this.fail(error);
  }

  fail(error: Error): void {
    this.failure ??= error;
    this.ready.reject(this.failure);
    this.complete.reject(this.failure);
    this.wake?.();
  }

  get connection(): PgConnection {
    if (this.#connection === null) throw new Error('COPY was not submitted');
    return this.#connection;
  }
}

export interface FrameSource {
  readonly frames: AsyncIterable<Uint8Array>;
  /** Called where the target refuses the COPY before a frame was asked for. */
  readonly refuse: () => Promise<void>;
  /** Where a SELECT before the COPY answers anything else, nothing is sent. */
  readonly expect?: string;
}

export interface CopyInResult {
  readonly rows: bigint;
  readonly bytes: number;
}

const copyDone = Buffer.from([0x63, 0, 0, 0, 4]);

/** Less than this is held back until more is there, so that a small table is one write, its end included. */
const smallFrame = 32 << 10;

/**
 * Runs statements of which one is a COPY FROM STDIN, with these frames; those after it run when all frames are in, and
 * only then. A string: what was answered and not expected; then no frame was asked for. Throws what the target answered (then the iterator's `return` was called), or what
 * the iterator threw, or the signal's reason. After a failure of the frames inside a message, where a CopyFail would be taken
 * for row data, the connection is cut.
 */
export async function copyIn(
  client: pg.Client,
  text: string,
  source: FrameSource,
  signal: AbortSignal,
): Promise<CopyInResult | string> {
  const copy = new CopyIn(text);
  const walker = new CopyFrames();
  const onAbort = (): void => copy.wake?.();
  signal.addEventListener('abort', onAbort);
  client.query(copy as unknown as pg.Submittable);
  try {
    await started(copy, source);
    if (source.expect !== undefined && copy.answer !== source.expect) {
      await breakOff(copy);
      return copy.answer ?? '';
    }
    await writeFrames(copy, walker, source.frames, signal);
  } catch (error) {
    // The server still reads the rest of a message that was begun: whatever is sent next would be taken for it.
    if (copy.failure !== null && !walker.atBoundary) destroy(client);
    if (copy.failure !== null) throw copy.failure;
    if (signal.aborted || !walker.atBoundary) destroy(client);
    else await breakOff(copy);
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
  return { rows: await copy.complete.promise, bytes: walker.payload };
}

async function started(copy: CopyIn, source: FrameSource): Promise<void> {
  try {
    await copy.ready.promise;
  } catch (error) {
    await source.refuse();
    throw error;
  }
}

async function writeFrames(
  copy: CopyIn,
  walker: CopyFrames,
  frames: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const { stream } = copy.connection;
  let first = true;
  let held: Buffer | null = null;
  for await (const frame of frames) {
    if (copy.failure !== null) throw copy.failure;
    signal.throwIfAborted();
    const other = walker.walk(frame);
    if (other < frame.length) throw new RangeError(`expected CopyData, got message type ${frame[other]}`);
    if (first && frame.length < smallFrame) held = Buffer.from(frame);
    else if (held !== null) {
      stream.write(held);
      held = null;
    }
    first = false;
    if (held !== null) continue;
    const writing = written(copy, stream, frame, signal);
    if (writing === null) continue;
    await writing;
    if (copy.failure !== null) throw copy.failure;
    signal.throwIfAborted();
  }
  if (copy.failure !== null) throw copy.failure;
  signal.throwIfAborted();
  if (!walker.atBoundary) throw new RangeError('the frames ended inside a CopyData message');
  stream.write(held === null ? copyDone : Buffer.concat([held, copyDone]));
}

/**
 * Until the kernel has all of the frame (its memory is the source's again when we ask for the next), the socket closes,
 * or there is no more point in waiting. Most frames are taken at once; then nothing is waited for.
 */
function written(copy: CopyIn, stream: Socket, frame: Uint8Array, signal: AbortSignal): Promise<void> | null {
  let settle: (() => void) | null = null;
  const done = (): void => settle?.();
  stream.write(frame, done);
  if (stream.writableLength === 0) return null;
  if (copy.failure !== null || signal.aborted || stream.destroyed) return null;
  return new Promise((resolve) => {
    settle = (): void => {
      stream.removeListener('close', done);
      copy.wake = null;
      resolve();
    };
    copy.wake = done;
    stream.once('close', done);
  });
}

/** I6: the target ends its COPY with an error; that error is the expected one, the caller throws the reason for it. */
async function breakOff(copy: CopyIn): Promise<void> {
  copy.connection.sendCopyFail('the source of the rows failed');
  await copy.complete.promise.catch(() => {});
}
