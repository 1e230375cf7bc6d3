import { jsonString } from '../records/json.ts';

/*
 * Kafka Connect's schemas (org.apache.kafka.connect.data.Schema), from which those of JsonConverter, Avro and Protobuf are made.
 */

export type PrimitiveType = 'boolean' | 'int8' | 'int16' | 'int32' | 'int64' | 'float' | 'double' | 'bytes' | 'string';

/** What any schema may say of itself; an absent member is said nowhere. */
export interface Traits {
  readonly optional?: boolean;
  readonly name?: string;
  readonly version?: number;
  readonly doc?: string;
  readonly parameters?: Readonly<Record<string, string>>;
  /** JSON text of the default. */
  readonly default?: string;
}

export interface Field {
  readonly name: string;
  readonly schema: ConnectSchema;
  /** A number that stays the field's own, whatever comes and goes beside it. */
  readonly tag?: number;
}

export type ConnectSchema = Traits &
  (
    | { readonly type: PrimitiveType }
    | { readonly type: 'array'; readonly items: ConnectSchema }
    | { readonly type: 'map'; readonly keys: ConnectSchema; readonly values: ConnectSchema }
    | { readonly type: 'struct'; readonly fields: readonly Field[] }
  );
export type StructSchema = Extract<ConnectSchema, { type: 'struct' }>;

export function optional<S extends ConnectSchema>(schema: S): S {
  return { ...schema, optional: true };
}

/** A named type in its first version, as nearly all of Debezium's are. */
export function named(type: PrimitiveType, name: string, parameters?: Traits['parameters']): ConnectSchema {
  return { type, name, version: 1, ...(parameters === undefined ? {} : { parameters }) };
}

/** As JsonConverter writes it with schemas.enable=true: the order of the members is its. */
export function schemaJson(schema: ConnectSchema): string {
  return `{${members(schema)}}`;
}

function members(schema: ConnectSchema): string {
  const { name, version, doc, parameters } = schema;
  let out = `"type":"${schema.type}"${inner(schema)},"optional":${schema.optional ?? false}`;
  if (name !== undefined) out += `,"name":${jsonString(name)}`;
  if (version !== undefined) out += `,"version":${version}`;
  if (doc !== undefined) out += `,"doc":${jsonString(doc)}`;
  if (parameters !== undefined) {
    const written = Object.entries(parameters).map(([key, value]) => `${jsonString(key)}:${jsonString(value)}`);
    out += `,"parameters":{${written.join(',')}}`;
  }
  if (schema.default !== undefined) out += `,"default":${schema.default}`;
  return out;
}

function inner(schema: ConnectSchema): string {
  switch (schema.type) {
    case 'array':
      return `,"items":${schemaJson(schema.items)}`;
    case 'map':
      return `,"keys":${schemaJson(schema.keys)},"values":${schemaJson(schema.values)}`;
    case 'struct':
      return `,"fields":[${schema.fields.map(fieldJson).join(',')}]`;
    default:
      return '';
  }
}

function fieldJson({ name, schema }: Field): string {
  return `{${members(schema)},"field":${jsonString(name)}}`;
}
