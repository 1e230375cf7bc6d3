import {
  addPartitionsToTxnV3,
  type Connection,
  compressionsAlgorithms,
  crc32c,
  endTxnV3,
  initProducerIdV4,
  ProtocolError,
  protocolErrorsCodesById,
  Writer,
} from '@platformatic/kafka';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { requireCompression } from '../client/compression.ts';
import { asKafkaError, patiently } from '../client/failure.ts';
import type { ClusterOptions } from '../client/kafkajs-client.ts';
import type { Compression, KafkaClient, KafkaRecord, Packer, Producer, ProducerOptions } from '../client/producer.ts';
import { kafkaError } from '../errors.ts';
import { BatchPacker, type PartitionBatch } from './batch-packer.ts';
import { Cluster } from './cluster.ts';
import { type EncodedBatch, produce } from './produce.ts';
import { encodeHeaders, RecordBatch } from './record-batch.ts';

/** Our own producer over the connections of @platformatic/kafka. */
export function wireClient(options: ClusterOptions): KafkaClient {
  return { name: 'platformatic', producer: (more) => new WireProducer(options, more) };
}

interface Identity {
  readonly producerId: bigint;
  readonly producerEpoch: number;
}
/** InitProducerId of a producer that knows no id yet (KIP-360). */
const none = -1n;
const noEpoch = -1;
/** Codec numbers in a record batch's attributes. */
const codecs: Readonly<Record<Compression, number>> = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 };
const gzipped = promisify(gzip);

/**
 * An idempotent or transactional producer that does as little as it can: record batches are encoded where the records are
 * made, one request per broker is under way, and what fails is not tried again. Sequence numbers are this producer's own,
 * so it must not be used after an error: the broker may or may not have taken what was sent.
 */
class WireProducer implements Producer {
  readonly #cluster: Cluster;
  readonly #options: ProducerOptions;
  readonly #timeout: number;
  readonly #sequences = new Map<string, number>();
  #identity: Identity | null = null;
  #coordinator: { readonly host: string; readonly port: number } | null = null;
  /** Partitions of the open transaction. */
  #added = new Set<string>();

  constructor(cluster: ClusterOptions, options: ProducerOptions) {
    requireCompression(options.compression);
    this.#cluster = new Cluster(cluster);
    this.#options = options;
    this.#timeout = cluster.requestTimeout;
  }

