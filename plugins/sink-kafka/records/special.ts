import { javaDouble, jsonString } from './json.ts';

export type BinaryMode = 'bytes' | 'base64' | 'base64-url-safe' | 'hex';

/** bytea in hex text. */
export function binaryEncoder(mode: BinaryMode): (text: string) => string {
  if (mode === 'hex') return (text) => `"${text.slice(2)}"`;
  const form = mode === 'base64-url-safe' ? 'base64url' : 'base64';
  return (text) => {
    const encoded = Buffer.from(text.slice(2), 'hex').toString(form);
    // Java's URL-safe encoder pads, Node's does not.
    return `"${form === 'base64' ? encoded : encoded.padEnd(Math.ceil(encoded.length / 4) * 4, '=')}"`;
  };
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

/** `(1,2)` with its WKB: byte order 1 (little-endian), geometry type 1, two doubles. */
export function point(text: string): string {
  const [x = '0', y = '0'] = text.slice(1, -1).split(',');
  const wkb = Buffer.alloc(21);
  wkb.writeUInt8(1, 0);
  wkb.writeUInt32LE(1, 1);
  wkb.writeDoubleLE(Number(x), 5);
  wkb.writeDoubleLE(Number(y), 13);
  return `{"x":${javaDouble(x)},"y":${javaDouble(y)},"wkb":"${wkb.toString('base64')}","srid":null}`;
}

/** PostGIS prints EWKB in hex; flag 0x20000000 of the type says that an SRID follows. */
export function geometry(text: string): string {
  const wkb = Buffer.from(text, 'hex');
  const little = wkb[0] === 1;
  const type = little ? wkb.readUInt32LE(1) : wkb.readUInt32BE(1);
  const srid = (type & 0x20000000) === 0 ? null : little ? wkb.readInt32LE(5) : wkb.readInt32BE(5);
  return `{"wkb":"${wkb.toString('base64')}","srid":${srid}}`;
}

/** `[1,2.5]` of vector and halfvec. */
export function vector(text: string): string {
  const inner = text.slice(1, -1);
  return `[${inner === '' ? '' : inner.split(',').map(javaDouble).join(',')}]`;
}

/** `{1:1.5,3:2}/5` of sparsevec: dimensions, and pairs as JSON has no keys that are numbers. */
export function sparseVector(text: string): string {
  const slash = text.lastIndexOf('/');
  const inner = text.slice(1, slash - 1);
  const pairs = inner === '' ? [] : inner.split(',').map((pair) => pair.split(':'));
  const written = pairs.map(([index = '', value = '0']) => `[${index},${javaDouble(value)}]`).join(',');
  return `{"dimensions":${text.slice(slash + 1)},"vector":[${written}]}`;
}

const pair = /"((?:[^"\\]|\\.)*)"=>(?:"((?:[^"\\]|\\.)*)"|NULL)(?:, )?/gs;

/** hstore as an object (`map`) or as a string that holds the object's JSON; keys in the server's order. */
export function hstoreEncoder(mode: 'json' | 'map'): (text: string) => string {
  return (text) => {
    const items: string[] = [];
    for (const [, key = '', value] of text.matchAll(pair)) {
      items.push(`${jsonString(unescaped(key))}:${value === undefined ? 'null' : jsonString(unescaped(value))}`);
    }
    const object = `{${items.join(',')}}`;
    return mode === 'map' ? object : jsonString(object);
  };
}

function unescaped(text: string): string {
  return text.includes('\\') ? text.replace(/\\(.)/gs, '$1') : text;
}
