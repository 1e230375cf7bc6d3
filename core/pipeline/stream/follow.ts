import type { Change, StreamBatch } from '../../api/change.ts';
import type { CommitLsn, IdleLsn } from '../../postgres/lsn.ts';
import type { ChangeStream, StreamItem } from '../../api/source.ts';
import type { AckLedger } from './ack-ledger.ts';
import { raceAbort } from '../../base/race-abort.ts';
import type { SinkQueue } from './sink-queue.ts';
import type { RunView } from '../progress/run-view.ts';
import { type ControlMessage, decodeControl } from '../control/control-message.ts';
import { join } from './batches.ts';

/** The parts of one connection of the change plane; the queues are made for it and end with it. */
export interface FollowOptions {
  readonly stream: ChangeStream;
  readonly queues: readonly SinkQueue[];
  readonly ledger: AckLedger;
  readonly barriers: Barriers;
  readonly hold: Hold;
  /** Saves a position for sinks that keep none, before it is confirmed. */
  readonly beforeConfirm: (upTo: CommitLsn) => Promise<void>;
  readonly beforeConfirmIdle: (at: IdleLsn) => Promise<void>;
  readonly onBarrier: (message: Barrier, at: CommitLsn) => Promise<void>;
  /** Every sink is durable up to `at` and stays there until it is released. */
  readonly onHeld: (id: string, at: CommitLsn) => Promise<void>;
  /** The sinks are about to continue. */
  readonly onReleased: (id: string) => Promise<void>;
  /** Makes the place of a batch durable, if the batch has one. */
  readonly notePlace: (batch: StreamBatch) => Promise<void>;
  /** Awaited for every batch before a queue gets it; may return another batch in its place. */
  readonly beforeBatch: ((batch: StreamBatch) => Promise<StreamBatch | void>) | null;
  readonly view: Pick<RunView, 'received'>;
  /** Aborted: stop after the current transaction. */
  readonly stop: AbortSignal;
  /** Aborted when a queue failed. */
  readonly failure: AbortSignal;
}

export type FollowEnd = 'ended' | 'stopped' | 'barrier';

/**
 * Reads the stream and feeds the queues until the stream ends (its `until` was reached), a stop is requested, or a
 * barrier says so. Returns with everything durable and confirmed; throws with nothing confirmed that is not durable.
 */
export async function follow(options: FollowOptions): Promise<FollowEnd> {
  const { stream, queues, stop, failure } = options;
  const items = stream[Symbol.asyncIterator]();
  let open = false;
  let pending: Promise<IteratorResult<StreamItem> | 'progress'> | null = null;
  let end: FollowEnd = 'ended';
  for (;;) {
    pending ??= items.next();
    // What a queue made durable in the meantime is confirmed without waiting for the next item.
    const unsettled = queues.filter((queue) => !queue.settled).map((queue) => queue.progress());
    // A stop does not cut a transaction whose changes have begun to arrive (contract: after the current transaction).
    const next: IteratorResult<StreamItem> | 'progress' | null = await raceAbort(
      options.hold.active ? [pending, ...unsettled, tick()] : [pending, ...unsettled],
      open ? [failure] : [failure, stop],
    );
    failure.throwIfAborted();
    if (next === 'progress') {
      for (const step of options.hold.expire(Date.now())) await takeStep(options, step);
      await confirm(options);
      continue;
    }
    if (next === null) {
      pending.catch(() => {});
      end = 'stopped';
      break;
    }
    pending = null;
    if (next.done === true) break;
    if (next.value.kind === 'idle') {
      await confirmIdle(options, next.value.at);
      continue;
    }
    const given: StreamBatch = next.value.batch;
    open = given.boundary === null;
    options.view.received(given.boundary, given.transactions);
    if (given.place !== undefined) await options.notePlace(given);
    const batch = (await options.beforeBatch?.(given)) ?? given;
    let stopping = false;
    for (const step of options.hold.feed(batch, Date.now())) {
      if ((await takeStep(options, step)) === 'stop') stopping = true;
    }
    if (stopping) {
      end = 'barrier';
      break;
    }
    await confirm(options);
  }
  await Promise.all(queues.map((queue) => queue.drain()));
  failure.throwIfAborted();
  await confirm(options);
  await stream.flushConfirmed();
  return end;
}

async function takeStep(options: FollowOptions, step: HoldStep): Promise<'go-on' | 'stop'> {
  const { queues, barriers } = options;
  if (step.kind === 'held') {
    await Promise.all(queues.map((queue) => queue.drain()));
    options.failure.throwIfAborted();
    await options.onHeld(step.id, step.at);
    return 'go-on';
  }
  if (step.kind === 'released') {
    await options.onReleased(step.id);
    return 'go-on';
  }
  const barrier = barriers.see(step.batch);
  for (const queue of queues) queue.offer(step.batch);
  await roomIn(options);
  return barrier ? settleBarrier(options) : 'go-on';
}

/** During a hold, checks periodically whether it has expired. */
function tick(): Promise<'progress'> {
  return new Promise((resolve) => setTimeout(() => resolve('progress'), 500).unref());
}

