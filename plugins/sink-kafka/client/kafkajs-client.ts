import kafkajs, {
  type KafkaConfig,
  type Producer as KafkajsProducer,
  type RecordMetadata,
  type Transaction,
} from 'kafkajs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../../core/base/logger.ts';
import { kafkaError } from '../errors.ts';
import { kafkajsCompression } from './compression.ts';
import { oauthBearer } from './kafkajs-oauth.ts';
import { withoutNegativeTimers } from './kafkajs-timers.ts';
import { asKafkaError, patiently } from './failure.ts';
import {
  type KafkaClient,
  type KafkaRecord,
  type Packer,
  partitionsOf,
  type Producer,
  type ProducerOptions,
} from './producer.ts';
import { RecordPacker } from './record-packer.ts';
import type { Security } from './security.ts';

export interface ClusterOptions {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly security: Security;
  /** Milliseconds. */
  readonly requestTimeout: number;
  readonly connectTimeout: number;
  readonly log: Logger;
}

export function kafkajsCluster(options: ClusterOptions): kafkajs.Kafka {
  withoutNegativeTimers();
  const { sasl, tls, token } = options.security;
  const config: KafkaConfig = {
    clientId: options.clientId,
    brokers: [...options.brokers],
    connectionTimeout: options.connectTimeout,
    authenticationTimeout: options.connectTimeout,
    requestTimeout: options.requestTimeout,
    // For coordinators and metadata; producers do not retry.
    retry: { retries: 6, initialRetryTime: 100, maxRetryTime: 2000 },
    ...(tls === null ? {} : { ssl: tls }),
    ...(sasl === null ? {} : { sasl: saslOf(sasl, token) }),
    logLevel: kafkajs.logLevel.WARN,
    logCreator: () => (entry) => options.log.log('debug', 'kafkajs', entry.log.message),
  };
  return new kafkajs.Kafka(config);
}

function saslOf(sasl: NonNullable<Security['sasl']>, token: () => Promise<string>): NonNullable<KafkaConfig['sasl']> {
  if (sasl.mechanism === 'oauthbearer') return oauthBearer(token);
  const credentials = { username: sasl.username ?? '', password: sasl.password ?? '' };
  return { mechanism: sasl.mechanism, ...credentials } as NonNullable<KafkaConfig['sasl']>;
}

export function kafkajsClient(options: ClusterOptions): KafkaClient {
  return { name: 'kafkajs', producer: (more) => new KafkajsSender(kafkajsCluster(options), more) };
}

class KafkajsSender implements Producer {
  readonly #producer: KafkajsProducer;
  readonly #transactional: boolean;
  readonly #compression: number;
  #transaction: Transaction | null = null;

  constructor(kafka: kafkajs.Kafka, options: ProducerOptions) {
    this.#transactional = options.transactionalId !== null;
    this.#compression = kafkajsCompression(options.compression);
    this.#producer = kafka.producer({
      idempotent: true,
      // No retries of sends: kafkajs's forget records whose leader moved, and send others twice (docs/kafka.md). It refuses
      // 0 here; no count of retries is below NaN.
      retry: { retries: Number.NaN, initialRetryTime: 50 },
      allowAutoTopicCreation: false,
      maxInFlightRequests: 1,
      transactionTimeout: options.transactionTimeout,
      createPartitioner: () => (args) => args.message.partition as number,
      ...(options.transactionalId === null ? {} : { transactionalId: options.transactionalId }),
    });
  }

  async connect(): Promise<void> {
    try {
      await this.#producer.connect();
      // kafkajs asks for the transactional producer id only here; no transaction is open at the broker yet.
      if (this.#transactional) this.#transaction = await patiently(() => this.#producer.transaction());
    } catch (error) {
      throw asKafkaError(error, 'cannot connect to Kafka');
    }
  }

  async send(records: readonly KafkaRecord[]): Promise<void> {
    if (records.length === 0) return;
    const wanted = partitionsOf(records);
    let acks: RecordMetadata[];
    try {
      acks = await this.#write(records);
    } catch (error) {
      throw asKafkaError(error, 'cannot write to Kafka');
    }
    for (const ack of acks) {
      if (ack.errorCode !== 0) throw kafkaError('PGS5011', `${ack.topicName}: error ${ack.errorCode}`);
      wanted.delete(`${ack.topicName} ${ack.partition}`);
    }
    if (wanted.size > 0) throw kafkaError('PGS5012', `no acknowledgement for ${[...wanted].slice(0, 3).join(', ')}`);
  }

  packer(batchBytes: number): Packer {
    return new RecordPacker(batchBytes, (records) => this.send(records));
  }

  #write(records: readonly KafkaRecord[]): Promise<RecordMetadata[]> {
    const topics = new Map<string, kafkajs.Message[]>();
    for (const { topic, partition, key, value, headers, timestamp } of records) {
      let messages = topics.get(topic);
      if (messages === undefined) {
        messages = [];
        topics.set(topic, messages);
      }
      messages.push({
        key,
        value,
        partition,
        ...(headers === null ? {} : { headers: { ...headers } }),
        ...(timestamp === undefined ? {} : { timestamp: String(timestamp) }),
      });
    }
    const topicMessages = [...topics].map(([topic, messages]) => ({ topic, messages }));
    const batch = { topicMessages, acks: -1, compression: this.#compression };
    if (!this.#transactional) return this.#producer.sendBatch(batch);
    if (this.#transaction === null) throw new Error('no transaction is open');
    return this.#transaction.sendBatch(batch);
  }

  async begin(first: KafkaRecord): Promise<void> {
    try {
      this.#transaction ??= await patiently(() => this.#producer.transaction());
      // One record to one partition: where the coordinator refuses, nothing was written, so asking again doubles nothing.
      await patiently(() => this.#write([first]));
    } catch (error) {
      throw asKafkaError(error, 'cannot open a Kafka transaction');
    }
  }

  async commit(): Promise<void> {
    const transaction = this.#transaction;
    if (transaction === null) throw new Error('no transaction is open');
    try {
      await transaction.commit();
      this.#transaction = null;
    } catch (error) {
      throw asKafkaError(error, 'cannot commit a Kafka transaction');
    }
  }

  async close(): Promise<void> {
    const ended = this.#producer.disconnect().catch(() => {});
    await Promise.race([ended, sleep(3000, undefined, { ref: false })]);
  }
}
