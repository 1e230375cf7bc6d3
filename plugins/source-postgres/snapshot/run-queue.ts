import type { BulkSocket, ReadBlock } from '../../../core/postgres/bulk-socket.ts';

/** Bytes of one block, or a buffer of their own where the block is null. */
interface Run {
  readonly bytes: Buffer;
  readonly block: ReadBlock | null;
  readonly from: number;
  to: number;
}

/**
 * Runs of frames that wait for their reader. Those that lie beside each other in one block are joined, so a reader that was
 * busy gets one large run and not many small ones. A run is the reader's until it asks for the next.
 */
export class RunQueue {
  readonly #socket: BulkSocket | null;
  readonly #runs: Run[] = [];
  #lent: ReadBlock | null = null;
  /** Bytes that wait. */
  bytes = 0;

  constructor(socket: BulkSocket | null) {
    this.#socket = socket;
  }

  push(run: Buffer, block: ReadBlock | null): void {
    this.bytes += run.length;
    // What the walker had to put together lies in memory of its own.
    const inside = block !== null && run.buffer === block.bytes.buffer;
    const from = inside ? run.byteOffset - block.bytes.byteOffset : 0;
    const last = this.#runs.at(-1);
    if (inside && last?.block === block && last.to === from) {
      last.to = from + run.length;
      return;
    }
    if (inside) block.users++;
    this.#runs.push({ bytes: inside ? block.bytes : run, block: inside ? block : null, from, to: from + run.length });
  }

  /** The next run; what was given before may be overwritten from now on. */
  shift(): Buffer | undefined {
    this.giveBack();
    const run = this.#runs.shift();
    if (run === undefined) return undefined;
    this.bytes -= run.to - run.from;
    this.#lent = run.block;
    return run.bytes.subarray(run.from, run.to);
  }

  giveBack(): void {
    if (this.#lent !== null) this.#socket?.free(this.#lent);
    this.#lent = null;
  }

  /** The connection is lost: its blocks go with it. */
  clear(): void {
    this.#runs.length = 0;
    this.#lent = null;
    this.bytes = 0;
  }
}
