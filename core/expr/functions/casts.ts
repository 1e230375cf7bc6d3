import type { SqlType } from '../expr.ts';
import { dataError, outOfRange, unsupportedForm } from '../errors.ts';
import { elementInfo, nameOf, type TypeName, types } from '../types.ts';
import { ArrayValue } from '../values/array.ts';
import { codecs, type Value, type Values } from '../values/codec.ts';
import * as dt from '../values/datetime.ts';
import {
  applyPrecision,
  type Decimal,
  encodeDecimal,
  fromInt,
  INFINITY,
  MINUS_INFINITY,
  NAN,
  parseDecimal,
  toInteger,
} from '../values/decimal.ts';
import { bigintToFloat4, parseFloat4, parseFloat8, rint, toFloat4 } from '../values/float.ts';
import { isArray, JsonNull, JsonNumber, JsonObject, type Json } from '../values/json.ts';
import { charLength, padBlanks, sliceChars, trimBlanks } from '../values/text.ts';

/**
 * pg_cast: which casts exist, and how they convert. `immutable` false: the conversion goes through text that settings
 * shape, though not in our sessions.
 */
export interface Cast {
  readonly context: 'implicit' | 'assignment' | 'explicit';
  readonly immutable: boolean;
  readonly convert: (value: Value) => Value | null;
}
const casts = new Map<string, Cast>();
const key = (from: string, to: string): string => `${from}>${to}`;

function def<A extends TypeName, B extends TypeName>(
  [from, to, context]: readonly [A, B, Cast['context']],
  convert: (value: Values[A]) => Values[B] | null,
  immutable = true,
): void {
  casts.set(key(from, to), { context, immutable, convert: convert as unknown as Cast['convert'] });
}

function defNumbers(): void {
  const toInt = (bits: number, label: string) => (value: bigint | number) => {
    const top = 2 ** (bits - 1);
    if (value < -top || value >= top) throw outOfRange(label);
    return Number(value);
  };
  const int2 = toInt(16, 'smallint');
  const int4 = toInt(32, 'integer');
  def(['int2', 'int4', 'implicit'], (a) => a);
  def(['int2', 'int8', 'implicit'], BigInt);
  def(['int4', 'int8', 'implicit'], BigInt);
  def(['int4', 'int2', 'assignment'], int2);
  def(['int8', 'int2', 'assignment'], int2);
  def(['int8', 'int4', 'assignment'], int4);
  for (const from of ['int2', 'int4', 'int8'] as const) {
    def([from, 'numeric', 'implicit'], (a) => fromInt(a));
    def([from, 'float8', 'implicit'], Number);
    def([from, 'float4', 'implicit'], (a) => (typeof a === 'bigint' ? bigintToFloat4(a) : Math.fround(a)));
  }
  def(['numeric', 'int2', 'assignment'], (a) => Number(toInteger(a, 16, 'smallint')));
  def(['numeric', 'int4', 'assignment'], (a) => Number(toInteger(a, 32, 'integer')));
  def(['numeric', 'int8', 'assignment'], (a) => toInteger(a, 64, 'bigint'));
  def(['numeric', 'float8', 'implicit'], (a) => parseFloat8(encodeDecimal(a)));
  def(['numeric', 'float4', 'implicit'], (a) => parseFloat4(encodeDecimal(a)));
  def(['float4', 'float8', 'implicit'], (a) => a);
  def(['float8', 'float4', 'assignment'], toFloat4);
  for (const from of ['float4', 'float8'] as const) {
    const rounded = (value: number, top: number, label: string): number => {
      const whole = rint(value);
      if (Number.isNaN(whole) || whole < -top || whole >= top) throw outOfRange(label);
      return whole === 0 ? 0 : whole;
    };
    def([from, 'int2', 'assignment'], (a) => rounded(a, 2 ** 15, 'smallint'));
    def([from, 'int4', 'assignment'], (a) => rounded(a, 2 ** 31, 'integer'));
    def([from, 'int8', 'assignment'], (a) => BigInt(rounded(a, 2 ** 63, 'bigint')));
    def([from, 'numeric', 'assignment'], (a) => floatToNumeric(a, from === 'float8' ? 15 : 6));
  }
  def(['int4', 'bool', 'explicit'], (a) => a !== 0);
  def(['bool', 'int4', 'explicit'], Number);
}

/** float8_numeric prints with DBL_DIG (FLT_DIG) significant digits first. */
function floatToNumeric(value: number, digits: number): Decimal {
  if (Number.isNaN(value)) return NAN;
  if (!Number.isFinite(value)) return value > 0 ? INFINITY : MINUS_INFINITY;
  const text = value.toExponential(digits - 1);
  return parseDecimal(text.replace(/(\.\d*?)0+e/, '$1e').replace('.e', 'e'));
}

const strings = ['text', 'varchar', 'bpchar', 'name'] as const;

