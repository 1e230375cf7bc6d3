import type { MessageChange, StreamBatch } from '../../api/change.ts';
import type { CommitLsn } from '../../api/lsn.ts';

/** Prefix of the pipeline's own logical messages (design: control through the stream). */
export const controlPrefix = 'pgsluice';

/** What a control message says. `stop`: the run ends, cleanly, once everything up to the message is durable. */
export interface ControlMessage {
  readonly pipeline: string;
  readonly barrier: string;
  readonly after: 'go-on' | 'stop';
}

export function encodeControl(message: ControlMessage): string {
  return JSON.stringify(message);
}

/** Null for a message of another pipeline on the same database, or of a later version. */
export function decodeControl(change: MessageChange, pipeline: string): ControlMessage | null {
  if (change.prefix !== controlPrefix) return null;
  try {
    const value = JSON.parse(Buffer.from(change.content).toString('utf8')) as Partial<ControlMessage>;
    if (value.pipeline !== pipeline || typeof value.barrier !== 'string') return null;
    return { pipeline, barrier: value.barrier, after: value.after === 'stop' ? 'stop' : 'go-on' };
  } catch {
    return null;
  }
}

/** Barriers that were met in the stream and wait until every sink is durable up to the end of their transaction. */
export class Barriers {
  readonly #pipeline: string;
  #open: ControlMessage[] = [];
  #waiting: { readonly message: ControlMessage; readonly at: CommitLsn }[] = [];

  constructor(pipeline: string) {
    this.#pipeline = pipeline;
  }

  /** Looks at a batch before it goes to the lanes. Returns whether it holds a barrier. */
  see(batch: StreamBatch): boolean {
    for (const change of batch.changes) {
      if (change.kind !== 'message') continue;
      const message = decodeControl(change, this.#pipeline);
      if (message !== null) this.#open.push(message);
    }
    if (batch.boundary === null || this.#open.length === 0) return false;
    const at = batch.boundary;
    this.#waiting.push(...this.#open.map((message) => ({ message, at })));
    this.#open = [];
    return true;
  }

  /** Barriers that are reached by a position durable in all sinks; each is returned once. */
  reached(durable: bigint): readonly { readonly message: ControlMessage; readonly at: CommitLsn }[] {
    const reached = this.#waiting.filter((barrier) => barrier.at <= durable);
    if (reached.length > 0) this.#waiting = this.#waiting.filter((barrier) => barrier.at > durable);
    return reached;
  }
}
