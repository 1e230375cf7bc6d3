import type { KafkaRecord, Packer, TopicInfo } from './client/producer.ts';
import type { DeadLetters } from './dead-letter.ts';
import { kafkaError } from './errors.ts';
import { partitionOf } from './murmur2.ts';
import type { Headers } from './records/events.ts';

export interface OutboxOptions {
  readonly packer: Packer;
  readonly headers: Headers | null;
  readonly oversize: 'error' | 'dead_letter';
  readonly deadLetters: DeadLetters | null;
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

  /** Adds a record; the caller looks at {@link full} and calls {@link ship} then. */
  add(topic: TopicInfo, key: string | null, value: string | null, headers: Headers | null): void {
    const all = this.#headersOf(headers);
    if (!this.#packer.add(topic, key, value, all)) this.#tooLarge(topic, key, value, all);
    else this.#options.deadLetters?.passed();
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

  /** Resolves when everything added is acknowledged, dead letters too. */
  async drain(): Promise<void> {
    await this.ship();
    await this.#sending;
    this.#sending = null;
    await this.#options.deadLetters?.flush();
  }

  #headersOf(headers: Headers | null): Headers | null {
    const fixed = this.#options.headers;
    if (fixed === null) return headers;
    return headers === null ? fixed : { ...fixed, ...headers };
  }

  #tooLarge(topic: TopicInfo, keyText: string | null, valueText: string | null, headers: Headers | null): void {
    const { oversize, deadLetters } = this.#options;
    const key = keyText === null ? null : Buffer.from(keyText);
    const value = valueText === null ? null : Buffer.from(valueText);
    const size = (key?.length ?? 0) + (value?.length ?? 0);
    const message = `a record of ${size} bytes for ${topic.name}, which takes ${topic.maxBytes}`;
    if (oversize === 'error' || deadLetters === null) {
      throw kafkaError('PGS5010', message, { where: { object: `topic ${topic.name}` } });
    }
    const partition = key === null ? 0 : partitionOf(key, topic.partitions);
    const record: KafkaRecord = { topic: topic.name, partition, key, value, headers };
    deadLetters.refuse(record, 'PGS5010', message);
  }
}
