import type { KafkaRecord, TopicInfo } from './client/producer.ts';
import type { DeadLetters } from './dead-letter.ts';
import { kafkaError } from './errors.ts';
import { partitionOf } from './murmur2.ts';
import type { Headers } from './records/events.ts';

/** Bytes that a record takes beside key and value, at most: lengths, deltas, attributes. */
const recordOverhead = 40;
/** Header of a record batch. */
const batchOverhead = 61;

export interface OutboxOptions {
  /** Largest record batch, in bytes before compression. */
  readonly batchBytes: number;
  readonly headers: Headers | null;
  readonly oversize: 'error' | 'dead_letter';
  readonly deadLetters: DeadLetters | null;
  readonly send: (records: readonly KafkaRecord[]) => Promise<void>;
}

/**
 * Collects records and sends them in batches of bounded bytes (I8), one batch under way while the next one fills. Record
 * batches are limited per partition, so the fullest partition decides.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #arena = new Arena();
  #records: KafkaRecord[] = [];
  /** Where the records are cut into several requests. */
  #cuts: number[] = [];
  #bytes = 0;
  #perPartition = new Map<string, number>();
  #fullest = 0;
  #sending: Promise<void> | null = null;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Records and bytes handed over so far. */
  records = 0;
  sentBytes = 0;

  /** Adds a record; the caller looks at {@link full} and calls {@link ship} then. */
  add(topic: TopicInfo, key: string | null, value: string | null, headers: Headers | null): void {
    const keyBytes = key === null ? null : this.#arena.write(key);
    const valueBytes = value === null ? null : this.#arena.write(value);
    const all = this.#headersOf(headers);
    const size = (keyBytes?.length ?? 0) + (valueBytes?.length ?? 0) + headerBytes(all) + recordOverhead;
    // Tables without a key keep their order in one partition.
    const partition = keyBytes === null ? 0 : partitionOf(keyBytes, topic.partitions);
    const record: KafkaRecord = { topic: topic.name, partition, key: keyBytes, value: valueBytes, headers: all };
    if (size + batchOverhead > topic.maxBytes) return this.#tooLarge(record, size, topic);
    this.#options.deadLetters?.passed();
    const slot = topic.partitions === 1 ? topic.name : `${topic.name} ${partition}`;
    let filled = (this.#perPartition.get(slot) ?? batchOverhead) + size;
    if (filled > topic.maxBytes) {
      // What is there must go in a request of its own, or the topic would refuse the batch.
      this.#cuts.push(this.#records.length);
      this.#perPartition.clear();
      filled = batchOverhead + size;
    }
    this.#perPartition.set(slot, filled);
    this.#fullest = Math.max(this.#fullest, filled);
    this.#records.push(record);
    this.#bytes += size;
  }

  get full(): boolean {
    return this.#fullest >= this.#options.batchBytes || this.#bytes >= 4 * this.#options.batchBytes;
  }

  /** Starts to send what is collected, after the batch before is acknowledged; throws that one's error. */
  async ship(): Promise<void> {
    await this.#sending;
    this.#sending = null;
    if (this.#records.length === 0) return;
    const records = this.#records;
    this.records += records.length;
    this.sentBytes += this.#bytes;
    const cuts = this.#cuts;
    this.#records = [];
    this.#cuts = [];
    this.#bytes = 0;
    this.#perPartition = new Map();
    this.#fullest = 0;
    this.#sending = this.#sendParts(records, cuts);
    // Its error belongs to whoever awaits it next.
    this.#sending.catch(() => {});
  }

  async #sendParts(records: readonly KafkaRecord[], cuts: readonly number[]): Promise<void> {
    if (cuts.length === 0) return this.#options.send(records);
    let from = 0;
    for (const to of [...cuts, records.length]) {
      await this.#options.send(records.slice(from, to));
      from = to;
    }
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

  #tooLarge(record: KafkaRecord, size: number, topic: TopicInfo): void {
    const { oversize, deadLetters } = this.#options;
    const message = `a record of ${size} bytes for ${topic.name}, which takes ${topic.maxBytes}`;
    if (oversize === 'error' || deadLetters === null) {
      throw kafkaError('PGS5010', message, { where: { object: `topic ${topic.name}` } });
    }
    deadLetters.refuse(record, 'PGS5010', message);
  }
}

function headerBytes(headers: Headers | null): number {
  if (headers === null) return 0;
  let bytes = 0;
  for (const [name, value] of Object.entries(headers)) bytes += Buffer.byteLength(name) + Buffer.byteLength(value) + 10;
  return bytes;
}

/** Text into slices of large buffers: one allocation per megabyte, not one per record. */
class Arena {
  #buffer = Buffer.allocUnsafeSlow(1 << 20);
  #used = 0;

  write(text: string): Buffer {
    const most = text.length * 3;
    if (most > 1 << 18) return Buffer.from(text);
    if (this.#used + most > this.#buffer.length) {
      this.#buffer = Buffer.allocUnsafeSlow(1 << 20);
      this.#used = 0;
    }
    const from = this.#used;
    this.#used += this.#buffer.write(text, from, 'utf8');
    return this.#buffer.subarray(from, this.#used);
  }
}
