import type { Oid } from '../../postgres/relation.ts';
import { invalidText, outOfRange, unsupportedForm } from '../errors.ts';
import { elementInfo, type TypeName, typeInfo } from '../types.ts';
import { type ArrayValue, encodeArray, equalArrays, parseArray } from './array.ts';
import * as dt from './datetime.ts';
import {
  compareDecimal,
  type Decimal,
  decodeDecimal,
  decodeUnscaled,
  encodeDecimal,
  parseDecimal,
  trimSpace,
} from './decimal.ts';
import { compareFloat, encodeFloat4, encodeFloat8, parseFloat4, parseFloat8 } from './float.ts';
import { compareInterval, decodeInterval, encodeInterval, type Interval, parseInterval } from './interval.ts';
import { equalJson, type Json, parseJson, printJson } from './json.ts';
import { compareBytes, compareText, decodeBytes, encodeBytes, parseBytes, parseUuid, trimBlanks } from './text.ts';

/** What a value of each type is in JavaScript. */
export interface Values {
  bool: boolean;
  bytea: Buffer;
  name: string;
  int8: bigint;
  int2: number;
  int4: number;
  text: string;
  oid: number;
  float4: number;
  float8: number;
  bpchar: string;
  varchar: string;
  date: dt.Days;
  timestamp: dt.Micros;
  timestamptz: dt.Micros;
  interval: Interval;
  numeric: Decimal;
  uuid: string;
  jsonb: Json;
}
/** Any value; for a type that we do not decode, the server's text. Null is SQL NULL. */
export type Value = Values[TypeName] | ArrayValue;

export interface Codec<T = Value> {
  /** Reads the server's own output. */
  readonly decode: (text: string) => T;
  /** Reads text from a user or another column: the type's input function. */
  readonly input: (text: string) => T;
  /** Prints as the server does in our sessions. */
  readonly encode: (value: T) => string;
  /** Order (collation "C" for texts); null: the type has none, or we do not implement it. */
  readonly compare: ((a: T, b: T) => number) | null;
  readonly equal: (a: T, b: T) => boolean;
}

const same = (text: string): string => text;
const plain = { decode: same, encode: same } as const;
const is = <T>(a: T, b: T): boolean => a === b;
const minus = (a: number, b: number): number => a - b;
const bigger = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

/** pg_strtoint16/32/64: spaces around, a sign, digits. Forms of 16 and later (0x, 1_000) are not decided here. */
export function parseInteger(input: string, bits: number, type: string): bigint {
  const text = trimSpace(input);
  const [leading = ''] = /^[+-]?\d+/.exec(text) ?? [];
  // Too many digits are out of range even if other characters follow them.
  const value = leading === '' || leading.length > 1000 ? 0n : BigInt(leading.replace('+', ''));
  if (leading.length > 1000 || BigInt.asIntN(bits, value) !== value) throw outOfRange(type);
  if (leading !== '' && leading === text) return value;
  if (/^[+-]?(0[xob][\da-f_]|\d+_)/i.test(text))
    throw unsupportedForm(`text of PostgreSQL 16 and later cast to ${type}`);
  throw invalidText(type);
}

/** boolin: any unambiguous beginning of true, false, yes, no, on, off; 1 and 0. */
export function parseBool(input: string): boolean {
  const text = trimSpace(input).toLowerCase();
  if (text === '1' || text === 'on') return true;
  if (text === '0' || text === 'of' || text === 'off') return false;
  if (text !== '' && ('true'.startsWith(text) || 'yes'.startsWith(text))) return true;
  if (text !== '' && ('false'.startsWith(text) || 'no'.startsWith(text))) return false;
  throw invalidText('boolean');
}

const small = (bits: number, type: string): Codec<number> => ({
  decode: Number,
  input: (text) => Number(parseInteger(text, bits, type)),
  encode: String,
  compare: minus,
  equal: is,
});
const string = (compare: (a: string, b: string) => number): Codec<string> => ({
  ...plain,
  input: same,
  compare,
  equal: is,
});
const micros = (
  decode: (text: string) => dt.Micros,
  input: (text: string) => dt.Micros,
  encode: (at: dt.Micros) => string,
): Codec<dt.Micros> => ({ decode, input, encode, compare: bigger, equal: is });
const float = (
  decode: (text: string) => number,
  input: (text: string) => number,
  encode: (value: number) => string,
): Codec<number> => ({
  decode,
  input,
  encode,
  compare: compareFloat,
  equal: (a, b) => compareFloat(a, b) === 0,
});

