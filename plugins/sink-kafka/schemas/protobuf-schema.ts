import type { ConnectSchema, Field, StructSchema } from './connect-schema.ts';
import { fieldName, fullName, splitName } from './names.ts';

/*
 * proto3 schemas as Confluent's ProtobufData makes them of Connect's, with two differences that keep data whole: what may be NULL is
 * `optional`, and the number of a column's field is its attribute number, which PostgreSQL never gives again.
 */

/** Types of Connect that are messages of known files. */
const known: ReadonlyMap<string, readonly [type: string, file: string]> = new Map([
  ['org.apache.kafka.connect.data.Decimal', ['confluent.type.Decimal', 'confluent/type/decimal.proto']],
  ['org.apache.kafka.connect.data.Date', ['google.type.Date', 'google/type/date.proto']],
  ['org.apache.kafka.connect.data.Time', ['google.type.TimeOfDay', 'google/type/timeofday.proto']],
  ['org.apache.kafka.connect.data.Timestamp', ['google.protobuf.Timestamp', 'google/protobuf/timestamp.proto']],
]);

/** Confluent's; its registry has the file, others are given it. */
export const decimalFile = {
  name: 'confluent/type/decimal.proto',
  text: `syntax = "proto3";
package confluent.type;

message Decimal {
  bytes value = 1;
  uint32 precision = 2;
  int32 scale = 3;
}
`,
} as const;

/** More columns than a table can have: numbers of fields that are no column of the source come behind. */
const beyondColumns = 1600;

/** Numbers of a message's fields. */
export function fieldNumbers(fields: readonly Field[]): readonly number[] {
  const tagged = fields.some(({ tag }) => tag !== undefined);
  let others = tagged ? beyondColumns : 0;
  return fields.map(({ tag }) => tag ?? ++others);
}

/** Whether a value that is there can be told from one that is not. */
export function isOptionalScalar({ type, name, optional }: ConnectSchema): boolean {
  return optional === true && type !== 'struct' && type !== 'array' && type !== 'map' && !known.has(name ?? '');
}

interface Context {
  readonly imports: Set<string>;
  /** Names of the messages that are in reach here. */
  readonly messages: readonly Map<string, string>[];
}

export interface ProtobufSchema {
  readonly text: string;
  readonly imports: ReadonlySet<string>;
}

export function protobufSchema(schema: StructSchema): ProtobufSchema {
  const [namespace, name] = splitName(fullName(schema.name ?? 'ConnectDefault1'));
  const context: Context = { imports: new Set(), messages: [] };
  const message = messageOf(name, schema.fields, context);
  const imports = [...context.imports].map((file) => `import "${file}";\n`);
  const text =
    `syntax = "proto3";\n${namespace === null ? '' : `package ${namespace};\n`}\n` +
    `${imports.join('')}${imports.length === 0 ? '' : '\n'}${message}`;
  return { text, imports: context.imports };
}

function messageOf(name: string, fields: readonly Field[], context: Context): string {
  const inner = { ...context, messages: [...context.messages, new Map<string, string>()] };
  const nested: string[] = [];
  const numbers = fieldNumbers(fields);
  const lines = fields.map((field, i) => {
    const type = labelled(field, inner, nested);
    return `${type} ${fieldName(field.name)} = ${numbers[i]};\n`;
  });
  return `message ${name} {\n${indented([...lines, ...nested].join(''))}}\n`;
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}

function labelled({ name, schema }: Field, context: Context, nested: string[]): string {
  if (schema.type === 'array') return `repeated ${typeOf(schema.items, name, { context, nested })}`;
  const type = typeOf(schema, name, { context, nested });
  return isOptionalScalar(schema) ? `optional ${type}` : type;
}

interface Into {
  readonly context: Context;
  /** Messages that are defined beside the field. */
  readonly nested: string[];
}

const scalars = {
  boolean: 'bool',
  int8: 'int32',
  int16: 'int32',
  int32: 'int32',
  int64: 'int64',
  float: 'float',
  double: 'double',
  bytes: 'bytes',
  string: 'string',
} as const;

function typeOf(schema: ConnectSchema, field: string, into: Into): string {
  const message = known.get(schema.name ?? '');
  if (message !== undefined) {
    into.context.imports.add(message[1]);
    return message[0];
  }
  switch (schema.type) {
    case 'struct':
      return structType(schema, field, into);
    case 'map':
      return `map<${typeOf(schema.keys, field, into)}, ${typeOf(schema.values, field, into)}>`;
    case 'array':
      throw new Error('an array of arrays is no type of a column');
    default:
      return scalars[schema.type];
  }
}

function structType(schema: StructSchema, field: string, { context, nested }: Into): string {
  const full = schema.name ?? '';
  for (const scope of context.messages.toReversed()) {
    const name = scope.get(full);
    if (name !== undefined) return name;
  }
  const [, plain] = splitName(fullName(full));
  // A message and a field of one name cannot be side by side.
  const name = plain === fieldName(field) ? `${plain}Message` : plain;
  context.messages.at(-1)?.set(full, name);
  nested.push(messageOf(name, schema.fields, context));
  return name;
}
