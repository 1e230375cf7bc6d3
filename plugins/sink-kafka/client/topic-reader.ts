import { Consumer, FetchIsolationLevels, type RecordsBatch } from '@platformatic/kafka';
import { kafkaError } from '../errors.ts';
import { asKafkaError, within } from './failure.ts';
import type { ClusterOptions } from './kafkajs-client.ts';
import { platformaticBase } from './platformatic-base.ts';

/** Attribute of a batch of markers (protocol guide: "Record Batch"). */
const control = 0x20;
const isolationLevel = FetchIsolationLevels.READ_UNCOMMITTED;
/** Milliseconds that a broker waits for records. */
const patience = 1000;

interface TopicRecord {
  readonly offset: bigint;
  readonly key: string | null;
  readonly value: string | null;
}

interface Place {
  readonly id: string;
  readonly node: number;
  /** Offsets when it was found. */
  readonly start: bigint;
  readonly end: bigint;
}

/** Reads a topic of one partition by offset, without a consumer group, which would need rights of its own. */
export class TopicReader {
  readonly #topic: string;
  readonly #most: number;
  readonly #consumer: Consumer;
  #at: Place | null = null;

  constructor(cluster: ClusterOptions, topic: string) {
    this.#topic = topic;
    this.#most = cluster.connectTimeout + cluster.requestTimeout;
    this.#consumer = new Consumer({ ...platformaticBase(cluster), retries: 1, groupId: `${topic}.reader` });
    this.#consumer.topics.track(topic);
  }

  /** Records from this offset on, and the next one's; waits a second where there are none. Null: those that come from now on. */
  async read(from: bigint | null): Promise<{ readonly records: readonly TopicRecord[]; readonly next: bigint }> {
    try {
      return await within(this.#read(from), this.#most, `topic ${this.#topic}`);
    } catch (error) {
      throw asKafkaError(error, `cannot read the topic ${this.#topic}`);
    }
  }

  async close(): Promise<void> {
    await within(this.#consumer.close(true), 2000, 'close').catch(() => {});
  }

  async #read(from: bigint | null): Promise<{ readonly records: readonly TopicRecord[]; readonly next: bigint }> {
    const first = this.#at === null;
    const at = (this.#at ??= await this.#locate());
    if (from === null) return { records: [], next: at.end };
    // Records that are gone, and a topic that was made again.
    const offset = first && (from < at.start || from > at.end) ? at.start : from;
    const { responses } = await this.#consumer.fetch({
      node: at.node,
      isolationLevel,
      minBytes: 1,
      maxBytes: 1 << 20,
      maxWaitTime: patience,
      topics: [
        {
          topicId: at.id,
          partitions: [
            {
              partition: 0,
              fetchOffset: offset,
              partitionMaxBytes: 1 << 20,
              currentLeaderEpoch: -1,
              lastFetchedEpoch: -1,
            },
          ],
        },
      ],
    });
    const records: TopicRecord[] = [];
    let next = offset;
    for (const batch of responses[0]?.partitions[0]?.records ?? []) {
      next = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n;
      if ((batch.attributes & control) === 0) records.push(...recordsOf(batch, offset));
    }
    return { records, next };
  }

  async #locate(): Promise<Place> {
    const info = (await this.#consumer.metadata({ topics: [this.#topic] })).topics.get(this.#topic);
    const node = info?.partitions[0]?.leader;
    if (info === undefined || node === undefined) throw kafkaError('PGS5005', `no topic ${this.#topic}`);
    return { id: info.id, node, start: await this.#bound(-2n), end: await this.#bound(-1n) };
  }

  async #bound(timestamp: bigint): Promise<bigint> {
    const bounds = await this.#consumer.listOffsets({ topics: [this.#topic], timestamp, isolationLevel });
    return bounds.get(this.#topic)?.[0] ?? 0n;
  }
}

/** A batch begins where it was written, which may be before what was asked for. */
function recordsOf({ firstOffset, records }: RecordsBatch, from: bigint): readonly TopicRecord[] {
  return records.flatMap(({ offsetDelta, key, value }) => {
    const offset = firstOffset + BigInt(offsetDelta);
    const text = (bytes: Buffer | null | undefined) => bytes?.toString('utf8') ?? null;
    return offset < from ? [] : [{ offset, key: text(key), value: text(value) }];
  });
}
