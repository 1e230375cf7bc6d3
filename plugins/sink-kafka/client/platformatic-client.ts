import {
  type ConnectionOptions,
  type MessageToProduce,
  ProduceAcks,
  Producer as PlatformaticProducer,
  type SASLMechanismValue,
} from '@platformatic/kafka';
import { setTimeout as sleep } from 'node:timers/promises';
import { kafkaError } from '../errors.ts';
import { requireCompression } from './compression.ts';
import { asKafkaError, patiently, within } from './failure.ts';
import type { ClusterOptions } from './kafkajs-client.ts';
import { type KafkaClient, type KafkaRecord, partitionsOf, type Producer, type ProducerOptions } from './producer.ts';

/** Options that every client of @platformatic/kafka shares here: no retries, no topics made by accident. */
export function platformaticBase(options: ClusterOptions): ConnectionOptions & {
  clientId: string;
  bootstrapBrokers: string[];
  retries: number;
  autocreateTopics: boolean;
} {
  const { sasl, tls, token } = options.security;
  const oauth = sasl?.mechanism === 'oauthbearer';
  return {
    clientId: options.clientId,
    bootstrapBrokers: [...options.brokers],
    retries: 0,
    autocreateTopics: false,
    connectTimeout: options.connectTimeout,
    requestTimeout: options.requestTimeout,
    ...(tls === null ? {} : { tls }),
    ...(sasl === null
      ? {}
      : {
          sasl: {
            mechanism: sasl.mechanism.toUpperCase() as SASLMechanismValue,
            ...(oauth ? { token } : { username: sasl.username ?? '', password: sasl.password ?? '' }),
          },
        }),
  };
}

export function platformaticClient(options: ClusterOptions): KafkaClient {
  return { name: 'platformatic', producer: (more) => new PlatformaticSender(options, more) };
}

type Transaction = Awaited<ReturnType<PlatformaticProducer['beginTransaction']>>;
/** InitProducerId of a producer that knows no id yet (KIP-360); the client's own default, id 0, is refused as fenced. */
const anew = { producerId: -1n, producerEpoch: -1 };
const noHeaders: ReadonlyMap<Buffer, Buffer> = new Map();
type Message = MessageToProduce<Buffer, Buffer, Buffer, Buffer>;

class PlatformaticSender implements Producer {
  readonly #producer: PlatformaticProducer;
  readonly #transactional: boolean;
  readonly #options: ProducerOptions;
  /** Milliseconds for one question, with a connection to be made first. */
  readonly #deadline: number;
  #transaction: Transaction | null = null;

  constructor(cluster: ClusterOptions, options: ProducerOptions) {
    requireCompression(options.compression);
    this.#options = options;
    this.#deadline = cluster.connectTimeout + cluster.requestTimeout;
    this.#transactional = options.transactionalId !== null;
    this.#producer = new PlatformaticProducer({
      ...platformaticBase(cluster),
      idempotent: true,
      acks: ProduceAcks.ALL,
      repeatOnStaleMetadata: false,
      // The client uses one number as the timeout of acks and of transactions.
      timeout: options.transactionalId === null ? cluster.requestTimeout : options.transactionTimeout,
      compression: options.compression,
      ...(options.transactionalId === null ? {} : { transactionalId: options.transactionalId }),
    });
  }

  async connect(): Promise<void> {
    try {
      if (this.#transactional)
        this.#transaction = await patiently(() => this.#ask(this.#producer.beginTransaction(anew)));
      else await this.#ask(this.#producer.initIdempotentProducer(anew));
    } catch (error) {
      throw asKafkaError(error, 'cannot connect to Kafka');
    }
  }

  async send(records: readonly KafkaRecord[]): Promise<void> {
    if (records.length === 0) return;
    const wanted = partitionsOf(records);
    try {
      const { offsets = [] } = await this.#ask(this.#write(records));
      for (const { topic, partition } of offsets) wanted.delete(`${topic} ${partition}`);
    } catch (error) {
      throw asKafkaError(error, 'cannot write to Kafka');
    }
    if (wanted.size > 0) throw kafkaError('PGS5012', `no acknowledgement for ${[...wanted].slice(0, 3).join(', ')}`);
  }

  #ask<T>(work: Promise<T>): Promise<T> {
    return within(work, this.#deadline, 'Kafka');
  }

  #write(records: readonly KafkaRecord[]) {
    const messages = records.map(messageOf);
    if (!this.#transactional) return this.#producer.send({ messages });
    if (this.#transaction === null) throw new Error('no transaction is open');
    return this.#transaction.send({ messages });
  }

  async begin(first: KafkaRecord): Promise<void> {
    try {
      this.#transaction ??= await this.#ask(this.#producer.beginTransaction(anew));
      await patiently(() => this.#ask(this.#write([first])));
    } catch (error) {
      throw asKafkaError(error, 'cannot open a Kafka transaction');
    }
  }

  async commit(): Promise<void> {
    if (this.#transaction === null) throw new Error('no transaction is open');
    try {
      await this.#ask(this.#transaction.commit());
      this.#transaction = null;
    } catch (error) {
      throw asKafkaError(error, `cannot commit a Kafka transaction of ${this.#options.transactionalId}`);
    }
  }

  async close(): Promise<void> {
    await Promise.race([this.#producer.close(true).catch(() => {}), sleep(3000, undefined, { ref: false })]);
  }
}

function messageOf({ topic, partition, key, value, headers }: KafkaRecord): Message {
  const bytes =
    headers === null
      ? noHeaders
      : new Map(Object.entries(headers).map(([name, text]) => [Buffer.from(name), Buffer.from(text)]));
  return { topic, partition, key, value, headers: bytes } as unknown as Message;
}