/** Every type to text and back, through the type's output and input functions. */
function defTexts(): void {
  for (const { name } of types) {
    if ((strings as readonly string[]).includes(name)) continue;
    // Dates print and read by DateStyle, timestamptz by TimeZone as well, so the server marks them stable.
    const immutable = !['date', 'timestamp', 'timestamptz', 'interval'].includes(name);
    const encode = codecs[name].encode as (value: Value) => string;
    const input = codecs[name].input as (text: string) => Value;
    const print = name === 'bool' ? (value: Value) => (value === true ? 'true' : 'false') : encode;
    for (const target of ['text', 'varchar', 'bpchar'] as const) {
      casts.set(key(name, target), { context: 'assignment', immutable, convert: print });
      casts.set(key(target, name), { context: 'explicit', immutable, convert: (value) => input(value as string) });
    }
  }
  def(['varchar', 'text', 'implicit'], (a) => a);
  def(['text', 'varchar', 'implicit'], (a) => a);
  def(['bpchar', 'text', 'implicit'], trimBlanks);
  def(['bpchar', 'varchar', 'implicit'], trimBlanks);
  def(['text', 'bpchar', 'implicit'], (a) => a);
  def(['varchar', 'bpchar', 'implicit'], (a) => a);
  def(['name', 'text', 'implicit'], (a) => a);
  def(['name', 'varchar', 'assignment'], (a) => a);
}

function defDates(): void {
  def(['date', 'timestamp', 'implicit'], dt.dateToMicros);
  def(['timestamp', 'date', 'assignment'], dt.microsToDate);
}

/** jsonb to a scalar. */
function defJson(): void {
  const wrong = () => dataError('22023', 'cannot cast jsonb of another kind to this type');
  const scalar = (value: Json): Json => {
    if (value instanceof JsonNull)
      throw unsupportedForm('JSON null cast to a scalar: an error before 18, NULL from 18 on');
    return value;
  };
  const number = (value: Json): Decimal => {
    scalar(value);
    if (!(value instanceof JsonNumber)) throw wrong();
    return codecs.numeric.decode(value.text);
  };
  def(['jsonb', 'numeric', 'explicit'], number);
  def(['jsonb', 'int2', 'explicit'], (a) => Number(toInteger(number(a), 16, 'smallint')));
  def(['jsonb', 'int4', 'explicit'], (a) => Number(toInteger(number(a), 32, 'integer')));
  def(['jsonb', 'int8', 'explicit'], (a) => toInteger(number(a), 64, 'bigint'));
  def(['jsonb', 'float8', 'explicit'], (a) => parseFloat8(encodeDecimal(number(a))));
  def(['jsonb', 'float4', 'explicit'], (a) => parseFloat4(encodeDecimal(number(a))));
  def(['jsonb', 'bool', 'explicit'], (a) => {
    if (typeof scalar(a) !== 'boolean') throw wrong();
    return a as boolean;
  });
}

defTexts();
defNumbers();
defDates();
defJson();

/** A cast between types that we decode; elements of arrays are cast one by one. Null: we have no such cast. */
export function findCast(from: string, to: string): Cast | null {
  if (from.endsWith('[]') !== to.endsWith('[]')) return null;
  if (!from.endsWith('[]')) return casts.get(key(from, to)) ?? null;
  const element = casts.get(key(from.slice(0, -2), to.slice(0, -2)));
  if (element === undefined) return null;
  return {
    ...element,
    convert: (value) => mapArray(value as ArrayValue, element.convert),
  };
}
export function mapArray(array: ArrayValue, f: (value: Value) => Value | null): ArrayValue {
  return new ArrayValue(
    array.items.map((item) => (item === null ? null : f(item))),
    array.lengths,
    array.lower,
  );
}

/**
 * The length coercion that follows a cast to numeric(p,s), varchar(n), char(n), timestamp(p); explicit casts truncate.
 */
export function lengthCoercion(type: SqlType): ((value: Value) => Value) | null {
  const element = elementInfo(type.oid);
  if (element !== undefined) {
    const one = lengthCoercion({ oid: element.oid, typmod: type.typmod });
    return one === null ? null : (value) => mapArray(value as ArrayValue, one);
  }
  const { typmod } = type;
  if (typmod < 0) return null;
  const name = nameOf(type.oid);
  if (name === 'numeric') return (value) => applyPrecision(value as Decimal, typmod);
  if (name === 'varchar') return (value) => cut(value as string, typmod - 4);
  if (name === 'bpchar') return (value) => padBlanks(value as string, typmod);
  if (name === 'timestamp' || name === 'timestamptz') return (value) => dt.roundMicros(value as bigint, typmod);
  return null;
}
const cut = (text: string, length: number): string => (charLength(text) > length ? sliceChars(text, 0, length) : text);

/** The cast and the functions of json know the same kinds. */
export function jsonKind(value: Json): 'null' | 'boolean' | 'string' | 'number' | 'array' | 'object' {
  if (value instanceof JsonNull) return 'null';
  if (value instanceof JsonNumber) return 'number';
  if (value instanceof JsonObject) return 'object';
  if (isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'boolean' : 'string';
}
