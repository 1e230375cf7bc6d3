import type { Change, StreamBatch } from '../../api/change.ts';
import type { CommitLsn } from '../../postgres/lsn.ts';
import { type ControlMessage, decodeControl } from '../control/control-message.ts';
import { join } from './batches.ts';

/**
 * What is to be done after a batch was fed: give this to the lanes; drain the lanes and report that they stand at `at`; take
 * that report back, before anything that follows is given to the lanes.
 */
export type HoldStep =
  | { readonly kind: 'offer'; readonly batch: StreamBatch }
  | { readonly kind: 'held'; readonly id: string; readonly at: CommitLsn }
  | { readonly kind: 'released'; readonly id: string };

type State =
  | { readonly kind: 'off' }
  | { readonly kind: 'collect' | 'held'; readonly id: string; readonly since: number };

/**
 * Stands between the stream and the lanes. While nobody asks for a hold it passes batches on; under a hold it keeps what
 * commits later, in bounded memory and for a bounded time: when either is used up, the hold is given up and the batches
 * flow again, and whoever asked for it finds no report.
 */
export class Hold {
  readonly #pipeline: string;
  readonly #limits: { readonly bytes: number; readonly ms: number };
  #state: State = { kind: 'off' };
  #kept: StreamBatch[] = [];
  #bytes = 0;

  constructor(pipeline: string, limits: { readonly bytes: number; readonly ms: number }) {
    this.#pipeline = pipeline;
    this.#limits = limits;
  }

  get active(): boolean {
    return this.#state.kind !== 'off';
  }

  feed(batch: StreamBatch, now: number): HoldStep[] {
    const steps: HoldStep[] = [];
    let rest: StreamBatch | null = batch;
    if (this.#state.kind === 'off') {
      const at = batch.changes.findIndex((change) => this.#read(change)?.kind === 'hold');
      if (at === -1) return [{ kind: 'offer', batch }];
      const message = this.#read(batch.changes[at]!)!;
      this.#state = { kind: 'collect', id: message.id, since: now };
      const parts = split(batch, at + 1);
      if (parts.head !== null) steps.push({ kind: 'offer', batch: parts.head });
      rest = parts.tail;
    }
    if (rest !== null) {
      this.#kept.push(rest);
      this.#bytes += rest.bytes;
      for (const change of rest.changes) {
        const message = this.#read(change);
        if (message !== null) steps.push(...this.#obey(message, now));
      }
    }
    if (this.#bytes > this.#limits.bytes) steps.push(...this.#giveUp());
    return steps;
  }

  /** Gives up a hold whose owner is gone. */
  expire(now: number): HoldStep[] {
    return this.#state.kind !== 'off' && now - this.#state.since > this.#limits.ms ? this.#giveUp() : [];
  }

  #obey(message: ControlMessage, now: number): HoldStep[] {
    if (this.#state.kind === 'off' || message.id !== this.#state.id) return [];
    if (message.kind === 'release') return this.#giveUp();
    if (message.kind !== 'hold-at' || this.#state.kind !== 'collect') return [];
    const all = join(this.#kept);
    const cut = all.changes.findIndex((change) => change.tx.finalLsn >= message.at);
    // Everything that commits below the consistent point ends at or below it, so it is a boundary (I2).
    const at = message.at as CommitLsn;
    const changes = all.changes.slice(0, cut === -1 ? undefined : cut);
    const head = { ...all, changes, boundary: at, commitTime: null, transactions: 0, bytes: 0 };
    this.#kept = [{ ...all, changes: cut === -1 ? [] : all.changes.slice(cut) }];
    this.#state = { kind: 'held', id: message.id, since: now };
    return [
      { kind: 'offer', batch: head },
      { kind: 'held', id: message.id, at },
    ];
  }

  #giveUp(): HoldStep[] {
    const kept = this.#kept;
    const steps: HoldStep[] = this.#state.kind === 'held' ? [{ kind: 'released', id: this.#state.id }] : [];
    this.#kept = [];
    this.#bytes = 0;
    this.#state = { kind: 'off' };
    if (kept.length > 0) steps.push({ kind: 'offer', batch: join(kept) });
    return steps;
  }

  #read(change: Change): ControlMessage | null {
    return change.kind === 'message' ? decodeControl(change, this.#pipeline) : null;
  }
}

/** A batch in two at a change that ends a transaction; the first part waits for its boundary, which comes later. */
function split(
  batch: StreamBatch,
  at: number,
): { readonly head: StreamBatch | null; readonly tail: StreamBatch | null } {
  const tail = { ...batch, changes: batch.changes.slice(at) };
  const changes = batch.changes.slice(0, at);
  const head = { ...batch, changes, boundary: null, commitTime: null, transactions: 0, bytes: 0 };
  return { head, tail };
}

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
