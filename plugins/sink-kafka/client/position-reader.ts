import { Consumer, FetchIsolationLevels, type RecordsBatch } from '@platformatic/kafka';
import { kafkaError } from '../errors.ts';
import { asKafkaError, within } from './failure.ts';
import type { ClusterOptions } from './kafkajs-client.ts';
import { platformaticBase } from './platformatic-base.ts';

/** Records looked at in the first step back from the end; doubles until one of ours is found. */
const firstStep = 64n;
const isolationLevel = FetchIsolationLevels.READ_UNCOMMITTED;

/**
 * The value of the last committed record with this key in a topic of one partition, or null. To be called after a producer
 * with our transactional id has connected: then every transaction of ours is decided and its marker is in the log.
 *
 * Fetches by offset, without a consumer group (that would need an ACL of its own and seconds to form), and without the
 * client's own filter for aborted transactions, which forgets all but the last aborted one of a producer: markers decide here.
 */
export function lastValue(cluster: ClusterOptions, topic: string, key: string): Promise<string | null> {
  const most = cluster.connectTimeout + 2 * cluster.requestTimeout;
  return within(read(cluster, topic, key), most, `position topic ${topic}`).catch((error: unknown) => {
    throw asKafkaError(error, `cannot read the position topic ${topic}`);
  });
}

async function read(cluster: ClusterOptions, topic: string, key: string): Promise<string | null> {
  const consumer = new Consumer({
    ...platformaticBase(cluster),
    retries: 5,
    retryDelay: 200,
    groupId: `${topic}.reader`,
  });
  try {
    consumer.topics.track(topic);
    const metadata = await consumer.metadata({ topics: [topic] });
    const info = metadata.topics.get(topic);
    const leader = info?.partitions[0]?.leader;
    if (info === undefined || leader === undefined) return null;
    const bound = async (timestamp: bigint) =>
      (await consumer.listOffsets({ topics: [topic], timestamp, isolationLevel })).get(topic)?.[0] ?? 0n;
    const [start, end] = [await bound(-2n), await bound(-1n)];
    for (let step = firstStep; ; step *= 8n) {
      const from = end - step > start ? end - step : start;
      const found = await scan({ consumer, topicId: info.id, node: leader, end, key }, from);
      if (found !== null || from === start) return found;
    }
  } finally {
    consumer.close(true).catch(() => {});
  }
}

interface Scan {
  readonly consumer: Consumer;
  readonly topicId: string;
  readonly node: number;
  readonly end: bigint;
  readonly key: string;
}
/** Attributes of a record batch (protocol guide: "Record Batch"). */
const transactional = 0x10;
const control = 0x20;

/** Last committed value of the key in [from, end). */
async function scan(place: Scan, from: bigint): Promise<string | null> {
  let last: string | null = null;
  const open = new Map<bigint, string>();
  for (let at = from; at < place.end; ) {
    const batches = await fetchAt(place, at);
    for (const batch of batches) {
      at = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n;
      if ((batch.attributes & control) !== 0) {
        // Key of a marker: version int16, type int16; 1 is commit, 0 abort.
        if (batch.records[0]?.key?.readInt16BE(2) === 1) last = open.get(batch.producerId) ?? last;
        open.delete(batch.producerId);
      } else if ((batch.attributes & transactional) !== 0) {
        const ours = batch.records.findLast((record) => text(record.key) === place.key);
        if (ours !== undefined) open.set(batch.producerId, text(ours.value));
      }
    }
  }
  return last;
}

async function fetchAt({ consumer, node, topicId }: Scan, offset: bigint): Promise<readonly RecordsBatch[]> {
  for (let tries = 0; tries < 5; tries++) {
    const { responses } = await consumer.fetch({
      node,
      isolationLevel,
      minBytes: 1,
      maxBytes: 8 << 20,
      maxWaitTime: 1000,
      topics: [
        {
          topicId,
          partitions: [
            {
              partition: 0,
              fetchOffset: offset,
              partitionMaxBytes: 4 << 20,
              currentLeaderEpoch: -1,
              lastFetchedEpoch: -1,
            },
          ],
        },
      ],
    });
    const records = responses[0]?.partitions[0]?.records ?? [];
    if (records.length > 0) return records;
  }
  throw kafkaError('PGS5015', `the broker gave no records at offset ${offset}, below the end of the topic`);
}

function text(bytes: Buffer | null | undefined): string {
  return bytes === null || bytes === undefined ? '' : bytes.toString('utf8');
}