  async connect(): Promise<void> {
    const { transactionalId, transactionTimeout } = this.#options;
    try {
      this.#identity = await patiently(async () => {
        let to: Connection;
        if (transactionalId === null) to = await this.#cluster.any();
        else {
          this.#coordinator = await this.#cluster.coordinator(transactionalId);
          to = await this.#cluster.connection(this.#coordinator);
        }
        const asked = initProducerIdV4.api.async(to, transactionalId, transactionTimeout, none, noEpoch);
        const { producerId, producerEpoch } = await this.#cluster.ask(asked);
        return { producerId, producerEpoch };
        // It has moved, or the broker has only just started: it is asked for again.
      }, ['NOT_COORDINATOR']);
    } catch (error) {
      throw asKafkaError(error, 'cannot connect to Kafka');
    }
  }

  packer(batchBytes: number): Packer {
    return new BatchPacker(batchBytes, async (requests) => {
      for (const request of requests) await this.#sendAll(request);
    });
  }

  async send(records: readonly KafkaRecord[]): Promise<void> {
    const batches = new Map<string, PartitionBatch>();
    for (const { topic, partition, key, value, headers } of records) {
      const slot = `${topic} ${partition}`;
      let to = batches.get(slot);
      if (to === undefined) {
        to = { topic, partition, batch: new RecordBatch(4096) };
        batches.set(slot, to);
      }
      to.batch.append(
        key ?? new Uint8Array(0),
        key?.length ?? -1,
        value?.toString('utf8') ?? null,
        encodeHeaders(headers),
      );
    }
    await this.#sendAll([...batches.values()]);
  }

  async #sendAll(batches: readonly PartitionBatch[]): Promise<void> {
    if (batches.length === 0) return;
    try {
      await this.#cluster.learn(batches.map(({ topic }) => topic));
      await this.#addPartitions(batches);
      const perLeader = new Map<number, EncodedBatch[]>();
      for (const one of batches) {
        const leader = this.#cluster.leader(one.topic, one.partition);
        const encoded = { topic: one.topic, partition: one.partition, bytes: await this.#seal(one) };
        const others = perLeader.get(leader);
        if (others === undefined) perLeader.set(leader, [encoded]);
        else others.push(encoded);
      }
      const sent = await Promise.allSettled([...perLeader].map(([leader, of]) => this.#sendTo(leader, of)));
      for (const result of sent) if (result.status === 'rejected') throw result.reason;
    } catch (error) {
      throw asKafkaError(error, 'cannot write to Kafka');
    }
  }

  async #sendTo(leader: number, batches: readonly EncodedBatch[]): Promise<void> {
    const connection = await this.#cluster.connection(this.#cluster.node(leader));
    const more = { transactionalId: this.#options.transactionalId, timeout: this.#timeout };
    const results = await this.#cluster.ask(produce(connection, batches, more));
    const wanted = new Set(batches.map(({ topic, partition }) => `${topic} ${partition}`));
    for (const { topic, partition, errorCode } of results) {
      if (errorCode !== 0) throw protocolError(errorCode, `${topic} ${partition}`);
      wanted.delete(`${topic} ${partition}`);
    }
    if (wanted.size > 0) throw kafkaError('PGS5012', `no acknowledgement for ${[...wanted].slice(0, 3).join(', ')}`);
  }

  async #seal({ topic, partition, batch }: PartitionBatch): Promise<Buffer> {
    const slot = `${topic} ${partition}`;
    const sequence = this.#sequences.get(slot) ?? 0;
    // After 2^31 - 1 comes 0.
    this.#sequences.set(slot, (sequence + batch.count) % 0x8000_0000);
    const { compression, transactionalId } = this.#options;
    const packed = compression === 'none' ? null : await compress(compression, batch.records());
    const by = {
      ...this.#who(),
      sequence,
      transactional: transactionalId !== null,
      codec: codecs[compression],
      crc32c: checksum,
    };
    return batch.seal(by, packed);
  }

  async #addPartitions(batches: readonly PartitionBatch[]): Promise<void> {
    const { transactionalId } = this.#options;
    if (transactionalId === null) return;
    const topics = new Map<string, number[]>();
    for (const { topic, partition } of batches) {
      if (this.#added.has(`${topic} ${partition}`)) continue;
      topics.set(topic, [...(topics.get(topic) ?? []), partition]);
    }
    if (topics.size === 0) return;
    const connection = await this.#cluster.connection(this.#coordinatorNode());
    const list = [...topics].map(([name, partitions]) => ({ name, partitions }));
    // Until the markers of the transaction before are written, the coordinator asks for patience; nothing was done then.
    const transaction = { transactionalId, ...this.#who(), verifyOnly: false, topics: list };
    await patiently(() => this.#cluster.ask(addPartitionsToTxnV3.api.async(connection, [transaction])));
    for (const { topic, partition } of batches) this.#added.add(`${topic} ${partition}`);
  }

  async begin(first: KafkaRecord): Promise<void> {
    this.#added.clear();
    await this.send([first]);
  }

  async commit(): Promise<void> {
    const { transactionalId } = this.#options;
    if (transactionalId === null) throw new Error('no transaction is open');
    const { producerId, producerEpoch } = this.#who();
    try {
      const connection = await this.#cluster.connection(this.#coordinatorNode());
      await patiently(() =>
        this.#cluster.ask(endTxnV3.api.async(connection, transactionalId, producerId, producerEpoch, true)),
      );
      this.#added.clear();
    } catch (error) {
      throw asKafkaError(error, `cannot commit a Kafka transaction of ${transactionalId}`);
    }
  }

  async close(): Promise<void> {
    await Promise.race([this.#cluster.close().catch(() => {}), sleep(3000, undefined, { ref: false })]);
  }

  #who(): Identity {
    if (this.#identity === null) throw new Error('the producer is not connected');
    return this.#identity;
  }

  #coordinatorNode(): { readonly host: string; readonly port: number } {
    if (this.#coordinator === null) throw new Error('the producer is not connected');
    return this.#coordinator;
  }
}

/** By way of a writer, as crc32c copies a plain array before it reads it: more time than it takes to read. */
function checksum(bytes: Uint8Array): number {
  return crc32c(Writer.create().append(bytes as Buffer).dynamicBuffer);
}

async function compress(name: Exclude<Compression, 'none'>, records: Buffer): Promise<Buffer> {
  if (name === 'gzip') return gzipped(records);
  return compressionsAlgorithms[name].compressSync(records) as Buffer;
}

function protocolError(code: number, where: string): Error {
  if (protocolErrorsCodesById[code] === undefined) return kafkaError('PGS5011', `${where}: error ${code}`);
  return new ProtocolError(code, null, { path: where });
}
