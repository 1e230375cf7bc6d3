import { createHash } from 'node:crypto';
import type { Column } from '../../../core/postgres/relation.ts';
import { kafkaError } from '../errors.ts';
import { arrayEncoder } from './array.ts';
import {
  type CellWriter,
  decimalWriter,
  timestamptzWriter,
  viaText,
  writeAsIs,
  writeBool,
  writeQuoted,
  writeString,
} from './cell-writer.ts';
import { type DecimalMode, decimalEncoder, moneyEncoder, scaleOf } from './decimal.ts';
import { javaDouble, jsonString } from './json.ts';
import {
  type BinaryMode,
  binaryEncoder,
  bits,
  geometry,
  hstoreEncoder,
  point,
  sparseVector,
  vector,
} from './special.ts';
import {
  dateEncoder,
  intervalEncoder,
  type TimeMode,
  timeEncoder,
  timestampEncoder,
  timestamptzEncoder,
  timetz,
} from './time.ts';

export interface TypeModes {
  readonly decimal: DecimalMode;
  readonly time: TimeMode;
  readonly binary: BinaryMode;
  readonly interval: 'numeric' | 'string';
  readonly hstore: 'json' | 'map';
  readonly unknown: 'text' | 'omit' | 'error';
  /** What stands for a large value that the server did not send. */
  readonly unavailable: string;
}

/** How the values of one column become JSON text. All members are JSON. */
export interface ColumnType {
  readonly encode: (text: string) => string;
  /** The same, from bytes to bytes. */
  readonly write: CellWriter;
  /** In place of a value that was not sent (I7). */
  readonly unavailable: string;
  /** What Debezium writes in a delete's `before` for a NOT NULL column that is not in the key. */
  readonly fallback: string;
}

interface Typed {
  readonly type: number;
  readonly typmod: number;
  /** Type name without schema, typmod and brackets. */
  readonly name: string;
  readonly column: string;
}

// biome-ignore format: pairs read better in rows
/** pg_type.oid of array types to that of their elements (pg_type.dat; fixed on every server). */
const elements: ReadonlyMap<number, number> = new Map([
  [1000, 16], [1001, 17], [1002, 18], [1003, 19], [1005, 21], [1007, 23], [1009, 25], [1014, 1042], [1015, 1043],
  [1016, 20], [1017, 600], [1021, 700], [1022, 701], [1028, 26], [1040, 829], [1041, 869], [651, 650], [1115, 1114],
  [1182, 1082], [1183, 1083], [1185, 1184], [1187, 1186], [1231, 1700], [1270, 1266], [1561, 1560], [1563, 1562],
  [2951, 2950], [199, 114], [3807, 3802], [791, 790], [143, 142],
]);

/** Types that are written as the server's text. */
const textual = new Set([
  18, 19, 25, 114, 142, 650, 829, 774, 869, 1042, 1043, 2950, 3614, 3615, 3802, 4072, 3904, 3906, 3908, 3910, 3912,
  3926, 4451, 4532, 4533, 4534, 4535, 4536,
]);
const textualNames = new Set(['citext', 'ltree', 'lquery', 'ltxtquery', 'isbn', 'issn', 'ean13', 'upc', 'ismn']);

/** The mapping of a column; null: it is left out (`unknown_types: omit`). */
export function columnType(column: Column, modes: TypeModes): ColumnType | null {
  const bare = bareName(column.typeName);
  const array = column.typeName.endsWith('[]') || column.typeKind === 'array' || elements.has(column.baseType);
  const typed: Typed = {
    type: array ? (elements.get(column.baseType) ?? 0) : column.baseType,
    typmod: column.typmod,
    name: bare,
    column: column.name,
  };
  const kind = array ? 'base' : column.typeKind;
  const one = kind === 'enum' || kind === 'range' || kind === 'multirange' ? text(modes) : scalar(typed, modes);
  if (one === null) {
    if (array && !elements.has(column.baseType)) return arrayOf(text(modes), typed, modes);
    return unknown(column, modes);
  }
  return array ? arrayOf(one, typed, modes) : one;
}

function unknown(column: Column, modes: TypeModes): ColumnType | null {
  if (modes.unknown === 'omit') return null;
  if (modes.unknown === 'text') return text(modes);
  throw kafkaError('PGS5009', `column ${column.name} has type ${column.typeName}, which has no mapping`);
}

function text(modes: TypeModes): ColumnType {
  return { encode: jsonString, write: writeString, unavailable: jsonString(modes.unavailable), fallback: '""' };
}

function of(encode: (text: string) => string, fallback: string, unavailable = 'null'): ColumnType {
  return { encode, write: viaText(encode), fallback, unavailable };
}

/** With a way of its own from bytes to bytes. */
function direct(type: ColumnType, write: CellWriter): ColumnType {
  return { ...type, write };
}

const asIs = (value: string) => value;
const bool = (value: string) => (value === 't' ? 'true' : 'false');
const bit1 = (value: string) => (value === '1' ? 'true' : 'false');

