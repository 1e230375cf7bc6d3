import assert from 'node:assert/strict';
import { test } from 'node:test';
import avro from 'avsc';
import protobuf from 'protobufjs';
import { ByteWriter } from '../../../../core/base/byte-writer.ts';
import { daysFromCivil } from '../../../../plugins/sink-kafka/records/time.ts';
import { avroCodec } from '../../../../plugins/sink-kafka/schemas/avro-codec.ts';
import { avroSchema } from '../../../../plugins/sink-kafka/schemas/avro-schema.ts';
import {
  type ConnectSchema,
  schemaJson,
  type StructSchema,
} from '../../../../plugins/sink-kafka/schemas/connect-schema.ts';
import { fieldName } from '../../../../plugins/sink-kafka/schemas/names.ts';
import { protobufCodec } from '../../../../plugins/sink-kafka/schemas/protobuf-codec.ts';
import { decimalFile, protobufSchema } from '../../../../plugins/sink-kafka/schemas/protobuf-schema.ts';
import { type PartCodec, RecordCodec } from '../../../../plugins/sink-kafka/schemas/record-codec.ts';
import { encoded, sampleSettings, samples } from '../../../support/connect-samples.ts';

/*
 * What a Debezium wrote with its schemas (test/golden/debezium), in Avro and Protobuf, is read with libraries that know nothing of this
 * code: the values are those of the JSON.
 */

/** Numbers as bigint where they are whole. */
function exact(json: string): unknown {
  return JSON.parse(json, (_, value: unknown, context?: { readonly source?: string }) =>
    typeof value === 'number' && /^-?\d+$/.test(context!.source!) ? BigInt(context!.source!) : value,
  );
}

/** Of a JSON value: what a reader should have. */
function meant(schema: ConnectSchema, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  switch (schema.type) {
    case 'bytes':
      return Buffer.from(value as string, 'base64').toString('hex');
    case 'int8':
    case 'int16':
    case 'int32':
    case 'int64':
      return String(value);
    case 'float':
      return Math.fround(Number(value));
    case 'double':
      return Number(value);
    case 'array':
      return (value as unknown[]).map((item) => meant(schema.items, item));
    case 'map':
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, meant(schema.values, item)]));
    case 'struct':
      return Object.fromEntries(
        schema.fields.map((field) => [
          fieldName(field.name),
          meant(field.schema, (value as Record<string, unknown>)[field.name]),
        ]),
      );
    default:
      return value;
  }
}

/** Of what avsc gives. */
function read(schema: ConnectSchema, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  switch (schema.type) {
    case 'bytes':
      return Buffer.from(value as Uint8Array).toString('hex');
    case 'int8':
    case 'int16':
    case 'int32':
    case 'int64':
      return String(value);
    case 'array':
      return (value as unknown[]).map((item) => read(schema.items, item));
    case 'map':
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, read(schema.values, item)]));
    case 'struct':
      return Object.fromEntries(
        schema.fields.map(({ name, schema: of }) => [
          fieldName(name),
          read(of, (value as Record<string, unknown>)[fieldName(name)]),
        ]),
      );
    default:
      return value;
  }
}

const longs = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a === b ? 0 : a < b ? -1 : 1),
});

function avroType(text: string): avro.Type {
  return avro.Type.forSchema(JSON.parse(text) as avro.Schema, {
    typeHook: (schema) => (schema === 'long' || (schema as { type?: string }).type === 'long' ? longs : undefined),
    // Properties with the names of logical types are kept beside what they annotate.
    logicalTypes: {},
    omitRecordMethods: true,
  });
}

