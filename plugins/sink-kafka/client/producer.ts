import type { Headers } from '../records/events.ts';
import type { EncodedRecord } from '../records/row-records.ts';
import type { RecordCodec } from '../schemas/record-codec.ts';

/** A record as it goes out: topic and partition chosen, key and value serialized. */
export interface KafkaRecord {
  readonly topic: string;
  readonly partition: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Headers | null;
  /** Milliseconds since 1970; absent: when it is written. */
  readonly timestamp?: number;
}

/** What a packer hands over at once. To be sent once; resolves and rejects as {@link Producer.send}. */
export interface Shipment {
  readonly records: number;
  readonly bytes: number;
  send(): Promise<void>;
}

/** Collects records in the form in which a client sends them. */
export interface Packer {
  /** False: larger than the topic takes, and not added. */
  add(topic: Target, key: string | null, value: string | null, headers: Headers | null): boolean;
  /** The same; the record's bytes are copied. */
  addEncoded(topic: Target, record: EncodedRecord, headers: Headers | null): boolean;
  /** It is time to take what is there. */
  readonly full: boolean;
  /** Null: nothing was added. The packer is empty afterwards. */
  take(): Shipment | null;
}

/**
 * What the sink needs of a client. Always idempotent and acks=all, never more than one send under way, no retries inside:
 * a failure is a PgsluiceError, after which only `close` is allowed, and the runtime resumes from the last durable position.
 */
export interface Producer {
  /**
   * Connects and takes a producer id. With a transactional id: fences other instances and ends the transaction that a
   * killed one left open, both before it resolves.
   */
  connect(): Promise<void>;
  /** Resolves when the broker has acknowledged every record; PGS5012 when it has not said so for every partition. */
  send(records: readonly KafkaRecord[]): Promise<void>;
  /** `batchBytes`: largest record batch, in bytes before compression. */
  packer(batchBytes: number): Packer;
  /** Opens a transaction; `first` is its first record, sent alone (a coordinator that is still busy is asked again). */
  begin(first: KafkaRecord): Promise<void>;
  commit(): Promise<void>;
  /** Never rejects and never waits long. */
  close(): Promise<void>;
}

export interface ProducerOptions {
  /** Null: idempotent without transactions. */
  readonly transactionalId: string | null;
  /** Milliseconds after which the coordinator aborts an open transaction. */
  readonly transactionTimeout: number;
  readonly compression: Compression;
}
export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

export interface TopicSpec {
  readonly name: string;
  /** Null: what the broker has as default. */
  readonly partitions: number | null;
  readonly replicationFactor: number | null;
  readonly config: Readonly<Record<string, string>>;
}
export interface TopicInfo {
  readonly name: string;
  readonly partitions: number;
  /** max.message.bytes: largest record batch after compression, in bytes. */
  readonly maxBytes: number;
}

/** A topic, and the partition where that is chosen already; else it is that of the key. */
export interface Target extends TopicInfo {
  readonly partition?: number;
  /** How keys and values are serialized; absent: as JSON. */
  readonly codec?: RecordCodec;
}

/** Topics of the cluster. */
export interface TopicAdmin {
  connect(): Promise<void>;
  /** Those of the names that exist. */
  describe(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>>;
  /** Makes topics and waits for their leaders; one that exists already is left as it is. */
  create(specs: readonly TopicSpec[]): Promise<void>;
  brokers(): Promise<number>;
  close(): Promise<void>;
}

/** A way to talk to Kafka; made once per sink, connects only when asked. */
export interface KafkaClient {
  readonly name: 'kafkajs' | 'platformatic';
  producer(options: ProducerOptions): Producer;
}

/** Partitions of a send, each once, for the check of the acknowledgements. */
export function partitionsOf(records: readonly KafkaRecord[]): Set<string> {
  const partitions = new Set<string>();
  for (const record of records) partitions.add(`${record.topic} ${record.partition}`);
  return partitions;
}