/** Null: no mapping. */
function scalar(typed: Typed, modes: TypeModes): ColumnType | null {
  const placeholder = JSON.stringify(Buffer.from(modes.unavailable).toString('base64'));
  const { type, typmod } = typed;
  switch (type) {
    case 16:
      return direct(of(bool, 'false'), writeBool);
    case 20:
    case 21:
    case 23:
    case 26:
      return direct(of(asIs, '0'), writeAsIs);
    case 700:
    case 701:
      return of(javaDouble, '0.0');
    case 1700: {
      const scale = scaleOf(typmod);
      const encode = decimalEncoder(modes.decimal, scale, typed.column);
      const decimal = of(encode, encode('0'), numericPlaceholder(modes, typmod, placeholder));
      if (modes.decimal === 'string') return direct(decimal, writeQuoted);
      const exact = modes.decimal === 'precise' && scale !== null && scale >= 0;
      return exact ? direct(decimal, decimalWriter(scale, encode)) : decimal;
    }
    case 790:
      return of(moneyEncoder(modes.decimal), moneyEncoder(modes.decimal)('0.00'));
    case 17: {
      const encode = binaryEncoder(modes.binary);
      return of(encode, '""', encode(`\\x${Buffer.from(modes.unavailable).toString('hex')}`));
    }
    case 1560:
    case 1562:
      return typmod === 1 && type === 1560 ? of(bit1, 'false') : of(bits, '""', placeholder);
    default:
      return temporal(typed, modes) ?? named(typed, modes);
  }
}

function numericPlaceholder(modes: TypeModes, typmod: number, placeholder: string): string {
  if (modes.decimal === 'precise') return scaleOf(typmod) === null ? `{"scale":0,"value":${placeholder}}` : placeholder;
  return jsonString(modes.unavailable);
}

function temporal({ type, typmod }: Typed, modes: TypeModes): ColumnType | null {
  const iso = modes.time === 'isostring';
  switch (type) {
    case 1082:
      return of(dateEncoder(modes.time), iso ? '"1970-01-01Z"' : '0');
    case 1083:
      return of(timeEncoder(modes.time, typmod), iso ? '"00:00:00Z"' : '0');
    case 1114:
      return of(timestampEncoder(modes.time, typmod), iso ? '"1970-01-01T00:00:00Z"' : '0');
    case 1184: {
      const encode = timestamptzEncoder(typmod);
      return direct(of(encode, '"1970-01-01T00:00:00Z"'), timestamptzWriter(typmod, encode));
    }
    case 1266:
      return of(timetz, '"00:00:00Z"');
    case 1186:
      return of(intervalEncoder(modes.interval), modes.interval === 'numeric' ? '0' : '"P0Y0M0DT0H0M0S"');
    default:
      return null;
  }
}

function named({ type, name }: Typed, modes: TypeModes): ColumnType | null {
  const ph = modes.unavailable;
  if (type === 114 || type === 3802) return { ...text(modes), fallback: '"{}"' };
  if (textual.has(type) || textualNames.has(name)) return text(modes);
  if (type === 600) return of(point, point('(0,0)'));
  const wkb = `{"wkb":${JSON.stringify(Buffer.from(ph).toString('base64'))},"srid":null}`;
  if (name === 'geometry' || name === 'geography') return of(geometry, '{"wkb":"","srid":null}', wkb);
  if (name === 'hstore') {
    const encode = hstoreEncoder(modes.hstore);
    const quoted = jsonString(ph);
    const map = `{${quoted}:${quoted}}`;
    return of(encode, encode(''), modes.hstore === 'map' ? map : jsonString(map));
  }
  if (name === 'vector' || name === 'halfvec') return of(vector, '[]', byteList(ph));
  if (name === 'sparsevec') return of(sparseVector, '{"dimensions":0,"vector":[]}', '{"dimensions":0,"vector":[]}');
  return null;
}

function arrayOf(element: ColumnType, typed: Typed, modes: TypeModes): ColumnType {
  return of(arrayEncoder(element.encode), '[]', arrayPlaceholder(element, typed.type, modes.unavailable));
}

/** The placeholder as an array of the element's type: numbers take its bytes, uuid a name-based UUID of it. */
function arrayPlaceholder(element: ColumnType, type: number, placeholder: string): string {
  if (type === 2950) return `["${nameUuid(placeholder)}"]`;
  if ([20, 21, 23, 26, 700, 701, 1082, 1083, 1114, 1186].includes(type)) return byteList(placeholder);
  return `[${element.unavailable}]`;
}

function byteList(placeholder: string): string {
  return `[${[...Buffer.from(placeholder)].join(',')}]`;
}

/** Version 3 UUID of the bytes alone, as java.util.UUID.nameUUIDFromBytes makes it. */
function nameUuid(name: string): string {
  const hash = createHash('md5').update(name).digest();
  hash[6] = ((hash[6] as number) & 0x0f) | 0x30;
  hash[8] = ((hash[8] as number) & 0x3f) | 0x80;
  return hash.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** `public."My type"(3)[]` without schema, arguments and brackets. */
function bareName(typeName: string): string {
  const name = typeName.replace(/(\[\])+$/, '').replace(/\([^)]*\)/, '');
  return (name.split('.').at(-1) ?? name).replaceAll('"', '');
}
