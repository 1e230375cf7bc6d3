import type { TransactionInfo } from '../../../core/api/change.ts';
import type { LogStep } from '../../../core/api/logs.ts';
import type { ChangeStream, StreamItem, StreamStart } from '../../../core/api/source.ts';
import { kafkaError } from '../errors.ts';
import { Claims } from './claims.ts';
import type { GroupPart, Membership } from './membership.ts';
import type { LogRecord, Partition, Partitions, Piece } from './partitions.ts';
import { boundOf, item, lookEvery, pause, type Records } from './stream.ts';

export interface GroupFollowing {
  readonly partitions: Partitions;
  readonly part: GroupPart;
  readonly records: Records;
  readonly start: StreamStart;
  /** Where each partition ends, if `start.until` is said. */
  readonly bounds: readonly Partition[] | null;
  /** Where positions of this process go on: they count what it has read since it began. */
  readonly counter: { at: bigint };
  readonly signal: AbortSignal;
}

/** The partitions that the group gives to this process, as one stream. Joins the group. */
export async function groupStream(given: GroupFollowing): Promise<ChangeStream> {
  const { part, partitions, start, counter, bounds } = given;
  if (start.claim === undefined) throw new Error('a shared source without a sink that claims');
  if (start.until !== null && bounds === null) {
    throw kafkaError('PGS2211', 'positions of a group are of one process: --stop-at now is the only end');
  }
  const end = new AbortController();
  const membership = await part.take();
  const of = { ...given, membership };
  const read = new Read(membership);
  if (counter.at < start.from) counter.at = start.from;
  try {
    await membership.join(topicsOf(await partitions.discover()));
  } catch (error) {
    await part.leave();
    throw error;
  }
  const claims = new Claims(start.claim, of.records.whole);
  const items = follow({ ...of, signal: AbortSignal.any([of.signal, end.signal]) }, claims, read);
  return {
    [Symbol.asyncIterator]: () => items,
    confirm: (upTo) => read.durable(upTo),
    flushConfirmed: () => read.commit(),
    [Symbol.asyncDispose]: async () => {
      end.abort();
      part.rest();
    },
  };
}

type Member = GroupFollowing & { readonly membership: Membership };

async function* follow(of: Member, claims: Claims, read: Read): AsyncGenerator<StreamItem> {
  const { partitions, membership, bounds, signal } = of;
  let lookAt = Date.now() + lookEvery;
  for (;;) {
    signal.throwIfAborted();
    const late = Date.now() >= lookAt;
    const behind = claims.behind(membership.assigned());
    if (late || behind) {
      if (late) await membership.join(topicsOf(await partitions.discover()));
      await claims.take(membership.assigned(), () => partitions.discover(), signal);
      lookAt = Date.now() + lookEvery;
    }
    const rest = claims.held.filter(({ of: partition, at }) => at < boundOf(partition, bounds));
    if (bounds !== null && rest.length === 0 && !claims.behind(membership.assigned())) return;
    const pieces = rest.length === 0 ? await pause(signal) : await partitions.read(rest);
    const cuts = pieces.map((piece) => cut(piece, boundOf(piece.of, bounds), of.records));
    const whole = wholeBatch(of, claims, { read, pieces: cuts.flatMap((piece) => (piece.open ? [] : [piece])) });
    if (whole !== null) yield whole;
    for (const piece of cuts) if (piece.open) yield* largeTransaction(of, claims, { read, piece });
  }
}

type Cut = Piece & { readonly open: boolean };

/**
 * Whole transactions up to the bound; what has begun behind them is read again with its end. `open`: there is nothing but the beginning of
 * one, which is larger than what is read at once.
 */
function cut({ of, records, next }: Piece, bound: bigint, { goesOn }: Records): Cut {
  const end = next < bound ? next : bound;
  const some = records.filter(({ offset }) => offset < end);
  const last = some.findLastIndex((record) => !goesOn(record));
  if (last === some.length - 1) return { of, next: end, records: some, open: false };
  if (last === -1) return { of, next: end, records: some, open: true };
  return { of, next: (some[last] as LogRecord).offset + 1n, records: some.slice(0, last + 1), open: false };
}

interface Handing {
  readonly read: Read;
  readonly pieces: readonly Piece[];
}

/** Null: there is nothing new. */
function wholeBatch(
  { counter, records }: GroupFollowing,
  claims: Claims,
  { read, pieces }: Handing,
): StreamItem | null {
  const logs: LogStep[] = [];
  const taken: Piece[] = [];
  const before = counter.at;
  for (const piece of pieces) {
    const step = claims.advance(piece.of, piece.next);
    if (step === null || step.next <= step.from) continue;
    logs.push(step);
    taken.push(piece);
    counter.at += step.next - step.from;
  }
  if (logs.length === 0) return null;
  read.handed(counter.at, taken);
  return { kind: 'batch', batch: { ...item(taken, { before, boundary: counter.at, records }), logs } };
}

/** In pieces, of which only the last says how far the partition is read; nothing else is read meanwhile. */
async function* largeTransaction(
  of: Member,
  claims: Claims,
  { read, piece }: { readonly read: Read; readonly piece: Cut },
): AsyncGenerator<StreamItem> {
  const { counter, records, partitions, membership, bounds, signal } = of;
  const before = counter.at;
  let tx: TransactionInfo | null = null;
  for (let part = piece; ; ) {
    signal.throwIfAborted();
    claims.behind(membership.assigned());
    const held = claims.within(part.of, part.next);
    const size = part.next - held.from;
    const batch = item([part], { before, boundary: before + size, records, ...(tx && { tx }) });
    tx = batch.changes[0]?.tx ?? tx;
    if (!part.open) {
      counter.at = before + size;
      const step = claims.advance(part.of, part.next) as LogStep;
      read.handed(counter.at, [part]);
      yield { kind: 'batch', batch: { ...batch, logs: [step] } };
      return;
    }
    if (part.records.length > 0) {
      yield { kind: 'batch', batch: { ...batch, boundary: null, commitTime: null, transactions: 0, logs: [] } };
    }
    const [next] = await partitions.read([held]);
    if (next !== undefined) part = cut(next, boundOf(next.of, bounds), records);
  }
}

const topicsOf = (found: readonly Partition[]) => [...new Set(found.map(({ topic }) => topic))];

/** Milliseconds between commits of offsets to the group. */
const commitEvery = 5000;

/** What the sink has durably, told to the group now and then: tools show lag by it. */
class Read {
  readonly #membership: Membership;
  #handed: { readonly at: bigint; readonly pieces: readonly Piece[] }[] = [];
  readonly #durable = new Map<string, { topic: string; partition: number; offset: bigint }>();
  #committed = Date.now();

  constructor(membership: Membership) {
    this.#membership = membership;
  }

  handed(at: bigint, pieces: readonly Piece[]): void {
    this.#handed.push({ at, pieces: pieces.map(({ of, next }) => ({ of, next, records: [] })) });
  }

  durable(upTo: bigint): void {
    while (this.#handed[0] !== undefined && this.#handed[0].at <= upTo) {
      for (const { of, next } of this.#handed.shift()!.pieces) {
        const { topic, partition } = of;
        this.#durable.set(`${topic}-${partition}`, { topic, partition, offset: next });
      }
    }
    if (Date.now() - this.#committed >= commitEvery) void this.commit();
  }

  async commit(): Promise<void> {
    this.#committed = Date.now();
    const offsets = [...this.#durable.values()];
    this.#durable.clear();
    await this.#membership.commit(offsets);
  }
}
