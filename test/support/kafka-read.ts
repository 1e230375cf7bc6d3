import { Admin, Consumer, FetchIsolationLevels, type RecordsBatch } from '@platformatic/kafka';
import { setTimeout as sleep } from 'node:timers/promises';
import { unique } from './kafka.ts';

export interface ReadRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** Attributes of a record batch (protocol guide: "Record Batch"). */
const transactional = 0x10;
const control = 0x20;
/** Milliseconds after which a transaction without a marker counts as open. */
const markersWithin = 5000;
/** In the key of a marker, after its version. */
const commit = 1;

/**
 * Everything that a reader with isolation.level=read_committed sees in the topics now, by topic, partition and offset. Reads
 * by offset, without a group, and decides by the markers in the log: what has a commit marker, or needs none, is seen.
 */
export async function readAll(
  addresses: readonly string[],
  topics: readonly string[],
  also: (topic: string) => boolean = () => false,
): Promise<ReadRecord[]> {
  const base = { clientId: 'reader', bootstrapBrokers: [...addresses], retries: 3 };
  const admin = new Admin(base);
  const consumer = new Consumer({ ...base, groupId: unique('reader') });
  try {
    const listed = await admin.listTopics();
    const present = listed.filter((topic) => topics.includes(topic) || also(topic)).sort();
    const records: ReadRecord[] = [];
    for (const topic of present) records.push(...(await readTopic(consumer, topic)));
    return records;
  } finally {
    await Promise.all([admin.close(), consumer.close(true)]);
  }
}

async function readTopic(consumer: Consumer, topic: string): Promise<ReadRecord[]> {
  consumer.topics.track(topic);
  const metadata = await consumer.metadata({ topics: [topic], forceUpdate: true });
  const { id, partitions } = metadata.topics.get(topic)!;
  const bounds = async (timestamp: bigint) =>
    (
      await consumer.listOffsets({
        topics: [topic],
        timestamp,
        isolationLevel: FetchIsolationLevels.READ_UNCOMMITTED,
      })
    ).get(topic)!;
  const [starts, ends] = [await bounds(-2n), await bounds(-1n)];
  const records: ReadRecord[] = [];
  for (let partition = 0; partition < ends.length; partition++) {
    const open = new Map<bigint, ReadRecord[]>();
    const seen: ReadRecord[] = [];
    let end = ends[partition]!;
    // The broker answers that a transaction is committed before its markers are in every partition.
    const patience = Date.now() + markersWithin;
    for (let at = starts[partition]!; at < end || open.size > 0; ) {
      if (at >= end) {
        if (Date.now() > patience) break;
        await sleep(50);
        end = (await bounds(-1n))[partition]!;
        continue;
      }
      for (const batch of await fetchAt(consumer, {
        node: partitions[partition]!.leader,
        topicId: id,
        partition,
        at,
      })) {
        at = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n;
        take(batch, { topic, partition, open, seen });
      }
    }
    records.push(...seen.sort((a, b) => Number(a.offset - b.offset)));
  }
  return records;
}

interface Place {
  readonly topic: string;
  readonly partition: number;
  /** Records of transactions that are not decided yet, by producer. */
  readonly open: Map<bigint, ReadRecord[]>;
  readonly seen: ReadRecord[];
}

function take(batch: RecordsBatch, { topic, partition, open, seen }: Place): void {
  if ((batch.attributes & control) !== 0) {
    if (batch.records[0]?.key?.readInt16BE(2) === commit) seen.push(...(open.get(batch.producerId) ?? []));
    open.delete(batch.producerId);
    return;
  }
  let to = seen;
  if ((batch.attributes & transactional) !== 0) {
    to = open.get(batch.producerId) ?? [];
    open.set(batch.producerId, to);
  }
  for (const record of batch.records) to.push(recordOf(record, { topic, partition, first: batch.firstOffset }));
}

function recordOf(
  record: RecordsBatch['records'][number],
  at: { readonly topic: string; readonly partition: number; readonly first: bigint },
): ReadRecord {
  return {
    topic: at.topic,
    partition: at.partition,
    offset: at.first + BigInt(record.offsetDelta),
    key: record.key?.toString() ?? null,
    value: record.value?.toString() ?? null,
    headers: Object.fromEntries(record.headers.map(([name, value]) => [String(name), String(value)])) as Record<
      string,
      string
    >,
  };
}

async function fetchAt(
  consumer: Consumer,
  from: { readonly node: number; readonly topicId: string; readonly partition: number; readonly at: bigint },
): Promise<readonly RecordsBatch[]> {
  const { responses } = await consumer.fetch({
    node: from.node,
    isolationLevel: FetchIsolationLevels.READ_UNCOMMITTED,
    minBytes: 1,
    maxBytes: 32 << 20,
    maxWaitTime: 500,
    topics: [
      {
        topicId: from.topicId,
        partitions: [
          {
            partition: from.partition,
            fetchOffset: from.at,
            partitionMaxBytes: 16 << 20,
            currentLeaderEpoch: -1,
            lastFetchedEpoch: -1,
          },
        ],
      },
    ],
  });
  return responses[0]?.partitions[0]?.records ?? [];
}
