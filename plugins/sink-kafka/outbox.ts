import type { PgsluiceError } from '../../core/base/error.ts';
import type { Packer, Target } from './client/producer.ts';
import { kafkaError } from './errors.ts';
import { partitionOf } from './murmur2.ts';
import type { Bytes } from '../../core/base/byte-writer.ts';
import type { Headers } from './records/events.ts';
import type { EncodedRecord } from './records/row-records.ts';

export interface OutboxOptions {
  readonly packer: Packer;
  /** On every record of a table. */
  readonly headers: Headers | null;
  /** On every other record. */
  readonly bareHeaders: Headers | null;
}

/** Collects records and sends them in batches of bounded bytes (I8), one batch under way while the next one fills. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #packer: Packer;
  #sending: Promise<void> | null = null;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#packer = options.packer;
  }

  /** Records and bytes handed over so far. */
  records = 0;
  sentBytes = 0;

  /** Adds a record; the caller looks at {@link full} and calls {@link ship} then. PGS5010 where it is too large. */
  add(topic: Target, key: string | null, value: string | null, headers: Headers | null): void {
    if (!this.offer(topic, key, value, headers)) throw this.tooLarge(topic, key, value);
  }

  /** A record that is not a table's: a message, or one of a transaction. */
  addBare(topic: Target, key: string, value: string): void {
    if (!this.#pack(topic, key, value, this.#options.bareHeaders)) throw this.tooLarge(topic, key, value);
  }

  /** {@link add}; false: too large for its topic, and not added. */
  offer(topic: Target, key: string | null, value: string | null, headers: Headers | null): boolean {
    return this.#pack(topic, key, value, this.allHeaders(headers));
  }

  /** {@link offer} of a record in bytes. */
  offerEncoded(topic: Target, record: EncodedRecord, headers: Headers | null): boolean {
    return this.#packer.addEncoded(topic, record, this.allHeaders(headers));
  }

  /** {@link add} of a record in bytes. */
  addEncoded(topic: Target, json: EncodedRecord & Bytes): void {
    const record = topic.codec === undefined ? json : topic.codec.record(json);
    if (this.#packer.addEncoded(topic, record, this.#options.headers)) return;
    const { bytes, keyLength, end } = record;
    const from = Math.max(keyLength, 0);
    throw this.tooLarge(
      topic,
      keyLength < 0 ? null : bytes.toString('utf8', 0, from),
      bytes.toString('utf8', from, end),
    );
  }

  tooLarge(topic: Target, key: string | null, value: string | null): PgsluiceError {
    const size = Buffer.byteLength(key ?? '') + Buffer.byteLength(value ?? '');
    return kafkaError('PGS5010', `a record of ${size} bytes for ${topic.name}, which takes ${topic.maxBytes}`, {
      where: { object: `topic ${topic.name}` },
    });
  }

  /** Where a record of this key goes. Tables without a key keep their order in one partition. */
  partition(topic: Target, key: string | null): number {
    if (topic.partition !== undefined || key === null) return topic.partition ?? 0;
    const coded = topic.codec?.text(key, null);
    const bytes = coded === undefined ? Buffer.from(key) : coded.bytes.subarray(0, coded.keyLength);
    return partitionOf(bytes, topic.partitions);
  }

  #pack(topic: Target, key: string | null, value: string | null, headers: Headers | null): boolean {
    const { codec } = topic;
    if (codec === undefined) return this.#packer.add(topic, key, value, headers);
    return this.#packer.addEncoded(topic, codec.text(key, value), headers);
  }

  get full(): boolean {
    return this.#packer.full;
  }

  /** Starts to send what is collected, after the batch before is acknowledged; throws that one's error. */
  async ship(): Promise<void> {
    await this.#sending;
    this.#sending = null;
    const shipment = this.#packer.take();
    if (shipment === null) return;
    this.records += shipment.records;
    this.sentBytes += shipment.bytes;
    this.#sending = shipment.send();
    // Its error belongs to whoever awaits it next.
    this.#sending.catch(() => {});
  }

  /** Resolves when everything added is acknowledged. */
  async drain(): Promise<void> {
    await this.ship();
    await this.#sending;
    this.#sending = null;
  }

  /** With those that every record of a table has, which come behind. */
  allHeaders(headers: Headers | null): Headers | null {
    const fixed = this.#options.headers;
    if (fixed === null) return headers;
    return headers === null ? fixed : { ...headers, ...fixed };
  }
}
