import { type ConnectSchema, type Field, named, optional } from './connect-schema.ts';
import { releases } from '../records/releases.ts';
import type { TimeMode } from '../records/time.ts';

/* Schemas of values, as Debezium names them (io.debezium.data, io.debezium.time) and Kafka Connect (org.apache.kafka.connect.data). */

export const plain = {
  boolean: { type: 'boolean' },
  int8: { type: 'int8' },
  int16: { type: 'int16' },
  int32: { type: 'int32' },
  int64: { type: 'int64' },
  float: { type: 'float' },
  double: { type: 'double' },
  bytes: { type: 'bytes' },
  string: { type: 'string' },
} as const satisfies Readonly<Record<string, ConnectSchema>>;

const data = (name: string, version: number, fields: readonly Field[], doc?: string): ConnectSchema => ({
  type: 'struct',
  fields,
  name: `io.debezium.data.${name}`,
  version,
  ...(doc === undefined ? {} : { doc }),
});

export const json = named('string', 'io.debezium.data.Json');
export const uuid = named('string', 'io.debezium.data.Uuid');
export const xml = named('string', 'io.debezium.data.Xml');
export const ltree = named('string', 'io.debezium.data.Ltree');
export const tsvector = named('string', 'io.debezium.data.Tsvector');

export function enumOf(labels: readonly string[]): ConnectSchema {
  return named('string', 'io.debezium.data.Enum', { allowed: labels.join(',') });
}

export function bitsOf(length: number): ConnectSchema {
  return named('bytes', 'io.debezium.data.Bits', { length: String(length) });
}

/** `precision` null: not said, as of money. */
export function decimalOf(scale: number, precision: number | null): ConnectSchema {
  const more = precision === null ? {} : { 'connect.decimal.precision': String(precision) };
  return named('bytes', 'org.apache.kafka.connect.data.Decimal', { scale: String(scale), ...more });
}

export const variableScaleDecimal = data(
  'VariableScaleDecimal',
  1,
  [
    { name: 'scale', schema: plain.int32 },
    { name: 'value', schema: plain.bytes },
  ],
  'Variable scaled decimal',
);

export const hstoreMap: ConnectSchema = { type: 'map', keys: plain.string, values: optional(plain.string) };

const srid: Field = { name: 'srid', schema: optional(plain.int32) };
export const point = data(
  'geometry.Point',
  1,
  [
    { name: 'x', schema: plain.double },
    { name: 'y', schema: plain.double },
    { name: 'wkb', schema: optional(plain.bytes) },
    srid,
  ],
  'Geometry (POINT)',
);
export const line = data(
  'geometry.Line',
  1,
  ['a', 'b', 'c'].map((name) => ({ name, schema: plain.double })),
  'Geometry (LINE)',
);
export const circle = data(
  'geometry.Circle',
  1,
  [
    { name: 'center', schema: point },
    { name: 'radius', schema: plain.double },
  ],
  'Geometry (CIRCLE)',
);

const wkb: Field = { name: 'wkb', schema: plain.bytes };
export const geography = data('geometry.Geography', 1, [wkb, srid], 'Geography');

/** It is optional even where the column is not. */
export function geometryOf(version: number): ConnectSchema {
  const extended = version >= releases.shapes;
  const extensions: Field = {
    name: 'extensions',
    schema: optional({ type: 'map', keys: plain.string, values: plain.string }),
  };
  const fields = [wkb, srid, ...(extended ? [extensions] : [])];
  return optional(data('geometry.Geometry', extended ? 2 : 1, fields, 'Geometry'));
}

export const doubleVector: ConnectSchema = {
  type: 'array',
  items: plain.double,
  name: 'io.debezium.data.DoubleVector',
  version: 1,
};
export const floatVector: ConnectSchema = { ...doubleVector, items: plain.float, name: 'io.debezium.data.FloatVector' };
export const sparseVector = data(
  'SparseDoubleVector',
  1,
  [
    { name: 'dimensions', schema: plain.int16 },
    { name: 'vector', schema: { type: 'map', keys: plain.int16, values: plain.double } },
  ],
  'Sparse double vector',
);

const time = (type: 'int32' | 'int64' | 'string', name: string) => named(type, `io.debezium.time.${name}`);
const connect = (type: 'int32' | 'int64', name: string) => named(type, `org.apache.kafka.connect.data.${name}`);

export function dateOf(mode: TimeMode): ConnectSchema {
  if (mode === 'isostring') return time('string', 'IsoDate');
  return mode === 'connect' ? connect('int32', 'Date') : time('int32', 'Date');
}

/** time without time zone of a typmod. */
export function timeOf(mode: TimeMode, typmod: number): ConnectSchema {
  if (mode === 'isostring') return time('string', 'IsoTime');
  if (mode === 'connect') return connect('int32', 'Time');
  if (mode === 'nanoseconds') return time('int64', 'NanoTime');
  return mode === 'adaptive' && isShort(typmod) ? time('int32', 'Time') : time('int64', 'MicroTime');
}

/** timestamp without time zone of a typmod. */
export function timestampOf(mode: TimeMode, typmod: number): ConnectSchema {
  if (mode === 'isostring') return time('string', 'IsoTimestamp');
  if (mode === 'connect') return connect('int64', 'Timestamp');
  if (mode === 'nanoseconds') return time('int64', 'NanoTimestamp');
  const millis = (mode === 'adaptive' || mode === 'adaptive_time_microseconds') && isShort(typmod);
  return time('int64', millis ? 'Timestamp' : 'MicroTimestamp');
}

function isShort(typmod: number): boolean {
  return typmod >= 0 && typmod <= 3;
}

export const zonedTime = time('string', 'ZonedTime');
export const zonedTimestamp = time('string', 'ZonedTimestamp');
export const microDuration = time('int64', 'MicroDuration');
export const isoInterval = time('string', 'Interval');

const partTypes: Readonly<Record<string, ConnectSchema>> = {
  month: plain.int8,
  day: plain.int8,
  hour: plain.int8,
  minute: plain.int8,
  second: plain.int8,
  seconds: plain.int64,
  zoneId: plain.string,
  specialValue: plain.string,
};
const day = ['year', 'month', 'day'];
const clock = ['hour', 'minute', 'second', 'nanos'];
const structures = {
  StructuredDate: [...day, 'specialValue'],
  StructuredTime: [...clock, 'precision'],
  StructuredZonedTime: [...clock, 'offsetSeconds', 'precision'],
  StructuredTimestamp: [...day, ...clock, 'specialValue', 'precision'],
  StructuredZonedTimestamp: [...day, ...clock, 'offsetSeconds', 'zoneId', 'specialValue', 'precision'],
  StructuredDuration: ['years', 'months', 'days', 'hours', 'minutes', 'seconds', 'nanos', 'precision'],
} as const;

export type Structure = keyof typeof structures;

/** `time.precision.mode=structured`. */
export function structuredOf(name: Structure): ConnectSchema {
  const fields = structures[name].map((part) => ({ name: part, schema: optional(partTypes[part] ?? plain.int32) }));
  return { type: 'struct', fields, name: `io.debezium.time.${name}`, version: 1 };
}