export const codecs: { readonly [K in TypeName]: Codec<Values[K]> } = {
  bool: {
    decode: (text) => text === 't',
    input: parseBool,
    encode: (value) => (value ? 't' : 'f'),
    compare: (a, b) => Number(a) - Number(b),
    equal: is,
  },
  bytea: {
    decode: decodeBytes,
    input: parseBytes,
    encode: encodeBytes,
    compare: compareBytes,
    equal: (a, b) => a.equals(b),
  },
  name: { ...string(compareText), input: parseName },
  int8: {
    decode: decodeUnscaled,
    input: (text) => parseInteger(text, 64, 'bigint'),
    encode: String,
    compare: bigger,
    equal: is,
  },
  int2: small(16, 'smallint'),
  int4: small(32, 'integer'),
  text: string(compareText),
  oid: { decode: Number, input: parseOid, encode: String, compare: minus, equal: is },
  float4: float((text) => Math.fround(Number(text)), parseFloat4, encodeFloat4),
  float8: float(Number, parseFloat8, encodeFloat8),
  bpchar: {
    ...string((a, b) => compareText(trimBlanks(a), trimBlanks(b))),
    equal: (a, b) => a === b || trimBlanks(a) === trimBlanks(b),
  },
  varchar: string(compareText),
  date: { decode: dt.decodeDate, input: dt.parseDate, encode: dt.encodeDate, compare: compareFloat, equal: is },
  timestamp: micros(dt.decodeTimestamp, dt.parseTimestamp, dt.encodeTimestamp),
  timestamptz: micros(dt.decodeTimestamptz, dt.parseTimestamptz, dt.encodeTimestamptz),
  interval: {
    decode: decodeInterval,
    input: parseInterval,
    encode: encodeInterval,
    compare: compareInterval,
    equal: (a, b) => compareInterval(a, b) === 0,
  },
  numeric: {
    decode: decodeDecimal,
    input: parseDecimal,
    encode: encodeDecimal,
    compare: compareDecimal,
    equal: (a, b) => compareDecimal(a, b) === 0,
  },
  // Canonical text is lower-case hex of fixed layout, so bytes and text sort alike.
  uuid: { ...plain, input: parseUuid, compare: (a, b) => (a < b ? -1 : a > b ? 1 : 0), equal: is },
  jsonb: { decode: parseJson, input: parseJson, encode: printJson, compare: null, equal: equalJson },
};

function parseName(text: string): string {
  if (Buffer.byteLength(text) > 63) throw unsupportedForm('text of more than 63 bytes cast to name');
  return text;
}
function parseOid(text: string): number {
  const value = parseInteger(text, 64, 'oid');
  if (value < 0n) throw unsupportedForm('negative text cast to oid');
  if (value > 0xffff_ffffn) throw outOfRange('oid');
  return Number(value);
}

const opaque: Codec<string> = { ...plain, input: same, compare: null, equal: is };

/** Codec of a type by oid. For a type that we do not know: the text itself, unchanged. */
export function codecOf(oid: Oid): Codec {
  const info = typeInfo(oid);
  if (info !== undefined) return codecs[info.name] as unknown as Codec;
  const element = elementInfo(oid);
  return element === undefined ? (opaque as unknown as Codec) : arrayCodec(codecs[element.name] as unknown as Codec);
}

function arrayCodec(element: Codec): Codec {
  const codec: Codec<ArrayValue> = {
    decode: (text) => parseArray(text, element.decode),
    input: (text) => parseArray(text, element.input),
    encode: (value) => encodeArray(value, element.encode),
    compare: null,
    equal: (a, b) => equalArrays(a, b, element.equal),
  };
  return codec as unknown as Codec;
}
