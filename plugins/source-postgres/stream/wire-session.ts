import { fromPg } from '../../../core/postgres/pg-error.ts';
import { connectionError } from '../../../core/postgres/errors.ts';
import type { PgsluiceError } from '../../../core/base/error.ts';
import type { Logger } from '../../../core/base/logger.ts';
import { serverError } from '../../../core/postgres/socket.ts';
import { streamError } from './errors.ts';
import type { FrameTargets, ReplicationSocket } from './replication-socket.ts';
import { liveness } from './liveness.ts';
import { streamErrorOf } from './server-error.ts';
import { StatusUpdates } from './status.ts';

export interface WireSessionOptions {
  /** Name of the connection in errors. */
  readonly name: string;
  /** Milliseconds between status updates. */
  readonly statusInterval: number;
  /** Milliseconds of silence after which the connection counts as dead. */
  readonly silence: number;
  /** The stream ends at a position: the server is asked repeatedly whether it has passed it. */
  readonly asks: boolean;
  /** Values were asked for in binary. */
  readonly binary: boolean;
  readonly log: Logger;
}

/** Milliseconds between requests whether the server has passed a position. */
const ASK_EVERY = 100;

/**
 * The replication connection from START_REPLICATION on (manual: "Streaming Replication Protocol"): framing, status
 * updates, keepalives, and the server's messages other than rows. It decodes nothing.
 */
export class WireSession {
  readonly #options: WireSessionOptions;
  readonly #reader: FrameTargets['reader'];
  readonly #status: StatusUpdates;
  #socket!: ReplicationSocket;
  #started: { resolve: () => void; reject: (error: unknown) => void } | null = null;
  #asking: NodeJS.Timeout | null = null;

  constructor(options: WireSessionOptions, reader: FrameTargets['reader']) {
    this.#options = options;
    this.#reader = reader;
    this.#status = new StatusUpdates({
      interval: options.statusInterval,
      write: (frame, written) => this.#socket.write(frame, written),
      askBack: () => this.#askBack(),
    });
  }

  /** Sends the command and resolves when the server has begun to stream. */
  start(socket: ReplicationSocket, command: Buffer): Promise<void> {
    this.#socket = socket;
    return new Promise((resolve, reject) => {
      this.#started = { resolve, reject };
      socket.write(command);
    });
  }

  /** Backpressure (I8): the socket is not read until {@link release}. Status updates go on. */
  hold(): void {
    this.#socket.hold();
  }
  release(): void {
    this.#socket.release();
  }

  confirm(upTo: bigint): void {
    this.#status.confirm(upTo);
  }

  /** Resolves when the confirmed position is on its way to the server. */
  flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#status.send(false, (error) => {
        if (error === undefined || error === null) resolve();
        else reject(fromPg(error, { connection: this.#options.name }));
      });
    });
  }

  stopAsking(): void {
    if (this.#asking !== null) clearInterval(this.#asking);
    this.#asking = null;
  }

  /** After a failure: nothing further is read or sent. */
  abandon(reason: unknown): void {
    this.#stop();
    this.#socket.destroy();
    this.#started?.reject(reason);
    this.#started = null;
  }

  /** Sends the last confirmation and ends the session on the server. */
  async close(): Promise<void> {
    this.#status.send(false);
    this.#stop();
    await this.#socket.close();
  }

  #stop(): void {
    this.#status.stop();
    this.stopAsking();
  }

  // ---- from the socket

  lost(error: Error | null): void {
    const where = { connection: this.#options.name };
    if (error !== null) this.#reader.failed(fromPg(error, where));
    else this.#reader.failed(connectionError('PGS2005', 'the server closed the replication connection', { where }));
  }

  // ---- from the framer

  replyRequested(): void {
    this.#status.send(false);
  }

  other(type: number, body: Buffer): void {
    const where = { connection: this.#options.name };
    switch (String.fromCharCode(type)) {
      case 'W': // CopyBothResponse
        this.#started?.resolve();
        this.#started = null;
        if (this.#options.asks) this.#asking = setInterval(() => this.#status.send(true), ASK_EVERY);
        return this.#status.send(this.#options.asks);
      case 'E':
        return this.#reader.failed(this.#refusal(streamErrorOf(serverError(body), where, this.#started === null)));
      case 'N': {
        const notice = serverError(body);
        return this.#options.log.log('debug', 'source-notice', notice.message, { sqlstate: notice.code });
      }
      case 'S': // ParameterStatus
        return;
      case 'c': // CopyDone
      case 'C': // CommandComplete
      case 'Z': // ReadyForQuery
        return this.#reader.failed(streamError('PGS2159', 'the server ended the replication stream', { where }));
      default:
        return this.#reader.failed(streamError('PGS2161', `a protocol message of the unknown type ${type}`, { where }));
    }
  }

  /** A send function may refuse (42883: the elements of an array have none): the same row may succeed as text. */
  #refusal(error: PgsluiceError): PgsluiceError {
    if (!this.#options.binary || this.#started !== null || error.code !== 'PGS2007') return error;
    return streamError('PGS2169', error.message, { where: error.where, cause: error.cause });
  }

  #askBack(): boolean {
    const silentFor = performance.now() - this.#socket.lastRead;
    const verdict = liveness(silentFor, this.#options.silence, this.#socket.reading);
    if (verdict === 'dead') {
      const where = { connection: this.#options.name };
      this.#reader.failed(
        streamError('PGS2158', `nothing came from the server for ${Math.round(silentFor / 1000)} s`, { where }),
      );
    }
    return verdict !== 'fine';
  }
}
