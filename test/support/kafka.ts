import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { withoutNegativeTimers } from '../../plugins/sink-kafka/client/kafkajs-timers.ts';
import { type BrokerSettings, LocalBroker } from '../../scripts/kafka/broker.ts';
import { kafkaVersions, missingTools } from '../../scripts/kafka/resolve.ts';

/**
 * Brokers for tests. KAFKA_BROKERS names one that is there; else a node is started, one per file. Where that cannot be, the
 * file says so and is left out, and fails under CI=true. To be called at the top of a file, before its tests.
 */
export async function kafkaAvailable(): Promise<boolean> {
  if (process.env['KAFKA_BROKERS'] !== undefined) return true;
  const why = await missingTools();
  if (why === null) {
    // Here, at the top of the file: a hook that is registered within a test runs at the end of that test.
    after(async () => (await shared?.catch(() => null))?.remove());
    return true;
  }
  const message = `KAFKA TESTS LEFT OUT: ${why}, and KAFKA_BROKERS is not set`;
  process.stderr.write(`\n*** ${message} ***\n\n`);
  if (process.env['CI'] === 'true') {
    test('a Kafka broker is available', () => {
      throw new Error(message);
    });
  }
  return false;
}

/** kafkajs's admin client for what tests set up. */
export function testAdmin(address: string): kafkajs.Admin {
  withoutNegativeTimers();
  return new kafkajs.Kafka({ brokers: [address], logLevel: kafkajs.logLevel.NOTHING }).admin();
}

let shared: Promise<LocalBroker> | null = null;

/** Addresses of the broker that tests of a file share. */
export async function brokers(): Promise<readonly string[]> {
  const named = process.env['KAFKA_BROKERS'];
  if (named !== undefined) return named.split(',');
  return [(await localBroker()).address];
}

/** The local node of this file, for its command-line tools. */
export function localBroker(): Promise<LocalBroker> {
  if (shared === null) {
    shared = LocalBroker.start(kafkaVersions.current);
  }
  return shared;
}

/** A node for tests that kill it. */
export async function ownBroker(
  version: string = kafkaVersions.current,
  more: BrokerSettings = {},
): Promise<LocalBroker> {
  const own = await LocalBroker.start(version, more);
  after(() => own.remove());
  return own;
}

/** A name that no other test uses. */
export function unique(prefix = 't'): string {
  return `${prefix}_${randomBytes(5).toString('hex')}`;
}

export interface ReadRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** Everything that a read_committed consumer (kafkajs) sees in the topics now, by topic, partition and offset. */
export async function readAll(addresses: readonly string[], topics: readonly string[]): Promise<ReadRecord[]> {
  withoutNegativeTimers();
  const kafka = new kafkajs.Kafka({ brokers: [...addresses], logLevel: kafkajs.logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  const listed = await admin.listTopics();
  const present = topics.filter((topic) => listed.includes(topic));
  const ends = new Map<string, bigint>();
  for (const topic of present) {
    for (const { partition, high, low } of await admin.fetchTopicOffsets(topic)) {
      if (high !== low) ends.set(`${topic} ${partition}`, BigInt(high));
    }
  }
  await admin.disconnect();
  const records: ReadRecord[] = [];
  if (ends.size === 0) return records;
  const consumer = kafka.consumer({ groupId: unique('reader'), readUncommitted: false });
  await consumer.connect();
  await consumer.subscribe({ topics: present, fromBeginning: true });
  let progress = Date.now();
  await consumer.run({
    eachBatchAutoResolve: true,
    eachBatch: async ({ batch }) => {
      progress = Date.now();
      for (const message of batch.messages) records.push(recordOf(batch.topic, batch.partition, message));
      if (BigInt(batch.lastOffset()) + 1n >= (ends.get(`${batch.topic} ${batch.partition}`) ?? 0n)) {
        ends.delete(`${batch.topic} ${batch.partition}`);
      }
    },
  });
  // A log that ends in markers hands out no last record: silence is the end, too.
  while (ends.size > 0 && Date.now() - progress < 2500) await sleep(20);
  await consumer.disconnect();
  return records.sort((a, b) =>
    a.topic !== b.topic ? (a.topic < b.topic ? -1 : 1) : a.partition - b.partition || Number(a.offset - b.offset),
  );
}

function recordOf(topic: string, partition: number, message: kafkajs.KafkaMessage): ReadRecord {
  const headers = Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]);
  return {
    topic,
    partition,
    offset: BigInt(message.offset),
    key: message.key?.toString() ?? null,
    value: message.value?.toString() ?? null,
    headers: Object.fromEntries(headers) as Record<string, string>,
  };
}
