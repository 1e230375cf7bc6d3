import kafkajs from 'kafkajs';
import { setTimeout as sleep } from 'node:timers/promises';
import { kafkaError } from '../errors.ts';
import { asKafkaError, failureOf, patiently } from './failure.ts';
import type { TopicAdmin, TopicInfo, TopicSpec } from './producer.ts';

/** The broker's default of message.max.bytes. */
const defaultMaxBytes = 1_048_588;

/** What brokers say of a topic that is being made. */
const settling = [
  'NOT_LEADER_FOR_PARTITION',
  'NOT_LEADER_OR_FOLLOWER',
  'LEADER_NOT_AVAILABLE',
  'UNKNOWN_TOPIC_OR_PARTITION',
];

/** Topics through kafkajs's admin client. */
export function topicAdmin(kafka: kafkajs.Kafka): TopicAdmin {
  const admin = kafka.admin({ retry: { retries: 3, initialRetryTime: 100 } });

  async function limits(names: readonly string[]): Promise<Map<string, number>> {
    const found = new Map<string, number>();
    try {
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: names.map((name) => ({
          type: kafkajs.ConfigResourceTypes.TOPIC,
          name,
          configNames: ['max.message.bytes'],
        })),
      });
      for (const { resourceName, configEntries } of resources) {
        found.set(resourceName, Number(configEntries[0]?.configValue ?? defaultMaxBytes));
      }
    } catch (error) {
      // Without DESCRIBE_CONFIGS the default holds; a larger record is then refused by the broker itself.
      if (!failureOf(error).protocol.some((name) => name.endsWith('AUTHORIZATION_FAILED'))) throw error;
    }
    return found;
  }

  /**
   * A leader that the metadata names may not know of it yet, so it is asked for something that only a leader answers. Where that
   * does not come, the first write tells why.
   */
  async function leads(topic: string): Promise<void> {
    await patiently(() => admin.fetchTopicOffsets(topic), settling).catch(() => {});
  }

  return {
    async connect() {
      try {
        await admin.connect();
      } catch (error) {
        throw asKafkaError(error, 'cannot connect to Kafka');
      }
    },
    async describe(names) {
      const infos = new Map<string, TopicInfo>();
      try {
        const listed = new Set(await admin.listTopics());
        const existing = names.filter((name) => listed.has(name));
        if (existing.length === 0) return infos;
        const maxBytes = await limits(existing);
        const { topics } = await admin.fetchTopicMetadata({ topics: existing });
        for (const { name, partitions } of topics) {
          infos.set(name, { name, partitions: partitions.length, maxBytes: maxBytes.get(name) ?? defaultMaxBytes });
        }
        return infos;
      } catch (error) {
        throw asKafkaError(error, 'cannot read the topics of Kafka');
      }
    },
    async create(specs) {
      if (specs.length === 0) return;
      try {
        // kafkajs's own way of waiting fails where a broker that is asked does not know of the topic yet.
        await admin.createTopics({ topics: specs.map(topicOf), waitForLeaders: false, timeout: 30_000 });
      } catch (error) {
        const failure = failureOf(error);
        const names = specs.map((spec) => spec.name).join(', ');
        if (failure.protocol.length > 0 && failure.protocol.every((name) => name === 'TOPIC_ALREADY_EXISTS')) return;
        const ours = asKafkaError(error, `cannot create ${names}`);
        if (ours.code !== 'PGS5011' || failure.protocol.length === 0) throw ours;
        throw kafkaError('PGS5006', ours.message, { cause: error });
      }
      for (let at = 0; at < specs.length; at += 20) {
        await Promise.all(specs.slice(at, at + 20).map(({ name }) => leads(name)));
      }
    },
    async brokers() {
      try {
        return (await admin.describeCluster()).brokers.length;
      } catch (error) {
        throw asKafkaError(error, 'cannot read the cluster of Kafka');
      }
    },
    async close() {
      await Promise.race([admin.disconnect().catch(() => {}), sleep(3000, undefined, { ref: false })]);
    },
  };
}

function topicOf(spec: TopicSpec): kafkajs.ITopicConfig {
  return {
    topic: spec.name,
    numPartitions: spec.partitions ?? -1,
    replicationFactor: spec.replicationFactor ?? -1,
    configEntries: Object.entries(spec.config).map(([name, value]) => ({ name, value })),
  };
}
