import { elementOids, oids, oidsOf } from '../../../core/postgres/oids.ts';
import type { Column } from '../../../core/postgres/relation.ts';
import type { Cell } from '../../../core/postgres/tuple.ts';
import { scaleOf } from '../records/decimal.ts';
import type { BinaryMode } from '../records/special.ts';
import type { TimeMode } from '../records/time.ts';
import { dateText, fromIso, timestampText, timeText } from './civil.ts';
import { Digits, isObject, type Parsed } from './json.ts';

/** How Debezium wrote what its JSON does not say: its `….handling.mode` and `time.precision.mode`. */
export interface Modes {
  readonly decimal: 'precise' | 'string' | 'double';
  readonly time: TimeMode;
  readonly binary: BinaryMode;
}

/** A field's schema, where records have one (`schemas.enable`). */
export interface FieldSchema {
  readonly type: string;
  /** The semantic type. */
  readonly name: string | null;
  readonly scale: number | null;
  readonly items: FieldSchema | null;
}

/** What cannot be made the column's value; the message holds no value. */
export class Inexpressible extends Error {}

interface Typed {
  readonly oid: number;
  readonly typmod: number;
  readonly typeName: string;
}
type Convert = (value: Exclude<Parsed, null>) => string;

/** Converter of a column's values to the text that PostgreSQL prints. Throws {@link Inexpressible}, when made or when called. */
export function converter(column: Column, schema: FieldSchema | null, modes: Modes): (value: Parsed) => Cell {
  const typmod = column.under?.typmod ?? column.typmod;
  const element = elementOids.get(column.baseType);
  const typed = { oid: element ?? column.baseType, typmod, typeName: column.typeName };
  const isArray = element !== undefined || (column.under?.typeKind ?? column.typeKind) === 'array';
  const one = scalar(typed, (isArray ? schema?.items : schema) ?? null, modes);
  const convert = isArray ? arrayText(one) : one;
  return (value) => (value === null ? null : convert(value));
}

const integers = oidsOf('int2', 'int4', 'int8', 'oid');
const floats = oidsOf('float4', 'float8');
/** Written as PostgreSQL prints them, by all modes. */
const texts = oidsOf(
  ...([
    'text',
    'varchar',
    'bpchar',
    'name',
    'char',
    'json',
    'jsonb',
    'xml',
    'uuid',
    'inet',
    'cidr',
    'macaddr',
  ] as const),
  ...(['macaddr8', 'tsvector', 'int4range', 'int8range', 'numrange', 'tsrange', 'tstzrange', 'daterange'] as const),
);

function scalar(typed: Typed, schema: FieldSchema | null, modes: Modes): Convert {
  const { oid } = typed;
  if (oid === oids.bool) return (value) => (typeof value === 'boolean' ? (value ? 't' : 'f') : wrong(typed));
  if (integers.has(oid)) return (value) => (value instanceof Digits ? value.text : wrong(typed));
  if (floats.has(oid)) return (value) => (value instanceof Digits ? value.text : notFinite(value, typed));
  if (oid === oids.numeric) return numeric(typed, schema, modes);
  if (oid === oids.money) throw new Inexpressible('money has the form of the server’s locale');
  if (oid === oids.bytea) return bytea(typed, schema, modes);
  if (oid === oids.bit || oid === oids.varbit) return bits(typed);
  if (oid === oids.point) return (value) => pointText(value, typed);
  if (oid === oids.interval) return interval(typed, schema);
  const temporal = ofTime(typed, schema, modes);
  if (temporal !== null) return temporal;
  if (texts.has(oid) || !Object.values<number>(oids).includes(oid)) return userText(typed);
  throw new Inexpressible(`type ${typed.typeName} has no form that is known here`);
}

/** Enums, ltree, citext and the like are strings. hstore is an object or the text of one. */
function userText(typed: Typed): Convert {
  if (/(^|\.)hstore(\[\])?$/.test(typed.typeName)) return (value) => hstoreText(value, typed);
  return (value) => (typeof value === 'string' ? value : wrong(typed));
}

