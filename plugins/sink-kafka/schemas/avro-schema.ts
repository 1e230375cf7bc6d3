import { plainJsonString } from '../records/json.ts';
import type { ConnectSchema, Field } from './connect-schema.ts';
import { fieldName, fullName, splitName } from './names.ts';

/*
 * Avro schemas as Confluent's AvroData makes them of Connect's: members in its order, so that the registry knows them as the same.
 */

/** Namespace of what has no name of its own. */
const confluent = 'io.confluent.connect.avro';
/** Of which Avro has none. */
const small: ReadonlySet<string> = new Set(['int8', 'int16']);

/** Names of the types that Connect shares with Avro; a decimal has more to say. */
const logicalTypes: ReadonlyMap<string, string> = new Map([
  ['org.apache.kafka.connect.data.Date', 'date'],
  ['org.apache.kafka.connect.data.Time', 'time-millis'],
  ['org.apache.kafka.connect.data.Timestamp', 'timestamp-millis'],
]);
const decimalName = 'org.apache.kafka.connect.data.Decimal';
/** What a decimal without a precision has. */
const defaultPrecision = 64;

/** Names defined so far; within one namespace they are written short. */
interface Context {
  readonly defined: Set<string>;
  readonly namespace: string | null;
}

export function avroSchema(schema: ConnectSchema): string {
  return typeOf(schema, { defined: new Set(), namespace: null });
}

/** A union where it is optional: the first branch is that of the default. */
function typeOf(schema: ConnectSchema, context: Context): string {
  const base = baseOf(schema, context);
  if (schema.optional !== true) return base;
  return nullFirst(schema) ? `["null",${base}]` : `[${base},"null"]`;
}

/** Whether `null` is the first branch of an optional schema. */
export function nullFirst(schema: ConnectSchema): boolean {
  return schema.default === undefined || schema.type === 'struct';
}

const primitives = {
  boolean: 'boolean',
  int8: 'int',
  int16: 'int',
  int32: 'int',
  int64: 'long',
  float: 'float',
  double: 'double',
  bytes: 'bytes',
  string: 'string',
} as const;

function baseOf(schema: ConnectSchema, context: Context): string {
  switch (schema.type) {
    case 'struct':
      return recordOf(schema, context);
    case 'array':
      return `{"type":"array","items":${typeOf(schema.items, context)}${traits(schema)}}`;
    case 'map':
      return mapOf(schema, context);
    default: {
      const props = decimalProps(schema) + traits(schema) + logical(schema);
      const type = primitives[schema.type];
      return props === '' ? `"${type}"` : `{"type":"${type}"${props}}`;
    }
  }
}

function recordOf(schema: Extract<ConnectSchema, { type: 'struct' }>, context: Context): string {
  const name = fullName(schema.name ?? `${confluent}.ConnectDefault`);
  return define(name, schema.fields, { context, more: traits(schema) });
}

/** Avro's keys are strings; others make it a list of entries. */
function mapOf(schema: Extract<ConnectSchema, { type: 'map' }>, context: Context): string {
  if (schema.keys.type === 'string') {
    return `{"type":"map","values":${typeOf(schema.values, context)}${traits(schema)}}`;
  }
  const fields = [
    { name: 'key', schema: schema.keys },
    { name: 'value', schema: schema.values },
  ];
  return `{"type":"array","items":${define(`${confluent}.MapEntry`, fields, { context, more: '' })}${traits(schema)}}`;
}

function define(
  full: string,
  fields: readonly Field[],
  { context, more }: { readonly context: Context; readonly more: string },
): string {
  const [namespace, name] = splitName(full);
  if (context.defined.has(full)) return `"${namespace === context.namespace ? name : full}"`;
  context.defined.add(full);
  const space = namespace === context.namespace || namespace === null ? '' : `,"namespace":"${namespace}"`;
  const inner = { defined: context.defined, namespace };
  const written = fields.map((field) => fieldOf(field, inner));
  return `{"type":"record","name":"${name}"${space},"fields":[${written.join(',')}]${more}}`;
}

function fieldOf({ name, schema }: Field, context: Context): string {
  const type = typeOf(schema, context);
  const value = schema.default === undefined ? (schema.optional === true ? 'null' : null) : defaultOf(schema);
  return `{"name":"${fieldName(name)}","type":${type}${value === null ? '' : `,"default":${value}`}}`;
}

/** Bytes are a string of characters up to U+00FF there. */
function defaultOf(schema: ConnectSchema): string {
  const text = schema.default as string;
  if (schema.type === 'bytes') {
    return plainJsonString(Buffer.from(JSON.parse(text) as string, 'base64').toString('latin1'));
  }
  if (schema.type === 'string') return plainJsonString(JSON.parse(text) as string);
  if (schema.type !== 'struct') return text;
  // The only struct of a column with a default.
  const { scale, value } = JSON.parse(text) as { scale: number; value: string };
  return `{"scale":${scale},"value":${plainJsonString(Buffer.from(value, 'base64').toString('latin1'))}}`;
}

function decimalProps({ name, parameters }: ConnectSchema): string {
  if (name !== decimalName) return '';
  return `,"scale":${Number(parameters?.['scale'])},"precision":${precisionOf(parameters)}`;
}

function precisionOf(parameters: ConnectSchema['parameters']): number {
  return Number(parameters?.['connect.decimal.precision'] ?? defaultPrecision);
}

/** Properties in which Connect's own words are kept. */
function traits(schema: ConnectSchema): string {
  const { name, version, doc, parameters } = schema;
  let out = '';
  if (doc !== undefined) out += `,"connect.doc":${plainJsonString(doc)}`;
  if (version !== undefined) out += `,"connect.version":${version}`;
  if (parameters !== undefined) {
    const written = Object.entries(parameters).map(
      ([key, value]) => `${plainJsonString(key)}:${plainJsonString(value)}`,
    );
    out += `,"connect.parameters":{${written.join(',')}}`;
  }
  if (schema.default !== undefined) out += `,"connect.default":${defaultOf(schema)}`;
  if (name !== undefined) out += `,"connect.name":"${fullName(name)}"`;
  if (small.has(schema.type)) out += `,"connect.type":"${schema.type}"`;
  return out;
}

function logical({ name }: ConnectSchema): string {
  if (name === undefined) return '';
  const type = name === decimalName ? 'decimal' : logicalTypes.get(name);
  return type === undefined ? '' : `,"logicalType":"${type}"`;
}
