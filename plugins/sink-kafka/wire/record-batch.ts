import type { Headers } from '../records/events.ts';
import type { EncodedRecord } from '../records/row-records.ts';

/**
 * Sizes and places within a record batch, version 2 (Kafka protocol guide: "Record Batch"): base offset, length, leader
 * epoch, magic, checksum, attributes, last offset delta, first and last timestamp, producer id and epoch, first sequence
 * number, count of records.
 */
const at = {
  length: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  firstTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  sequence: 53,
  count: 57,
} as const;
export const headerBytes = 61;
const transactional = 0x10;

/** A length that says null. */
const nothing = -1;

export interface Seal {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly sequence: number;
  readonly transactional: boolean;
  /** Number of the codec in the attributes. */
  readonly codec: number;
  readonly crc32c: (bytes: Uint8Array) => number;
}

/**
 * Records of one partition, written straight into the bytes that go out: no object per record, no copy of a value. The
 * header's place is kept free in front and filled at the end.
 */
export class RecordBatch {
  #bytes: Buffer;
  #end = headerBytes;
  /** Milliseconds since 1970 of its first record, and of the latest that has a time of its own. */
  #time = 0;
  #latest = 0;
  count = 0;

  constructor(size: number) {
    this.#bytes = Buffer.allocUnsafeSlow(size);
  }

  /** With its header. */
  get size(): number {
    return this.#end;
  }
  get capacity(): number {
    return this.#bytes.length;
  }

  clear(): void {
    this.#end = headerBytes;
    this.#latest = 0;
    this.count = 0;
  }

  /** Writes a record; `keyLength` -1: no key. Returns its size. */
  append(key: Uint8Array, keyLength: number, value: string | null, headers: Uint8Array): number {
    if (this.count === 0) this.#time = Date.now();
    const guess = value === null ? 0 : value.length;
    this.#reserve(guess * 3 + Math.max(keyLength, 0) + headers.length + 40);
    const bytes = this.#bytes;
    const start = this.#end;
    // Most values are ASCII: then their length in bytes is known before they are written, and they are written in place.
    const fixed = this.#fixedSize(keyLength, headers.length);
    const body = fixed + lengthSize(value === null ? nothing : guess) + guess;
    const prefix = lengthSize(body) + fixed - headers.length + lengthSize(value === null ? nothing : guess);
    const length = value === null ? 0 : bytes.write(value, start + prefix);
    let from = start + prefix;
    const realBody = fixed + lengthSize(value === null ? nothing : length) + length;
    const realPrefix = lengthSize(realBody) + fixed - headers.length + lengthSize(value === null ? nothing : length);
    if (realPrefix !== prefix) {
      from = start + realPrefix;
      bytes.copyWithin(from, start + prefix, start + prefix + length);
    }
    let p = putVarint(bytes, start, realBody);
    bytes[p++] = 0;
    bytes[p++] = 0;
    p = putVarint(bytes, p, this.count);
    p = putVarint(bytes, p, keyLength);
    for (let i = 0; i < keyLength; i++) bytes[p++] = key[i] as number;
    putVarint(bytes, p, value === null ? nothing : length);
    p = from + length;
    bytes.set(headers, p);
    this.#end = p + headers.length;
    this.count++;
    return this.#end - start;
  }

