import { createTopicsV7, endTxnV3, fetchV12 } from '@platformatic/kafka';
import { asKafkaError } from '../client/failure.ts';
import type { ClusterOptions } from '../client/kafkajs-client.ts';
import type { TopicSpec } from '../client/producer.ts';
import { Cluster } from './cluster.ts';
import { produce } from './produce.ts';

/** What the broker says to a topic that shall be made. */
export interface Refusal {
  readonly topic: string;
  /** Number of the protocol's error. */
  readonly code: number;
  readonly message: string | null;
}

/** Tries what the user may do, by requests that cannot change anything. */
export interface Access {
  /** Of these topics, there or not, those that the user may not write to. */
  cannotWrite(topics: readonly string[]): Promise<readonly string[]>;
  /** The same of reading. */
  cannotRead(topics: readonly string[]): Promise<readonly string[]>;
  /** Of topics that are not visible, those that the broker would not make. */
  cannotCreate(specs: readonly TopicSpec[]): Promise<readonly Refusal[]>;
  mayWriteAs(transactionalId: string): Promise<boolean>;
  close(): Promise<void>;
}

/** Error codes of the protocol. */
export const errors = { topicAuthorization: 29, topicExists: 36, transactionalIdAuthorization: 53 } as const;
/** No producer has it. */
const noProducer = 0x7fff_ffff_ffff_ffffn;

export function accessOf(options: ClusterOptions): Access {
  const cluster = new Cluster(options);
  const timeout = options.requestTimeout;

  async function ask<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await cluster.ask(question());
    } catch (error) {
      throw asKafkaError(error, 'cannot try the access to Kafka');
    }
  }

  return {
    // The broker looks at the rights first, and then refuses a partition's part that holds no batch.
    async cannotWrite(topics) {
      if (topics.length === 0) return [];
      const bytes = Buffer.alloc(0);
      const batches = topics.map((topic) => ({ topic, partition: 0, bytes }));
      const answers = await ask(async () => produce(await cluster.any(), batches, { transactionalId: null, timeout }));
      const refused = answers.filter(({ errorCode }) => errorCode === errors.topicAuthorization);
      return refused.map(({ topic }) => topic);
    },
    // Of topics by name, as the last version has them that does; the rights come first here, too.
    async cannotRead(topics) {
      if (topics.length === 0) return [];
      const at = { partition: 0, currentLeaderEpoch: -1, fetchOffset: 0n, lastFetchedEpoch: -1, partitionMaxBytes: 1 };
      const asked = topics.map((topicId) => ({ topicId, partitions: [at] }));
      const answer = await ask(async () => {
        const connection = await cluster.any();
        return answered(fetchV12.api.async(connection, 0, 0, 1, 0, 0, -1, asked, [], ''));
      });
      return answer.responses
        .filter(({ partitions }) => partitions[0]?.errorCode === errors.topicAuthorization)
        .map(({ topicId }) => topicId);
    },
    async cannotCreate(specs) {
      if (specs.length === 0) return [];
      const topics = specs.map(({ name, partitions, replicationFactor, config }) => ({
        name,
        numPartitions: partitions ?? -1,
        replicationFactor: replicationFactor ?? -1,
        assignments: [],
        configs: Object.entries(config).map(([key, value]) => ({ name: key, value })),
      }));
      const answer = await ask(async () => {
        const connection = await cluster.any();
        return answered(createTopicsV7.api.async(connection, topics, timeout, true));
      });
      return answer.topics.flatMap(({ name, errorCode, errorMessage }) =>
        errorCode === 0 ? [] : [{ topic: name, code: errorCode, message: errorMessage ?? null }],
      );
    },
    // The rights come first again; a producer that is not the id's own cannot end its transaction.
    async mayWriteAs(transactionalId) {
      const { errorCode } = await ask(async () => {
        const connection = await cluster.any();
        return answered(endTxnV3.api.async(connection, transactionalId, noProducer, 0, false));
      });
      return errorCode !== errors.transactionalIdAuthorization;
    },
    close: () => cluster.close().catch(() => {}),
  };
}

/** The answer, also where it tells of errors, which the client throws. */
async function answered<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    const response = (error as { readonly response?: T }).response;
    if (response === undefined) throw error;
    return response;
  }
}
