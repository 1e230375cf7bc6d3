import type { ByteWriter } from '../../../core/base/byte-writer.ts';
import { kafkaError } from '../errors.ts';
import { jsonString } from '../records/json.ts';
import type { JsonCursor } from './json-cursor.ts';

/* What the binary encodings of Avro and Protobuf have in common. */

/** Little-endian groups of seven bits; of at least 0, and below 2^64. */
export function putVarint(to: ByteWriter, value: number | bigint): void {
  to.reserve(10);
  const { bytes } = to;
  let at = to.at;
  let rest: number;
  if (typeof value === 'bigint') {
    let large = value;
    for (; large > 0x7fff_ffffn; large >>= 7n) bytes[at++] = Number(large & 0x7fn) | 0x80;
    rest = Number(large);
  } else {
    rest = value;
    for (; rest > 0x7fff_ffff; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80;
  }
  for (; rest > 0x7f; rest >>>= 7) bytes[at++] = (rest & 0x7f) | 0x80;
  bytes[at++] = rest;
  to.at = at;
}

export function putFloat(to: ByteWriter, value: number): void {
  to.reserve(4);
  to.view.setFloat32(to.at, value, true);
  to.at += 4;
}

export function putDouble(to: ByteWriter, value: number): void {
  to.reserve(8);
  to.view.setFloat64(to.at, value, true);
  to.at += 8;
}

/** A value that the server did not send may have no form but null. */
export function refuseNull(name: string): never {
  throw kafkaError('PGS5007', `${name} has a null, which its schema does not allow`, {
    remedy:
      'Where an UPDATE did not send a large value of a NOT NULL column, set REPLICA IDENTITY FULL on the table; NaN needs `decimal: string`; arrays with NULL need `value_format: avro` or JSON.',
  });
}

/** Schemas know arrays of one dimension. */
export function refuseList(from: JsonCursor, name: string): void {
  if (from.bytes[from.at] !== 0x5b) return;
  throw kafkaError(
    'PGS5007',
    `${name} has an array of more than one dimension, which has no form in Avro and Protobuf`,
    {
      remedy: 'Use `value_format: json`, or leave the column out.',
    },
  );
}

/** Bytes of `{"name":` or `,"name":`. */
export function memberLength(name: string): number {
  return Buffer.byteLength(jsonString(name)) + 2;
}
