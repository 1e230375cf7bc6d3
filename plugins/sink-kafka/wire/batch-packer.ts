import type { Packer, Shipment, Target } from '../client/producer.ts';
import { murmur2 } from '../murmur2.ts';
import type { Headers } from '../records/events.ts';
import type { EncodedRecord } from '../records/row-records.ts';
import { encodeHeaders, headerBytes, noHeaders, RecordBatch } from './record-batch.ts';

/** Records of one partition, ready to be sealed. */
export interface PartitionBatch {
  readonly topic: string;
  readonly partition: number;
  readonly batch: RecordBatch;
}

const firstSize = 64 << 10;
/** Bytes of batches that are kept to be filled again. */
const keepBytes = 8 << 20;
const noKey = new Uint8Array(0);

/** Collects records as record batches, one per partition; a partition that is full for its topic starts a new request. */
export class BatchPacker implements Packer {
  readonly #batchBytes: number;
  readonly #send: (requests: readonly (readonly PartitionBatch[])[]) => Promise<void>;
  #requests: PartitionBatch[][] = [[]];
  /** Batches of the request in hand, by topic and partition. */
  #open = new Map<string, (RecordBatch | undefined)[]>();
  #fullest = 0;
  #bytes = 0;
  #count = 0;
  #key = Buffer.allocUnsafeSlow(1024);
  #headers: { readonly of: Headers | null; readonly bytes: Uint8Array } = { of: null, bytes: noHeaders };
  readonly #free: RecordBatch[] = [];
  #freeBytes = 0;

  constructor(batchBytes: number, send: (requests: readonly (readonly PartitionBatch[])[]) => Promise<void>) {
    this.#batchBytes = batchBytes;
    this.#send = send;
  }

  add(topic: Target, key: string | null, value: string | null, headers: Headers | null): boolean {
    const keyLength = key === null ? -1 : this.#writeKey(key);
    const bytes = keyLength < 0 ? noKey : this.#key;
    const partition = partitionOf(topic, bytes, keyLength);
    const more = this.#headerBytes(headers);
    return this.#put(topic, partition, (batch) => batch.append(bytes, keyLength, value, more));
  }

  addEncoded(topic: Target, record: EncodedRecord, headers: Headers | null): boolean {
    const partition = partitionOf(topic, record.bytes, record.keyLength);
    const more = this.#headerBytes(headers);
    return this.#put(topic, partition, (batch) => batch.appendEncoded(record, more));
  }

  #put(topic: Target, partition: number, append: (batch: RecordBatch) => number): boolean {
    let batch = this.#batchOf(topic, partition);
    let size = append(batch);
    if (batch.size > topic.maxBytes) {
      batch.undo(size);
      if (headerBytes + size > topic.maxBytes) return false;
      if (batch.count > 0) {
        this.#requests.push([]);
        this.#open = new Map();
        batch = this.#batchOf(topic, partition);
      }
      size = append(batch);
    }
    this.#count++;
    this.#bytes += size;
    if (batch.size > this.#fullest) this.#fullest = batch.size;
    return true;
  }

  get full(): boolean {
    return this.#fullest >= this.#batchBytes || this.#bytes >= 4 * this.#batchBytes;
  }

  take(): Shipment | null {
    if (this.#count === 0) return null;
    const requests = this.#requests.map((request) => request.filter(({ batch }) => batch.count > 0));
    const shipment = { records: this.#count, bytes: this.#bytes };
    this.#requests = [[]];
    this.#open = new Map();
    this.#fullest = 0;
    this.#bytes = 0;
    this.#count = 0;
    return {
      ...shipment,
      send: async () => {
        await this.#send(requests);
        for (const request of requests) for (const { batch } of request) this.#release(batch);
      },
    };
  }

  #batchOf(topic: Target, partition: number): RecordBatch {
    let batches = this.#open.get(topic.name);
    if (batches === undefined) {
      batches = [];
      this.#open.set(topic.name, batches);
    }
    let batch = batches[partition];
    if (batch === undefined) {
      batch = this.#free.pop();
      if (batch === undefined) batch = new RecordBatch(firstSize);
      else this.#freeBytes -= batch.capacity;
      batches[partition] = batch;
      this.#requests.at(-1)?.push({ topic: topic.name, partition, batch });
    }
    return batch;
  }

  #release(batch: RecordBatch): void {
    if (this.#freeBytes + batch.capacity > keepBytes) return;
    batch.clear();
    this.#freeBytes += batch.capacity;
    this.#free.push(batch);
  }

  #headerBytes(headers: Headers | null): Uint8Array {
    if (this.#headers.of !== headers) this.#headers = { of: headers, bytes: encodeHeaders(headers) };
    return this.#headers.bytes;
  }

  #writeKey(key: string): number {
    if (key.length * 3 > this.#key.length) this.#key = Buffer.allocUnsafeSlow(key.length * 3);
    return this.#key.write(key, 0);
  }
}

/** The target's own, else the key's; tables without a key keep their order in one partition. */
function partitionOf({ partitions, partition }: Target, key: Uint8Array, keyLength: number): number {
  if (partition !== undefined) return partition;
  return keyLength < 0 || partitions === 1 ? 0 : (murmur2(key, keyLength) & 0x7fff_ffff) % partitions;
}
