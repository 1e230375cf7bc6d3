import type { PluginContext } from '../../core/api/context.ts';
import { type ClusterOptions, kafkajsClient, kafkajsCluster } from './client/kafkajs-client.ts';
import { type Access, accessOf } from './wire/access.ts';
import { wireClient } from './wire/wire-producer.ts';
import { lastValue } from './client/position-reader.ts';
import type { Producer, TopicAdmin } from './client/producer.ts';
import { security } from './client/security.ts';
import { TopicReader } from './client/topic-reader.ts';
import { topicAdmin } from './client/topics.ts';
import type { KafkaOptions } from './options.ts';
import type { Settings } from './settings.ts';
import { logName } from './source/claims.ts';
import { Partitions } from './source/partitions.ts';

/** How the sink reaches Kafka; nothing connects before it is asked. */
export interface Connection {
  /** Idempotent, or with this transactional id. */
  producer(transactionalId: string | null): Producer;
  admin(): TopicAdmin;
  access(): Access;
  /** Last committed value of a key in a topic of one partition. */
  lastValue(topic: string, key: string): Promise<string | null>;
  /** Of one partition. */
  reader(topic: string): TopicReader;
  deleteTopic(name: string): Promise<void>;
  /** The partitions of a topic as a source of ours names them, with the id of the topic. */
  partitionIds(topic: string): Promise<ReadonlyMap<string, string>>;
}

export async function connection(
  options: KafkaOptions,
  settings: Settings,
  context: PluginContext,
): Promise<Connection> {
  const cluster: ClusterOptions = {
    brokers: options.brokers,
    clientId: `pgsluice.${context.pipeline}`,
    security: await security(options.ssl ?? false, options.sasl ?? null, context.directory),
    requestTimeout: options.request_timeout,
    connectTimeout: options.connect_timeout,
    log: context.log,
  };
  const client = options.client === 'kafkajs' ? kafkajsClient(cluster) : wireClient(cluster);
  const { compression, transactionTimeout } = settings;
  return {
    producer: (transactionalId) => client.producer({ transactionalId, compression, transactionTimeout }),
    admin: () => topicAdmin(kafkajsCluster(cluster)),
    access: () => accessOf(cluster),
    lastValue: (topic, key) => lastValue(cluster, topic, key),
    reader: (topic) => new TopicReader(cluster, topic),
    async partitionIds(topic) {
      const partitions = new Partitions(cluster, [topic], `pgsluice.${context.pipeline}`);
      try {
        return new Map((await partitions.discover()).map((of) => [logName(of), of.topicId]));
      } finally {
        await partitions.close();
      }
    },
    async deleteTopic(name) {
      const admin = kafkajsCluster(cluster).admin();
      try {
        await admin.connect();
        await admin.deleteTopics({ topics: [name] });
      } finally {
        await admin.disconnect().catch(() => {});
      }
    },
  };
}
