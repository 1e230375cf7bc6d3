import { partitionOf } from '../murmur2.ts';
import type { Headers } from '../records/events.ts';
import type { EncodedRecord } from '../records/row-records.ts';
import type { KafkaRecord, Packer, Shipment, Target } from './producer.ts';

/** Bytes that a record takes beside key and value, at most: lengths, deltas, attributes. */
const recordOverhead = 40;
/** Header of a record batch. */
const batchOverhead = 61;

/** Collects records as objects, for a client that encodes them itself. Record batches are limited per partition. */
export class RecordPacker implements Packer {
  readonly #batchBytes: number;
  readonly #send: (records: readonly KafkaRecord[]) => Promise<void>;
  readonly #arena = new Arena();
  #records: KafkaRecord[] = [];
  /** Where the records are cut into several requests. */
  #cuts: number[] = [];
  #bytes = 0;
  #perPartition = new Map<string, number>();
  #fullest = 0;

  constructor(batchBytes: number, send: (records: readonly KafkaRecord[]) => Promise<void>) {
    this.#batchBytes = batchBytes;
    this.#send = send;
  }

  add(topic: Target, key: string | null, value: string | null, headers: Headers | null): boolean {
    const keyBytes = key === null ? null : this.#arena.write(key);
    const valueBytes = value === null ? null : this.#arena.write(value);
    return this.#put(topic, { key: keyBytes, value: valueBytes, headers });
  }

  addEncoded(topic: Target, record: EncodedRecord, headers: Headers | null): boolean {
    const { bytes, keyLength, end, hasValue, timestamp = null } = record;
    const key = keyLength < 0 ? null : this.#arena.copy(bytes, 0, keyLength);
    const value = hasValue ? this.#arena.copy(bytes, Math.max(keyLength, 0), end) : null;
    return this.#put(topic, { key, value, headers, ...(timestamp === null ? {} : { timestamp }) });
  }

  #put(topic: Target, record: Omit<KafkaRecord, 'topic' | 'partition'>): boolean {
    const { key: keyBytes, value: valueBytes, headers } = record;
    const size = (keyBytes?.length ?? 0) + (valueBytes?.length ?? 0) + headerBytes(headers) + recordOverhead;
    if (size + batchOverhead > topic.maxBytes) return false;
    // Tables without a key keep their order in one partition.
    const partition = topic.partition ?? (keyBytes === null ? 0 : partitionOf(keyBytes, topic.partitions));
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
    this.#records.push({ topic: topic.name, partition, ...record });
    this.#bytes += size;
    return true;
  }

  get full(): boolean {
    return this.#fullest >= this.#batchBytes || this.#bytes >= 4 * this.#batchBytes;
  }

  take(): Shipment | null {
    if (this.#records.length === 0) return null;
    const [records, cuts, bytes] = [this.#records, this.#cuts, this.#bytes];
    this.#records = [];
    this.#cuts = [];
    this.#bytes = 0;
    this.#perPartition = new Map();
    this.#fullest = 0;
    return { records: records.length, bytes, send: () => this.#sendParts(records, cuts) };
  }

  async #sendParts(records: readonly KafkaRecord[], cuts: readonly number[]): Promise<void> {
    let from = 0;
    for (const to of [...cuts, records.length]) {
      await this.#send(records.slice(from, to));
      from = to;
    }
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
    this.#reserve(most);
    const from = this.#used;
    this.#used += this.#buffer.write(text, from, 'utf8');
    return this.#buffer.subarray(from, this.#used);
  }

  copy(bytes: Buffer, start: number, end: number): Buffer {
    if (end - start > 1 << 18) return Buffer.from(bytes.subarray(start, end));
    this.#reserve(end - start);
    const from = this.#used;
    this.#used += bytes.copy(this.#buffer, from, start, end);
    return this.#buffer.subarray(from, this.#used);
  }

  #reserve(most: number): void {
    if (this.#used + most <= this.#buffer.length) return;
    this.#buffer = Buffer.allocUnsafeSlow(1 << 20);
    this.#used = 0;
  }
}
