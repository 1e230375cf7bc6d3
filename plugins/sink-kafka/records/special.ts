import { hashOrder } from './java-map.ts';
import { javaDouble } from './java-number.ts';

export type BinaryMode = 'bytes' | 'base64' | 'base64-url-safe' | 'hex';

/** Bytes as the text of a mode. */
export function binaryText(mode: BinaryMode, bytes: Buffer): string {
  if (mode === 'hex') return bytes.toString('hex');
  if (mode !== 'base64-url-safe') return bytes.toString('base64');
  const encoded = bytes.toString('base64url');
  // Java's URL-safe encoder pads, Node's does not.
  return encoded.padEnd(Math.ceil(encoded.length / 4) * 4, '=');
}

/** bytea in hex text. */
export function binaryEncoder(mode: BinaryMode): (text: string) => string {
  if (mode === 'hex') return (text) => `"${text.slice(2)}"`;
  return (text) => `"${binaryText(mode, Buffer.from(text.slice(2), 'hex'))}"`;
}

/** bit(n) and bit varying: little-endian, only as many bytes as the highest set bit needs. */
export function bits(text: string): string {
  const first = text.indexOf('1');
  const used = first === -1 ? '' : text.slice(first);
  const bytes = Buffer.alloc(Math.ceil(used.length / 8));
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = Number.parseInt(used.slice(Math.max(0, used.length - 8 * (i + 1)), used.length - 8 * i), 2);
  }
  return `"${bytes.toString('base64')}"`;
}

/** One bit is true or false; varbit(1) may hold none, which Debezium writes as null. */
export function oneBit(text: string): string {
  return text === '' ? 'null' : text === '1' ? 'true' : 'false';
}

/** `[1,2.5]` of vector (as float8) and halfvec (as float4). */
export function vectorEncoder(number: (text: string) => string): (text: string) => string {
  return (text) => {
    const inner = text.slice(1, -1);
    return `[${inner === '' ? '' : inner.split(',').map(number).join(',')}]`;
  };
}

/** `{1:1.5,3:2}/5` of sparsevec: dimensions, and pairs as JSON has no keys that are numbers; in the order of Java's HashMap. */
export function sparseVector(text: string): string {
  const slash = text.lastIndexOf('/');
  const inner = text.slice(1, slash - 1);
  const pairs = inner === '' ? [] : inner.split(',').map((pair) => pair.split(':') as [string, string]);
  const size = 2 ** Math.ceil(Math.log2(Math.max(pairs.length, 1)));
  const ordered = hashOrder(pairs, ([index]) => Number(index), size);
  const written = ordered.map(([index, value]) => `[${index},${javaDouble(value)}]`).join(',');
  return `{"dimensions":${text.slice(slash + 1)},"vector":[${written}]}`;
}