function wrong({ typeName }: Typed): never {
  throw new Inexpressible(`the record's value has not the form that it should have for ${typeName}`);
}

function notFinite(value: Parsed, typed: Typed): string {
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return value;
  return wrong(typed);
}

const named: Readonly<Record<string, string>> = {
  NAN: 'NaN',
  POSITIVE_INFINITY: 'Infinity',
  NEGATIVE_INFINITY: '-Infinity',
};

function numeric(typed: Typed, schema: FieldSchema | null, modes: Modes): Convert {
  const kind = schema?.type ?? { precise: 'bytes', string: 'string', double: 'double' }[modes.decimal];
  if (kind === 'double')
    throw new Inexpressible('decimal.handling.mode=double has lost digits: precise or string keeps them');
  if (kind === 'string') return (value) => (typeof value === 'string' ? (named[value] ?? value) : wrong(typed));
  const scale = schema?.scale ?? scaleOf(typed.typmod);
  return (value) => {
    if (isObject(value)) {
      const { scale: own, value: bytes } = value;
      return own instanceof Digits && typeof bytes === 'string' ? decimal(bytes, Number(own.text)) : wrong(typed);
    }
    if (typeof value !== 'string') return wrong(typed);
    if (scale === null) throw new Inexpressible('the scale is neither in the record nor in the column’s type');
    return decimal(value, scale);
  };
}