  /** Writes a record whose key and value are bytes, one behind the other. Returns its size. */
  appendEncoded(record: EncodedRecord, headers: Uint8Array): number {
    const { bytes: from, keyLength, end, hasValue, timestamp = null } = record;
    if (this.count === 0) this.#time = Date.now();
    if (timestamp !== null && timestamp > this.#latest) this.#latest = timestamp;
    const delta = timestamp === null ? 0 : timestamp - this.#time;
    const valueAt = Math.max(keyLength, 0);
    const size = end - valueAt;
    const valueLength = hasValue ? size : nothing;
    const body = this.#fixedSize(keyLength, headers.length) + lengthSize(delta) - 1 + lengthSize(valueLength) + size;
    this.#reserve(body + 5);
    const bytes = this.#bytes;
    const start = this.#end;
    let p = putVarint(bytes, start, body);
    bytes[p++] = 0;
    p = putVarint(bytes, p, delta);
    p = putVarint(bytes, p, this.count);
    p = putVarint(bytes, p, keyLength);
    for (let i = 0; i < keyLength; i++) bytes[p++] = from[i] as number;
    p = putVarint(bytes, p, valueLength);
    bytes.set(from.subarray(valueAt, end), p);
    p += size;
    bytes.set(headers, p);
    this.#end = p + headers.length;
    this.count++;
    return this.#end - start;
  }

  /** Takes back the last record, of this size. */
  undo(size: number): void {
    this.#end -= size;
    this.count--;
  }

  /** The records without the header. */
  records(): Buffer {
    return this.#bytes.subarray(headerBytes, this.#end);
  }

  /** Fills in the header; `packed` are the records where they are compressed. What it returns lives as long as the batch is not cleared. */
  seal(by: Seal, packed: Buffer | null): Buffer {
    let bytes = this.#bytes.subarray(0, this.#end);
    if (packed !== null) {
      bytes = Buffer.allocUnsafe(headerBytes + packed.length);
      bytes.set(packed, headerBytes);
    }
    bytes.writeBigInt64BE(0n, 0);
    bytes.writeInt32BE(bytes.length - at.leaderEpoch, at.length);
    bytes.writeInt32BE(-1, at.leaderEpoch);
    bytes[at.magic] = 2;
    bytes.writeInt16BE(by.codec | (by.transactional ? transactional : 0), at.attributes);
    bytes.writeInt32BE(this.count - 1, at.lastOffsetDelta);
    bytes.writeBigInt64BE(BigInt(this.#time), at.firstTimestamp);
    bytes.writeBigInt64BE(BigInt(Math.max(this.#time, this.#latest)), at.maxTimestamp);
    bytes.writeBigInt64BE(by.producerId, at.producerId);
    bytes.writeInt16BE(by.producerEpoch, at.producerEpoch);
    bytes.writeInt32BE(by.sequence, at.sequence);
    bytes.writeInt32BE(this.count, at.count);
    bytes.writeUInt32BE(by.crc32c(bytes.subarray(at.attributes)), at.crc);
    return bytes;
  }

  /** Attributes, timestamp delta, offset delta, key and headers. */
  #fixedSize(keyLength: number, headers: number): number {
    return 2 + lengthSize(this.count) + lengthSize(keyLength) + Math.max(keyLength, 0) + headers;
  }

  #reserve(more: number): void {
    const needed = this.#end + more;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = larger;
  }
}

/** Bytes of a signed number as a zigzag varint. */
function lengthSize(value: number): number {
  const n = value < 0 ? -2 * value - 1 : 2 * value;
  if (n < 0x80) return 1;
  if (n < 0x4000) return 2;
  if (n < 0x20_0000) return 3;
  let size = 4;
  for (let rest = 0x1000_0000; n >= rest; rest *= 0x80) size++;
  return size;
}

/** Returns the place behind it. */
function putVarint(bytes: Uint8Array, place: number, value: number): number {
  let n = value < 0 ? -2 * value - 1 : 2 * value;
  let p = place;
  while (n >= 0x80) {
    bytes[p++] = (n % 0x80) | 0x80;
    n = Math.floor(n / 0x80);
  }
  bytes[p++] = n;
  return p;
}

/** Of records without headers. */
export const noHeaders = Uint8Array.of(0);

/** The headers of a record: count, then names and values with their lengths. */
export function encodeHeaders(headers: Headers | null): Uint8Array {
  if (headers === null) return noHeaders;
  const entries = Object.entries(headers).map(([name, value]) => [Buffer.from(name), Buffer.from(value)] as const);
  const size = entries.reduce((sum, [name, value]) => sum + name.length + value.length + 10, 5);
  const bytes = Buffer.allocUnsafe(size);
  let p = putVarint(bytes, 0, entries.length);
  for (const entry of entries) {
    for (const part of entry) {
      p = putVarint(bytes, p, part.length);
      bytes.set(part, p);
      p += part.length;
    }
  }
  return bytes.subarray(0, p);
}
