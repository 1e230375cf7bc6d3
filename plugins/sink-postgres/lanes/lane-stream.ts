import type { StreamBatch } from '../../../core/api/change.ts';
import { type CommitLsn, formatLsn } from '../../../core/postgres/lsn.ts';
import type { LaneView, Receipt, StreamSink } from '../../../core/api/sink.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { raceAbort } from '../../../core/base/race-abort.ts';
import { applyError } from '../apply/errors.ts';
import type { ApplySession } from '../apply/session.ts';
import { SessionStream, type StreamSinkInput } from '../apply/stream-sink.ts';
import { divide, lacking, segmentsOf } from './divide.ts';
import { Lane } from './lane.ts';
import { everyLane, type Layout, Lanes, oneLane } from './layout.ts';
import { actingKey, type By, laneName, outgrown, planLayout, readStored, store } from './stored.ts';

export interface LanesInput extends StreamSinkInput {
  readonly lanes: number;
  readonly by: By;
}

/** Estimated bytes that all lanes together may hold (I8). */
const room = 24 << 20;

/**
 * `one`: a single session, nothing else. `level`: lanes of an earlier run stand apart; one session applies what each of them lacks
 * until all stand at one position, and only then the layout may be another one. `divided`: each lane applies its share.
 */
type Mode =
  | { readonly kind: 'one' }
  | { readonly kind: 'level'; readonly lanes: Lanes; readonly positions: readonly bigint[] }
  | { readonly kind: 'divided'; readonly lanes: Lanes };

/** One lane is a single session, without anything in its way; only lanes that an earlier run left are taken up by {@link LaneStream}. */
export function createLanes(input: LanesInput): StreamSink & AsyncDisposable {
  if (input.shared === true) {
    if (input.lanes === 1) return new SessionStream(input);
    throw applyError('PGS3216', `sink ${input.name} asks for ${input.lanes} lanes`);
  }
  if (input.lanes > 1) return new LaneStream(input);
  const { name, context } = input;
  const older = async (client: ApplySession['client']) => {
    const stored = await readStored(client, input).catch((error: unknown) => {
      throw fromPg(error, { connection: name }, context.debugValues);
    });
    return stored === null ? null : new LaneStream(input);
  };
  return new SessionStream({ ...input, older });
}

/**
 * The change plane by several sessions. Each commits its rows with its own position (I4); what is told as durable is the least of
 * them (I1). What concerns several lanes (DDL, a TRUNCATE across them, a row that moves from one to another) is applied with its
 * whole transaction by the first lane while the others rest, and moves the positions of all in that commit.
 */
export class LaneStream implements StreamSink, AsyncDisposable {
  readonly #input: LanesInput;
  readonly #lanes: Lane[] = [];
  #mode: Mode = { kind: 'one' };
  #end = new AbortController();
  #signal: AbortSignal = this.#end.signal;
  /** A transaction goes on: by the first lane alone, or by all. */
  #open: 'alone' | 'divided' | null = null;
  #openAt: bigint | null = null;
  /** The one that the first lane applies alone brought DDL. */
  #altered = false;
  /** Transactions that must not be divided, by the start of their commit records. */
  readonly #undivided = new Set<bigint>();
  /** Foreign keys of the target act on what we write. */
  #enforced = false;
  /** Tables whose rows came in a form in which they cannot be divided. */
  readonly #whole = new Set<string>();
  /** Tables that came later than a layout. */
  readonly #later = new Set<string>();

  constructor(input: LanesInput) {
    this.#input = input;
    this.#lane(0);
  }

