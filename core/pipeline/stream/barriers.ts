import type { StreamBatch } from '../../api/change.ts';
import type { CommitLsn } from '../../postgres/lsn.ts';
import { type ControlMessage, decodeControl } from '../control/control-message.ts';

export type Barrier = Extract<ControlMessage, { kind: 'barrier' }>;

/** Barriers that were met in the stream and wait until every sink is durable up to the end of their transaction. */
export class Barriers {
  readonly #pipeline: string;
  #open: Barrier[] = [];
  #waiting: { readonly message: Barrier; readonly at: CommitLsn }[] = [];

  constructor(pipeline: string) {
    this.#pipeline = pipeline;
  }

  /** Looks at a batch that goes to the lanes. Returns whether a barrier now waits for it. */
  see(batch: StreamBatch): boolean {
    for (const change of batch.changes) {
      if (change.kind !== 'message') continue;
      const message = decodeControl(change, this.#pipeline);
      if (message?.kind === 'barrier') this.#open.push(message);
    }
    if (batch.boundary === null || this.#open.length === 0) return false;
    const at = batch.boundary;
    this.#waiting.push(...this.#open.map((message) => ({ message, at })));
    this.#open = [];
    return true;
  }

  /** Barriers that are reached by a position durable in all sinks; each is returned once. */
  reached(durable: bigint): readonly { readonly message: Barrier; readonly at: CommitLsn }[] {
    const reached = this.#waiting.filter((barrier) => barrier.at <= durable);
    if (reached.length > 0) this.#waiting = this.#waiting.filter((barrier) => barrier.at > durable);
    return reached;
  }
}
