import { kafkaError } from '../errors.ts';
import type { Partition } from './partitions.ts';

/** Where each partition is read on. A position of the stream is the sum of these offsets: it grows with each record of any of them. */
export class Offsets {
  /** By topic: its id, and the next offset by partition. */
  readonly #topics = new Map<string, { readonly id: string; readonly next: Map<number, bigint> }>();
  #sum = 0n;

  static parse(text: string | undefined): Offsets {
    const made = new Offsets();
    if (text === undefined) return made;
    const topics = JSON.parse(text) as Readonly<Record<string, { id: string; next: Readonly<Record<string, string>> }>>;
    for (const [topic, { id, next }] of Object.entries(topics)) {
      for (const [partition, offset] of Object.entries(next)) made.#set(topic, id, Number(partition), BigInt(offset));
    }
    return made;
  }

  /** Partitions that are new begin with their first record; of the others what lies behind the offset must still be there. */
  meet({ topic, topicId, partition, start, end }: Partition): void {
    const known = this.#topics.get(topic);
    if (known !== undefined && known.id !== topicId) {
      throw kafkaError('PGS5046', `topic ${topic} was made again: what its records were is not known any more`);
    }
    const at = known?.next.get(partition);
    if (at === undefined) return this.#set(topic, topicId, partition, start);
    if (at >= start && (at <= end || end === 0n)) return;
    throw kafkaError('PGS5046', `${topic}-${partition} was read up to offset ${at}, and has ${start} to ${end}`);
  }

  at({ topic, partition }: Pick<Partition, 'topic' | 'partition'>): bigint {
    return this.#topics.get(topic)?.next.get(partition) ?? 0n;
  }

  advance({ topic, topicId, partition }: Partition, next: bigint): void {
    this.#set(topic, topicId, partition, next);
  }

  get sum(): bigint {
    return this.#sum;
  }

  toString(): string {
    const topics = [...this.#topics].map(([topic, { id, next }]) => {
      const offsets = Object.fromEntries([...next].map(([partition, offset]) => [partition, String(offset)]));
      return [topic, { id, next: offsets }] as const;
    });
    return JSON.stringify(Object.fromEntries(topics));
  }

  #set(topic: string, id: string, partition: number, offset: bigint): void {
    let of = this.#topics.get(topic);
    if (of === undefined) this.#topics.set(topic, (of = { id, next: new Map() }));
    this.#sum += offset - (of.next.get(partition) ?? 0n);
    of.next.set(partition, offset);
  }
}
