import { EPOCH_2000 } from './message-reader.ts';

/**
 * Standby status update in a CopyData frame (manual: "Streaming Replication Protocol"). Written, flushed and applied
 * are the same position: the durable one. `now`: microseconds since 1970-01-01 UTC.
 */
export function standbyStatus(durable: bigint, now: bigint, replyRequested: boolean): Buffer {
  const frame = Buffer.allocUnsafe(39);
  frame[0] = 0x64;
  frame.writeInt32BE(38, 1);
  frame[5] = 0x72;
  frame.writeBigUInt64BE(durable, 6);
  frame.writeBigUInt64BE(durable, 14);
  frame.writeBigUInt64BE(durable, 22);
  frame.writeBigInt64BE(now - EPOCH_2000, 30);
  frame[38] = replyRequested ? 1 : 0;
  return frame;
}

/** Confirmations within this time, milliseconds, go to the server in one update. */
const COALESCE = 10;

export interface StatusOptions {
  /** Milliseconds between updates without another reason for one. */
  readonly interval: number;
  readonly write: (frame: Buffer, written?: (error?: Error | null) => void) => void;
  /** Called at each tick: whether to request a reply from the server. */
  readonly askBack: () => boolean;
}

/**
 * Reports our durable position to the server: on a timer of its own, so also while the stream is not being read, on
 * request, and soon after a confirmation. Before the first confirmation the position is 0/0, which the server ignores.
 */
export class StatusUpdates {
  readonly #options: StatusOptions;
  readonly #timer: NodeJS.Timeout;
  #soon: NodeJS.Timeout | null = null;
  #confirmed = 0n;

  constructor(options: StatusOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.send(options.askBack()), options.interval);
  }

  /** Positions only grow (I2): an older one changes nothing. */
  confirm(upTo: bigint): void {
    if (upTo <= this.#confirmed) return;
    this.#confirmed = upTo;
    this.#soon ??= setTimeout(() => this.send(false), COALESCE);
  }

  send(replyRequested: boolean, written?: (error?: Error | null) => void): void {
    if (this.#soon !== null) clearTimeout(this.#soon);
    this.#soon = null;
    this.#options.write(standbyStatus(this.#confirmed, BigInt(Date.now()) * 1000n, replyRequested), written);
  }

  stop(): void {
    clearInterval(this.#timer);
    if (this.#soon !== null) clearTimeout(this.#soon);
    this.#soon = null;
  }
}
