import type { LogStep } from '../../../core/api/logs.ts';
import type { StreamStart } from '../../../core/api/source.ts';
import { kafkaError } from '../errors.ts';
import type { Assigned } from './membership.ts';
import type { Partition } from './partitions.ts';

export type Claim = NonNullable<StreamStart['claim']>;

/** A partition that this process reads, and where. */
export interface Held {
  readonly of: Partition;
  readonly claim: bigint;
  /** Up to where whole transactions were handed out. */
  from: bigint;
  /** Where it is read on: ahead of that within a large transaction. */
  at: bigint;
}

export const logName = ({ topic, partition }: Pick<Partition, 'topic' | 'partition'>): string =>
  `${topic}-${partition}`;

/** The partitions that the group gave to this process and that it claimed in the sink, which says where each is read on. */
export class Claims {
  readonly #claim: Claim;
  readonly #whole: boolean;
  readonly #held = new Map<string, Held>();

  /** `whole`: nothing may be missing where a partition is begun. */
  constructor(claim: Claim, whole: boolean) {
    this.#claim = claim;
    this.#whole = whole;
  }

  get held(): readonly Held[] {
    return [...this.#held.values()];
  }

  /** True: a partition was given that is not claimed yet. Those that the group took away are read no further. */
  behind(assigned: readonly Assigned[]): boolean {
    const names = new Set(
      assigned.flatMap(({ topic, partitions }) => partitions.map((partition) => logName({ topic, partition }))),
    );
    for (const name of this.#held.keys()) if (!names.has(name)) this.#held.delete(name);
    return names.size > this.#held.size;
  }

  /** `look`: at the partitions as they are now. One that is not among them yet is claimed the next time. */
  async take(
    assigned: readonly Assigned[],
    look: () => Promise<readonly Partition[]>,
    signal: AbortSignal,
  ): Promise<void> {
    const given = new Set(
      assigned.flatMap(({ topic, partitions }) => partitions.map((partition) => logName({ topic, partition }))),
    );
    const mine = (of: Partition) => given.has(logName(of)) && !this.#held.has(logName(of));
    const fresh = (await look()).filter(mine);
    if (fresh.length === 0) return;
    const claims = await this.#claim(new Map(fresh.map((of) => [logName(of), of.topicId])), signal);
    // Until the claim another process read on: where a partition ends is asked behind it.
    const now = (await look()).filter(mine);
    for (const partition of now) {
      const log = logName(partition);
      const taken = claims.get(log);
      if (taken === undefined) continue;
      const { claim, next, of: id } = taken;
      const { topic, topicId, start, end } = partition;
      if (id !== topicId) {
        throw kafkaError('PGS5046', `topic ${topic} was made again: what its records were is not known any more`);
      }
      if (next !== null && (next < start || next > end)) {
        throw kafkaError('PGS5046', `${log} was read up to offset ${next}, and has ${start} to ${end}`);
      }
      if (next === null && this.#whole && start > 0n) {
        throw kafkaError('PGS5046', `${log}: what was written up to offset ${start} is gone, and was never applied`);
      }
      this.#held.set(log, { of: partition, claim, from: next ?? start, at: next ?? start });
    }
  }

  /** Null: the partition was taken away while it was read. */
  advance(of: Partition, next: bigint): LogStep | null {
    const held = this.#held.get(logName(of));
    if (held === undefined) return null;
    const step = { log: logName(of), claim: held.claim, from: held.from, next };
    held.from = next;
    held.at = next;
    return step;
  }

  /** A transaction goes on behind this offset. Throws PGS2213 where the partition was taken away. */
  within(of: Partition, next: bigint): Held {
    const held = this.#held.get(logName(of));
    if (held === undefined) throw kafkaError('PGS2213', `${logName(of)} is read by another process`);
    held.at = next;
    return held;
  }
}
