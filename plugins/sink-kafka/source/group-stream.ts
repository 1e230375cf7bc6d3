import type { LogStep } from '../../../core/api/logs.ts';
import type { ChangeStream, StreamItem, StreamStart } from '../../../core/api/source.ts';
import { kafkaError } from '../errors.ts';
import { Claims } from './claims.ts';
import type { DebeziumEvents } from './debezium.ts';
import type { Membership } from './membership.ts';
import type { Partition, Partitions, Piece } from './partitions.ts';
import { boundOf, item, lookEvery, pause } from './stream.ts';

export interface GroupFollowing {
  readonly partitions: Partitions;
  readonly membership: Membership;
  readonly events: DebeziumEvents;
  readonly start: StreamStart;
  /** Where each partition ends, if `start.until` is said. */
  readonly bounds: readonly Partition[] | null;
  /** Where positions of this process go on: they count what it has read since it began. */
  readonly counter: { at: bigint };
  readonly signal: AbortSignal;
}

/** The partitions that the group gives to this process, as one stream. Joins the group. */
export async function groupStream(of: GroupFollowing): Promise<ChangeStream> {
  const { membership, partitions, start, counter } = of;
  if (start.claim === undefined) throw new Error('a shared source without a sink that claims');
  if (start.until !== null && of.bounds === null) {
    throw kafkaError('PGS2211', 'positions of a group are of one process: --stop-at now is the only end');
  }
  const end = new AbortController();
  const read = new Read(membership);
  if (counter.at < start.from) counter.at = start.from;
  try {
    await membership.join(topicsOf(await partitions.discover()));
  } catch (error) {
    await membership.leave();
    throw error;
  }
  const claims = new Claims(start.claim);
  const items = follow({ ...of, signal: AbortSignal.any([of.signal, end.signal]) }, claims, read);
  return {
    [Symbol.asyncIterator]: () => items,
    confirm: (upTo) => read.durable(upTo),
    flushConfirmed: () => read.commit(),
    [Symbol.asyncDispose]: async () => {
      end.abort();
      await membership.leave();
    },
  };
}

async function* follow(of: GroupFollowing, claims: Claims, read: Read): AsyncGenerator<StreamItem> {
  const { partitions, membership, counter, events, bounds, signal } = of;
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
    const steps: LogStep[] = [];
    const taken: Piece[] = [];
    const before = counter.at;
    for (const { of: partition, records, next } of pieces) {
      const bound = boundOf(partition, bounds);
      const step = claims.advance(partition, next < bound ? next : bound);
      if (step === null || step.next <= step.from) continue;
      steps.push(step);
      taken.push({ of: partition, next: step.next, records: records.filter(({ offset }) => offset < step.next) });
      counter.at += step.next - step.from;
    }
    if (steps.length === 0) continue;
    read.handed(counter.at, taken);
    const batch = item(taken, { before, boundary: counter.at, events });
    yield { kind: 'batch', batch: { ...batch, logs: steps } };
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