  lanes(): readonly LaneView[] {
    if (this.#mode.kind !== 'divided') return [];
    return this.#lanes.map(({ bytes, durable }) => ({ queuedBytes: bytes, durable }));
  }

  async resume(signal: AbortSignal): Promise<CommitLsn | null> {
    this.#end.abort(new Error('the sink starts again'));
    await Promise.all(this.#lanes.map((lane) => lane.end()));
    this.#end = new AbortController();
    this.#signal = AbortSignal.any([signal, this.#end.signal]);
    this.#open = null;
    this.#mode = { kind: 'one' };
    this.#first.session.together = [];
    const first = await this.#first.session.resume(signal);
    this.#altered = false;
    this.#enforced = this.#first.session.session.enforced;
    const stored = await this.#told(readStored(this.#first.session.session.client, this.#input));
    const old = stored ?? oneLane;
    // Sessions of lanes that are no more, too: only with their locks their positions are final.
    const count = Math.max(old.lanes, this.#input.lanes);
    const others = Array.from({ length: count - 1 }, (_, i) => this.#lane(i + 1).session.resume(signal));
    const ends = await Promise.allSettled(others);
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    const positions = [first, ...(await Promise.all(others))].slice(0, old.lanes).map((at) => at ?? 0n);
    return this.#begin(old, positions);
  }

  async write(batch: StreamBatch, signal: AbortSignal): Promise<Receipt> {
    const mode = this.#mode;
    if (mode.kind === 'one') return this.#first.session.write(batch, signal);
    this.#throwFailure();
    if (mode.kind === 'level') {
      if (batch.values === 'binary' && Object.keys(mode.lanes.layout.keys).length > 0) {
        const message = 'rows were divided among lanes by the text of their keys';
        throw applyError('PGS3115', message, { where: { connection: this.#input.name } });
      }
      const changes = lacking(batch.changes, mode.lanes, mode.positions);
      await this.#alone({ ...batch, changes }, signal);
      const top = mode.positions.reduce((a, b) => (a > b ? a : b));
      if (batch.boundary !== null && batch.boundary >= top) await this.#arrange(batch.boundary);
      return this.#receipt();
    }
    await this.#endOpen(batch, signal);
    for (const segment of segmentsOf(batch, (at, changes) => this.#isAlone(mode.lanes, batch, { at, changes }))) {
      if (segment.alone) await this.#alone(segment.batch, signal);
      else await this.#divided(segment.batch, signal);
    }
    return this.#receipt();
  }

  async flush(signal: AbortSignal): Promise<CommitLsn | null> {
    if (this.#mode.kind === 'one') return this.#first.session.flush(signal);
    await this.#rest();
    if (this.#open !== 'alone' && this.#mode.kind === 'divided') {
      await Promise.all(
        this.#lanes.map(async (lane) => {
          const upTo = await lane.session.flush(signal);
          if (upTo !== null) lane.durable = upTo;
        }),
      );
    }
    return this.#durable();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new Error('the sink ends'));
    await Promise.all(this.#lanes.map((lane) => lane.end()));
    await Promise.all(this.#lanes.map(({ session }) => session[Symbol.asyncDispose]()));
  }

  /** A failure of the server's with its code, so that one that may pass is tried again. */
  #told<T>(work: Promise<T>): Promise<T> {
    return work.catch((error: unknown) => {
      throw fromPg(error, { connection: this.#input.name }, this.#input.context.debugValues);
    });
  }

  get #first(): Lane {
    return this.#lanes[0] as Lane;
  }

  #lane(index: number): Lane {
    return (this.#lanes[index] ??= new Lane(
      new SessionStream({
        ...this.#input,
        name: laneName(this.#input.name, index),
        onConstraint: (client) => this.#refuseOutgrown(client),
      }),
    ));
  }

  /** A constraint refused a row: was it made by somebody who does not know of lanes? Then they are to be divided again. */
  async #refuseOutgrown(client: ApplySession['client']): Promise<void> {
    const { name, by } = this.#input;
    const apart = by !== 'group' && !this.#enforced;
    const why = this.#mode.kind === 'divided' ? await outgrown(client, this.#mode.lanes.layout, { by, apart }) : null;
    if (why !== null) throw applyError('PGS3178', `${why}: lanes are made again`, { where: { connection: name } });
  }

  /** Where rows of one transaction are committed apart, a foreign key that acts would refuse them. */
  async #refuseActing(client: ApplySession['client'], layout: Layout): Promise<void> {
    const { by, name } = this.#input;
    if (by === 'group' || !this.#enforced) return;
    const key = await this.#told(actingKey(client, layout));
    if (key === null) return;
    const message = `foreign key ${key} acts on rows that lanes by ${by} commit apart`;
    throw applyError('PGS3177', message, { where: { connection: name } });
  }

  async #begin(old: Layout, positions: readonly bigint[]): Promise<CommitLsn | null> {
    const least = positions.reduce((a, b) => (a < b ? a : b));
    const at = least === 0n ? null : (least as CommitLsn);
    for (const lane of this.#lanes) lane.durable = at;
    if (positions.every((position) => position === least)) await this.#arrange(at);
    else {
      this.#mode = { kind: 'level', lanes: new Lanes(old), positions };
      this.#first.session.together = this.#names(old.lanes);
    }
    return at;
  }

  #names(count: number): readonly string[] {
    return this.#lanes.slice(1, count).map((_, i) => laneName(this.#input.name, i + 1));
  }

  /** All lanes stand at `position`: which of them does what is decided again. */
  async #arrange(position: CommitLsn | null): Promise<void> {
    const { client } = this.#first.session.session;
    if (this.#mode.kind === 'divided') {
      const { layout, misfits } = this.#mode.lanes;
      for (const name of misfits) (layout.keys[name] === undefined ? this.#later : this.#whole).add(name);
    }
    const { lanes, by } = this.#input;
    const layout = await this.#told(planLayout(client, { lanes, by, whole: this.#whole, later: this.#later }));
    await this.#refuseActing(client, layout);
    await this.#told(store(client, this.#input, { layout, position }));
    for (const { session } of this.#lanes.splice(layout.lanes)) await session[Symbol.asyncDispose]();
    await this.#together(position, true);
    this.#first.session.together = [];
    this.#mode = layout.lanes === 1 ? { kind: 'one' } : { kind: 'divided', lanes: new Lanes(layout) };
    this.#input.context.log.log('info', 'lanes', `changes are applied by ${layout.lanes} lanes`, {
      lanes: layout.lanes,
      at: position === null ? null : formatLsn(position),
    });
  }

  /** What one commit of the first lane did for all. */
  async #together(position: CommitLsn | null, altered: boolean): Promise<void> {
    for (const lane of this.#lanes) {
      lane.durable = position;
      await this.#told(lane.session.standsAt(position, altered && lane !== this.#first));
    }
  }

  #isAlone(
    lanes: Lanes,
    batch: StreamBatch,
    tx: { readonly at: bigint; readonly changes: StreamBatch['changes'] },
  ): boolean {
    const continued = this.#open !== null && (batch.changes.length === 0 || tx.at === this.#openAt);
    if (continued && this.#open === 'alone') return true;
    const concernsAll = this.#undivided.has(tx.at) || tx.changes.some((change) => lanes.of(change) === everyLane);
    if (continued && concernsAll) {
      this.#undivided.add(tx.at);
      const message = `the transaction at ${formatLsn(tx.at)} concerns several lanes; it is applied again by one`;
      throw applyError('PGS3176', message, { where: { connection: this.#input.name, lsn: formatLsn(tx.at) } });
    }
    // A row may move between lanes in a later piece, when its rows are written already.
    const goesOn = batch.boundary === null && tx.at === batch.changes.at(-1)?.tx.finalLsn;
    return concernsAll || (!continued && goesOn && this.#input.by === 'key');
  }

  /** The transaction in hand ended, as another one begins: that had no changes left. */
  async #endOpen(batch: StreamBatch, signal: AbortSignal): Promise<void> {
    const next = batch.changes[0]?.tx.finalLsn;
    if (this.#open === null || next === undefined || next === this.#openAt) return;
    const boundary = next as bigint as CommitLsn;
    const end = { ...batch, changes: [], boundary, commitTime: null, transactions: 0, bytes: 0 };
    await (this.#open === 'alone' ? this.#alone(end, signal) : this.#divided(end, signal));
  }

  #goesOn(batch: StreamBatch, how: 'alone' | 'divided'): void {
    this.#open = batch.boundary === null ? how : null;
    this.#openAt = batch.changes.at(-1)?.tx.finalLsn ?? this.#openAt;
  }

  /** By the first lane while the others rest, with all positions in its commit. */
  async #alone(batch: StreamBatch, signal: AbortSignal): Promise<void> {
    await this.#rest();
    const mode = this.#mode;
    const { session } = this.#first;
    if (mode.kind === 'divided') session.together = this.#names(mode.lanes.layout.lanes);
    await session.write(batch, signal);
    if (batch.changes.some((change) => change.kind === 'message' && change.schema !== undefined)) this.#altered = true;
    this.#goesOn(batch, 'alone');
    if (batch.boundary === null) return;
    await session.flush(signal);
    if (this.#openAt !== null) this.#undivided.delete(this.#openAt);
    if (mode.kind !== 'divided') {
      // Those that are ahead have it, too.
      for (const lane of this.#lanes) lane.durable = batch.boundary;
      return;
    }
    session.together = [];
    if (this.#altered || mode.lanes.misfits.size > 0) await this.#arrange(batch.boundary);
    else await this.#together(batch.boundary, false);
    this.#altered = false;
  }
  async #divided(batch: StreamBatch, signal: AbortSignal): Promise<void> {
    if (this.#mode.kind !== 'divided') return;
    const parts = divide(batch.changes, this.#mode.lanes);
    const total = batch.changes.length;
    for (const [i, changes] of parts.entries()) {
      if (changes.length === 0 && batch.boundary === null) continue;
      const bytes = total === 0 ? 0 : Math.ceil((batch.bytes * changes.length) / total);
      this.#lanes[i]!.offer({ ...batch, changes, bytes }, this.#signal);
    }
    this.#goesOn(batch, 'divided');
    while (this.#lanes.reduce((sum, { bytes }) => sum + bytes, 0) > room) {
      this.#throwFailure();
      const busy = this.#busy.map((lane) => lane.progress());
      await raceAbort(busy, [signal]);
      signal.throwIfAborted();
    }
    this.#throwFailure();
  }

  /** Resolves when every lane has committed what it was given. */
  async #rest(): Promise<void> {
    for (let busy = this.#busy; busy.length > 0; busy = this.#busy) {
      // One may wait for a lock for long: the failure of another is told meanwhile.
      this.#throwFailure();
      await Promise.race(busy.map((lane) => lane.progress()));
    }
    this.#throwFailure();
  }

  get #busy(): readonly Lane[] {
    return this.#lanes.filter((lane) => lane.busy);
  }

  #throwFailure(): void {
    for (const { failure } of this.#lanes) if (failure !== null) throw failure;
  }

  #durable(): CommitLsn | null {
    let least: CommitLsn | null | undefined;
    for (const { durable } of this.#lanes) {
      if (durable === null) return null;
      if (least === undefined || least === null || durable < least) least = durable;
    }
    return least ?? null;
  }

  #receipt(): Receipt {
    const upTo = this.#durable();
    return upTo === null ? { status: 'accepted' } : { status: 'durable', upTo };
  }
}