/** Big-endian two's complement in base64. */
function decimal(base64: string, scale: number): string {
  const bytes = Buffer.from(base64, 'base64');
  const signed = BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex') || '0'}`));
  if (scale <= 0) return String(signed * 10n ** BigInt(-scale));
  const digits = String(signed < 0n ? -signed : signed).padStart(scale + 1, '0');
  return `${signed < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

function bytea(typed: Typed, schema: FieldSchema | null, modes: Modes): Convert {
  // With a schema `bytes` is base64; a string has one of the other modes, which only the option tells.
  const mode = schema?.type === 'bytes' ? 'bytes' : modes.binary;
  const encoding = mode === 'hex' ? 'hex' : mode === 'base64-url-safe' ? 'base64url' : 'base64';
  return (value) => (typeof value === 'string' ? `\\x${Buffer.from(value, encoding).toString('hex')}` : wrong(typed));
}

/** bit(1) is a boolean. Others are little-endian bytes up to the highest bit that is set: bit(n) knows its length, varbit does not. */
function bits({ oid, typmod, ...rest }: Typed): Convert {
  if (oid === oids.varbit) throw new Inexpressible('bit varying: zeros at its start are not in the record');
  return (value) => {
    if (typeof value === 'boolean') return value ? '1' : '0';
    if (typeof value !== 'string' || typmod < 1) return wrong({ oid, typmod, ...rest });
    const bytes = Buffer.from(value, 'base64').reverse();
    const digits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
    return digits.replace(/^0+/, '').padStart(typmod, '0');
  };
}

function pointText(value: Parsed, typed: Typed): string {
  if (!isObject(value)) return wrong(typed);
  const number = (of: Parsed | undefined) => (of instanceof Digits ? of.text : notFinite(of ?? null, typed));
  return `(${number(value['x'])},${number(value['y'])})`;
}

function interval(typed: Typed, schema: FieldSchema | null): Convert {
  const lost = 'interval.handling.mode=numeric has lost months and days: string keeps them';
  if (schema !== null && schema.type !== 'string') throw new Inexpressible(lost);
  return (value) => {
    if (value instanceof Digits) throw new Inexpressible(lost);
    return typeof value === 'string' ? value : wrong(typed);
  };
}

const adaptive = new Set<TimeMode>(['adaptive', 'adaptive_time_microseconds']);

/** Digits of a second in a count, from the schema's name or the mode; null: ISO-8601. */
function unitOf(typed: Typed, schema: FieldSchema | null, { time }: Modes): number | null {
  if (schema !== null) {
    if (schema.type === 'string') return null;
    if (schema.name?.includes('Micro') === true) return 6;
    return schema.name?.includes('Nano') === true ? 9 : 3;
  }
  if (time === 'isostring') return null;
  if (time === 'connect') return 3;
  if (time === 'nanoseconds') return 9;
  const short = typed.typmod >= 0 && typed.typmod <= 3;
  if (typed.oid === oids.time) return time === 'adaptive' && short ? 3 : 6;
  return adaptive.has(time) && short ? 3 : 6;
}

/** What Debezium makes of infinite values: numbers beyond what the types hold. */
const infiniteDays = new Map<string, string>([
  ...(['-622191234', '2146033979'] as const).map((days) => [days, 'infinity'] as const),
  ...(['-625821272', '-2147472691'] as const).map((days) => [days, '-infinity'] as const),
]);
const infiniteMoments = new Map<string, string>([
  ...['9223372036854775807', '9223372036825200000', '9223372036825200'].map((count) => [count, 'infinity'] as const),
  ...['-9223372036854775808', '-9223372036832400000', '-9223372036832400'].map((n) => [n, '-infinity'] as const),
]);

function ofTime(typed: Typed, schema: FieldSchema | null, modes: Modes): Convert | null {
  const { oid } = typed;
  const isoText = (zone: '' | '+00') => (value: Parsed) =>
    (typeof value === 'string' && (/^-?infinity$/.test(value) ? value : fromIso(value, zone))) || wrong(typed);
  const zoned = (value: Parsed, zone: string) =>
    typeof value === 'string' ? value.replace(/(\.\d*?)0*Z$/, '$1Z').replace(/\.?Z$/, zone) : wrong(typed);
  if (oid === oids.timestamptz) return isoText('+00');
  if (oid === oids.timetz) return (value) => zoned(value, '+00');
  if (oid !== oids.date && oid !== oids.time && oid !== oids.timestamp) return null;
  const unit = unitOf(typed, schema, modes);
  const short = typed.typmod >= 0 && typed.typmod <= 3;
  const connect = schema === null ? modes.time === 'connect' : schema.name?.startsWith('org.apache.kafka') === true;
  if (connect && !short && oid !== oids.date) {
    throw new Inexpressible('time.precision.mode=connect has lost microseconds: the other modes keep them');
  }
  if (unit === null) return oid === oids.time ? (value) => zoned(value, '') : isoText('');
  return (value) => {
    if (!(value instanceof Digits)) return wrong(typed);
    const { text } = value;
    if (oid === oids.date) return infiniteDays.get(text) ?? dateText(Number(text));
    if (oid === oids.time) return timeText(BigInt(text), unit);
    return infiniteMoments.get(text) ?? timestampText(BigInt(text), unit);
  };
}

const quoted = (text: string) => `"${text.replace(/[\\"]/g, '\\$&')}"`;

/** An object, or the text of one. */
function hstoreText(value: Parsed, typed: Typed): string {
  const object: unknown = typeof value === 'string' ? JSON.parse(value) : value;
  if (!isObject(object as Parsed)) return wrong(typed);
  const pairs = Object.entries(object as Readonly<Record<string, string | null>>);
  return pairs.map(([key, one]) => `${quoted(key)}=>${one === null ? 'NULL' : quoted(one)}`).join(', ');
}

function arrayText(one: Convert): Convert {
  const write = (value: Parsed): string => {
    if (value === null) return 'NULL';
    if (Array.isArray(value)) return `{${(value as readonly Parsed[]).map(write).join(',')}}`;
    return quoted(one(value as Exclude<Parsed, null>));
  };
  return (value) => {
    if (!Array.isArray(value)) throw new Inexpressible('the record has no array for the column');
    return write(value);
  };
}