for (const setting of sampleSettings) {
  test(`schemas are read as they are written, ${setting}`, async () => {
    for (const { schema, schemaText } of await samples(setting)) assert.equal(schemaJson(schema), schemaText);
  });

  test(`Avro of the records of Debezium, ${setting}`, async () => {
    const made = new Map<ConnectSchema, { type: avro.Type; codec: PartCodec }>();
    const all = await samples(setting);
    for (const { topic, schema, json } of all) {
      let by = made.get(schema);
      if (by === undefined) {
        by = { type: avroType(avroSchema(schema)), codec: avroCodec(schema, 77) };
        made.set(schema, by);
      }
      const bytes = encoded(by.codec, json);
      assert.equal(bytes.readUInt8(0), 0);
      assert.equal(bytes.readUInt32BE(1), 77);
      const { value, offset } = by.type.decode(bytes, 5) as { value: unknown; offset: number };
      assert.equal(offset, bytes.length, topic);
      assert.deepEqual(read(schema, value), meant(schema, exact(json)), topic);
    }
    assert.ok(all.length > 500, `${all.length} keys and values`);
  });

  test(`Protobuf of the records of Debezium, ${setting}`, async () => {
    const made = new Map<ConnectSchema, { type: protobuf.Type; codec: PartCodec }>();
    for (const { topic, schema, json } of await samples(setting)) {
      let by = made.get(schema);
      if (by === undefined) {
        by = { type: protobufType(schema), codec: protobufCodec(schema, 78) };
        made.set(schema, by);
      }
      // Lists of Protobuf hold no NULL.
      if (/\[(?:[^"\]]*,)?null/.test(json) || /[[,]null[\],]/.test(json)) continue;
      const bytes = encoded(by.codec, json);
      assert.deepEqual(bytes.subarray(0, 6), Buffer.from([0, 0, 0, 0, 78, 0]));
      const value = by.type.decode(bytes.subarray(6));
      assert.deepEqual(readMessage(schema, value), asMessage(schema, exact(json)), topic);
    }
  });
}

const wellKnown = {
  'google/type/date.proto':
    'syntax = "proto3"; package google.type; message Date { int32 year = 1; int32 month = 2; int32 day = 3; }',
  'google/type/timeofday.proto':
    'syntax = "proto3"; package google.type; message TimeOfDay { int32 hours = 1; int32 minutes = 2; int32 seconds = 3; int32 nanos = 4; }',
  'google/protobuf/timestamp.proto':
    'syntax = "proto3"; package google.protobuf; message Timestamp { int64 seconds = 1; int32 nanos = 2; }',
  [decimalFile.name]: decimalFile.text,
} as const satisfies Readonly<Record<string, string>>;

function protobufType(schema: StructSchema): protobuf.Type {
  const { text, imports } = protobufSchema(schema);
  const root = new protobuf.Root();
  for (const file of imports) protobuf.parse(wellKnown[file as keyof typeof wellKnown], root, { keepCase: true });
  const parsed = protobuf.parse(text, root, { keepCase: true });
  const name = schema.name!.split('.').at(-1)!;
  return root.lookupType(parsed.package === null || parsed.package === undefined ? name : `${parsed.package}.${name}`);
}

type Message = Readonly<Record<string, unknown>>;

/** A field that is not there is null, or an empty list. */
function readMessage(schema: StructSchema, message: Message): Message {
  return Object.fromEntries(
    schema.fields.map(({ name, schema: of }) => {
      const field = fieldName(name);
      const there = Object.hasOwn(message, field);
      if (of.type === 'array')
        return [field, ((message[field] ?? []) as unknown[]).map((item) => readField(of.items, item))];
      if (of.type === 'map') return [field, meant(of, message[field] ?? {})];
      // What is not optional has its type's default where it is not there.
      return [field, there || of.optional !== true ? readField(of, message[field]) : null];
    }),
  );
}

function readField(schema: ConnectSchema, value: unknown): unknown {
  switch (schema.name) {
    case 'org.apache.kafka.connect.data.Decimal': {
      const { value: bytes, scale } = value as { value: Uint8Array; scale: number };
      return `${Buffer.from(bytes).toString('hex')}e${scale}`;
    }
    case 'org.apache.kafka.connect.data.Date': {
      const { year, month, day } = value as { year: number; month: number; day: number };
      return String(daysFromCivil(year, month, day));
    }
    case 'org.apache.kafka.connect.data.Time': {
      const { hours, minutes, seconds, nanos } = value as Readonly<Record<string, number>>;
      return String(((hours! * 60 + minutes!) * 60 + seconds!) * 1000 + nanos! / 1e6);
    }
    case 'org.apache.kafka.connect.data.Timestamp': {
      const { seconds, nanos } = value as { seconds: unknown; nanos: number };
      return String(BigInt(String(seconds)) * 1000n + BigInt(nanos / 1e6));
    }
    default:
      return schema.type === 'struct' ? readMessage(schema, value as Message) : read(schema, value);
  }
}

function asMessage(schema: StructSchema, value: unknown): Message {
  const row = value as Message;
  return Object.fromEntries(
    schema.fields.map(({ name, schema: of }) => {
      const item = row[name];
      if (of.type === 'array')
        return [fieldName(name), ((item ?? []) as unknown[]).map((one) => asField(of.items, one))];
      if (of.type === 'map') return [fieldName(name), withoutNulls(of, item ?? {})];
      return [fieldName(name), item === null ? null : asField(of, item)];
    }),
  );
}

/** The value of an entry that has none is an empty text. */
function withoutNulls(schema: ConnectSchema, value: unknown): unknown {
  const read = meant(schema, value) as Message;
  return Object.fromEntries(Object.entries(read).map(([key, item]) => [key, item ?? '']));
}

function asField(schema: ConnectSchema, value: unknown): unknown {
  if (schema.name === 'org.apache.kafka.connect.data.Decimal') {
    return `${String(meant(schema, value))}e${schema.parameters!['scale']}`;
  }
  return schema.type === 'struct' ? asMessage(schema, value) : meant(schema, value);
}

const inNotNull: StructSchema = {
  type: 'struct',
  name: 'x.Value',
  fields: [
    { name: 'n', schema: { type: 'int32' } },
    { name: 'list', schema: { type: 'array', items: { type: 'int32', optional: true }, optional: true } },
  ],
};

test('what a schema does not allow is refused, not written', () => {
  const codecs = { avro: avroCodec(inNotNull, 1), protobuf: protobufCodec(inNotNull, 1) };
  for (const codec of Object.values(codecs)) {
    assert.throws(() => encoded(codec, '{"n":null,"list":null}'), { code: 'PGS5007', message: /^n has a null/ });
    assert.throws(() => encoded(codec, '{"n":1,"list":[[1,2],[3]]}'), {
      code: 'PGS5007',
      message: /^list has an array of more than one dimension/,
    });
    assert.throws(() => encoded(codec, '{"n":1}'), /not of the form of its schema/);
  }
  assert.throws(() => encoded(codecs.protobuf, '{"n":1,"list":[1,null]}'), {
    code: 'PGS5007',
    message: /^an array in list has a null/,
  });
  assert.equal(encoded(codecs.avro, '{"n":1,"list":[1,null]}').subarray(5).toString('hex'), '02020402020000');
});

test('a record has its key and value in the forms of the file, and a tombstone no value', () => {
  const memory = { to: new ByteWriter(), text: new ByteWriter() };
  const key: StructSchema = { type: 'struct', name: 'x.Key', fields: [{ name: 'id', schema: { type: 'int64' } }] };
  const codec = new RecordCodec({ key: avroCodec(key, 258), value: null }, memory);
  const { bytes, keyLength, end, hasValue } = codec.text('{"id":-9223372036854775808}', '{"a":1}');
  assert.equal(bytes.subarray(0, keyLength).toString('hex'), `0000000102${'ff'.repeat(9)}01`);
  assert.equal(bytes.toString('utf8', keyLength, end), '{"a":1}');
  assert.equal(hasValue, true);
  const tombstone = codec.text('{"id":1}', null);
  assert.deepEqual([tombstone.keyLength, tombstone.end, tombstone.hasValue], [6, 6, false]);
  assert.equal(codec.text(null, '{}').keyLength, -1);
});

test('numbers of fields stay when a column goes', () => {
  const column = (name: string, tag?: number) => ({
    name,
    schema: { type: 'int32' } as const,
    ...(tag === undefined ? {} : { tag }),
  });
  const text = (fields: StructSchema['fields']) => protobufSchema({ type: 'struct', name: 'a.b.Value', fields }).text;
  assert.match(text([column('a', 1), column('b', 2), column('c', 3), column('made')]), /c = 3;\n  int32 made = 1601;/);
  assert.match(text([column('a', 1), column('c', 3), column('made')]), /a = 1;\n  int32 c = 3;\n  int32 made = 1601;/);
});
