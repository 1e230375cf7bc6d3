import { Admin, Consumer, FetchIsolationLevels, type RecordsBatch } from '@platformatic/kafka';
import { derived, type PgsluiceError } from '../../../core/base/error.ts';
import { asKafkaError, within } from '../client/failure.ts';
import type { ClusterOptions } from '../client/kafkajs-client.ts';
import { platformaticBase } from '../client/platformatic-base.ts';
import { kafkaError } from '../errors.ts';

/** Attributes of a record batch (protocol guide: "Record Batch"). */
const transactional = 0x10;
const control = 0x20;
const isolationLevel = FetchIsolationLevels.READ_COMMITTED;
/** Milliseconds that a broker waits for records. */
const patience = 500;

export interface Partition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly leader: number;
  /** Partitions of the topic. */
  readonly count: number;
  /** The first offset that is kept, and the one behind the last that a committed read sees. */
  readonly start: bigint;
  readonly end: bigint;
}

export interface LogRecord {
  readonly topic: string;
  readonly partition: number;
  /** Partitions of the topic. */
  readonly count: number;
  readonly offset: bigint;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: ReadonlyMap<string, string>;
}

export interface Piece {
  readonly of: Partition;
  readonly records: readonly LogRecord[];
  readonly next: bigint;
}

type Response = Awaited<ReturnType<Consumer['fetch']>>['responses'][number]['partitions'][number];

/** Reads all partitions of the topics that match, by offset; what is not committed is passed over. */
export class Partitions {
  readonly #patterns: readonly RegExp[];
  readonly #most: number;
  readonly #consumer: Consumer;
  readonly #admin: Admin;
  #reached = false;

  constructor(cluster: ClusterOptions, topics: readonly string[], group: string) {
    const base = { ...platformaticBase(cluster), retries: 1 };
    this.#patterns = topics.map((glob) => {
      const escaped = glob.replace(/[.+^${}()|[\]\\]/g, '\\$&');
      return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's');
    });
    this.#most = cluster.connectTimeout + cluster.requestTimeout;
    this.#consumer = new Consumer({ ...base, groupId: group });
    this.#admin = new Admin(base);
  }

  discover(): Promise<readonly Partition[]> {
    return this.#ask('cannot look at the topics', () => this.#discover());
  }

  /** As {@link discover}, but `end` is behind all that was written, also what is not committed yet. */
  written(): Promise<readonly Partition[]> {
    return this.#ask('cannot look at the topics', () => this.#discover(FetchIsolationLevels.READ_UNCOMMITTED));
  }

  async close(): Promise<void> {
    const both = Promise.all([this.#consumer.close(true), this.#admin.close()]);
    await within(both, 2000, 'close').catch(() => {});
  }

  /** What lies behind these offsets; waits half a second where there is nothing. */
  read(from: readonly { readonly of: Partition; readonly at: bigint }[]): Promise<readonly Piece[]> {
    return this.#ask('cannot read the topics', async () => {
      const leaders = Map.groupBy(from, ({ of }) => of.leader);
      const pieces = await Promise.all([...leaders].map(([node, asked]) => this.#fetch(node, asked)));
      return pieces.flat();
    });
  }

  async #ask<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      const answer = await within(work(), this.#most, doing);
      this.#reached = true;
      return answer;
    } catch (error) {
      const failure = asKafkaError(error, doing);
      throw this.#reached ? away(failure) : failure;
    }
  }

  async #discover(isolation: number = isolationLevel): Promise<readonly Partition[]> {
    const listed = await this.#admin.listTopics();
    const topics = listed.filter((topic) => this.#patterns.some((pattern) => pattern.test(topic))).toSorted();
    if (topics.length === 0) return [];
    this.#consumer.topics.trackAll(...topics);
    const metadata = await this.#consumer.metadata({ topics, forceUpdate: true });
    const bounds = (timestamp: bigint) => this.#consumer.listOffsets({ topics, timestamp, isolationLevel: isolation });
    const [starts, ends] = [await bounds(-2n), await bounds(-1n)];
    return topics.flatMap((topic) => {
      const info = metadata.topics.get(topic);
      const all = Object.entries(info?.partitions ?? {});
      return all.map(([number, { leader }]) => {
        const partition = Number(number);
        const of = { topic, topicId: info!.id, partition, leader, count: all.length };
        return { ...of, start: starts.get(topic)?.[partition] ?? 0n, end: ends.get(topic)?.[partition] ?? 0n };
      });
    });
  }

  async #fetch(
    node: number,
    asked: readonly { readonly of: Partition; readonly at: bigint }[],
  ): Promise<readonly Piece[]> {
    const topics = [...Map.groupBy(asked, ({ of }) => of.topicId)].map(([topicId, some]) => ({
      topicId,
      partitions: some.map(({ of, at }) => ({
        partition: of.partition,
        fetchOffset: at,
        partitionMaxBytes: 1 << 20,
        currentLeaderEpoch: -1,
        lastFetchedEpoch: -1,
      })),
    }));
    const wait = { minBytes: 1, maxBytes: 4 << 20, maxWaitTime: patience };
    const { responses } = await this.#consumer.fetch({ node, isolationLevel, ...wait, topics });
    return responses.flatMap(({ topicId, partitions }) =>
      partitions.flatMap((response) => {
        const found = asked.find(({ of }) => of.topicId === topicId && of.partition === response.partitionIndex);
        return found === undefined ? [] : [pieceOf(found.of, found.at, response)];
      }),
    );
  }
}

/** Brokers that were there and cannot be reached now come back. */
export function away(error: PgsluiceError): PgsluiceError {
  return error.code === 'PGS5001' ? derived(error, { retry: 'backoff' }) : error;
}

function pieceOf(of: Partition, from: bigint, response: Response): Piece {
  if (response.errorCode !== 0) {
    throw kafkaError('PGS5011', `${of.topic}-${of.partition}: error ${response.errorCode} of a fetch`);
  }
  const aborted = (response.abortedTransactions ?? []).toSorted((a, b) => Number(a.firstOffset - b.firstOffset));
  const open = new Set<bigint>();
  const records: LogRecord[] = [];
  let next = from;
  for (const batch of response.records ?? []) {
    const end = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n;
    while (aborted.length > 0 && aborted[0]!.firstOffset < end) open.add(aborted.shift()!.producerId);
    if ((batch.attributes & control) !== 0) open.delete(batch.producerId);
    else if ((batch.attributes & transactional) === 0 || !open.has(batch.producerId)) {
      records.push(...recordsOf(of, batch, from));
    }
    if (end > next) next = end;
  }
  return { of, records, next };
}

/** A batch begins where it was written, which may be before what was asked for. */
function recordsOf({ topic, partition, count }: Partition, batch: RecordsBatch, from: bigint): readonly LogRecord[] {
  return batch.records.flatMap(({ offsetDelta, key, value, headers }) => {
    const offset = batch.firstOffset + BigInt(offsetDelta);
    if (offset < from) return [];
    const named = new Map([...headers].map(([name, text]) => [String(name), String(text)]));
    return [{ topic, partition, count, offset, key: key ?? null, value: value ?? null, headers: named }];
  });
}