/** Waits until one queue is free and none has more than its share queued (I8). */
async function roomIn(options: FollowOptions): Promise<void> {
  const { queues, failure } = options;
  for (;;) {
    failure.throwIfAborted();
    const full = queues.filter((queue) => queue.full);
    if (full.length === 0 && (queues.length === 0 || queues.some((queue) => queue.hungry))) return;
    const waitFor = full.length > 0 ? full : queues.filter((queue) => queue.busy);
    await raceAbort(
      waitFor.map((queue) => queue.progress()),
      [failure],
    );
    await confirm(options);
  }
}

async function settleBarrier(options: FollowOptions): Promise<'go-on' | 'stop'> {
  await Promise.all(options.queues.map((queue) => queue.drain()));
  options.failure.throwIfAborted();
  await confirm(options);
  let after: 'go-on' | 'stop' = 'go-on';
  for (const { message, at } of options.barriers.reached(options.ledger.least())) {
    await options.onBarrier(message, at);
    if (message.after !== 'go-on') after = 'stop';
  }
  return after;
}

/** I1: save, then confirm. */
async function confirm(options: FollowOptions): Promise<void> {
  const due = options.ledger.due();
  if (due === null) return;
  await options.beforeConfirm(due);
  options.ledger.confirmed(due);
  options.stream.confirm(due);
}

/** I3: an idle position only when every sink is durable up to everything that was handed out. */
async function confirmIdle(options: FollowOptions, at: IdleLsn): Promise<void> {
  await confirm(options);
  // A queue may have failed while a position was saved.
  options.failure.throwIfAborted();
  if (options.hold.active || !options.queues.every((queue) => queue.settled)) return;
  const due = options.ledger.dueIdle(at);
  if (due === null) return;
  await options.beforeConfirmIdle(due);
  options.ledger.confirmed(due);
  options.stream.confirm(due);
}

/**
 * What follows after a batch was fed: give this to the queues; drain the queues and report that they are at `at`;
 * withdraw that report before anything else is given to the queues.
 */
export type HoldStep =
  | { readonly kind: 'offer'; readonly batch: StreamBatch }
  | { readonly kind: 'held'; readonly id: string; readonly at: CommitLsn }
  | { readonly kind: 'released'; readonly id: string };

type State =
  | { readonly kind: 'off' }
  | { readonly kind: 'collect' | 'held'; readonly id: string; readonly since: number };

/**
 * Between the stream and the queues. Without a hold it passes batches on; during a hold it keeps later commits, in
 * bounded memory and for a bounded time: when either is used up, the hold is given up and the batches flow again, and
 * the process that requested it finds no report.
 */
export class Hold {
  readonly #pipeline: string;
  readonly #limits: { readonly bytes: number; readonly ms: number };
  #state: State = { kind: 'off' };
  #kept: StreamBatch[] = [];
  #bytes = 0;
  /** Id of a hold that was requested during this one. */
  #next: string | null = null;
  /** Position up to which the queues got what was kept. */
  #stood = 0n;

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
    if (this.#bytes > this.#limits.bytes) steps.push(...this.#giveUp(now));
    return steps;
  }

  /** Gives up a hold whose requester is gone. */
  expire(now: number): HoldStep[] {
    return this.#state.kind !== 'off' && now - this.#state.since > this.#limits.ms ? this.#giveUp(now) : [];
  }

  #obey(message: ControlMessage, now: number): HoldStep[] {
    if (this.#state.kind === 'off') return [];
    if (message.id !== this.#state.id) {
      if (message.kind === 'hold') this.#next = message.id;
      else if (message.kind === 'release' && message.id === this.#next) this.#next = null;
      return [];
    }
    if (message.kind === 'release') return this.#giveUp(now);
    if (message.kind !== 'hold-at' || this.#state.kind !== 'collect') return [];
    // Changes that the previous hold released cannot be taken back: the requester tries again.
    if (message.at < this.#stood) return this.#giveUp(now);
    this.#stood = message.at;
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

  #giveUp(now: number): HoldStep[] {
    const kept = this.#kept;
    const steps: HoldStep[] = this.#state.kind === 'held' ? [{ kind: 'released', id: this.#state.id }] : [];
    const next = this.#next;
    this.#next = null;
    if (next !== null) {
      this.#state = { kind: 'collect', id: next, since: now };
      // Its position may have been passed already.
      for (const change of kept.flatMap(({ changes }) => changes)) {
        const message = this.#read(change);
        if (message?.id === next) steps.push(...this.#obey(message, now));
      }
      return steps;
    }
    this.#kept = [];
    this.#bytes = 0;
    this.#stood = 0n;
    this.#state = { kind: 'off' };
    if (kept.length > 0) steps.push({ kind: 'offer', batch: join(kept) });
    return steps;
  }

  #read(change: Change): ControlMessage | null {
    return change.kind === 'message' ? decodeControl(change, this.#pipeline) : null;
  }
}

/** Splits a batch at a change that ends a transaction; the first part waits for its boundary, which comes later. */
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

/**
 * Barriers that the stream has brought and that wait until every sink is durable up to the end of their transaction.
 */
export class Barriers {
  readonly #pipeline: string;
  #open: Barrier[] = [];
  #waiting: { readonly message: Barrier; readonly at: CommitLsn }[] = [];

  constructor(pipeline: string) {
    this.#pipeline = pipeline;
  }

  /** Reads a batch that goes to the queues. Returns whether a barrier now waits for it. */
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
