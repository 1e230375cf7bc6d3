import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { ByteWriter } from '../../core/base/byte-writer.ts';
import type { ConnectSchema, StructSchema } from '../../plugins/sink-kafka/schemas/connect-schema.ts';
import type { PartCodec } from '../../plugins/sink-kafka/schemas/record-codec.ts';
import { short } from './long.ts';

/** Keys and values that a Debezium wrote with their schemas (test/golden/debezium), by setting; the first hold every type. */
export const sampleSettings = short(3, ['structured', 'double', 'txmeta', 'default', 'string', 'micro', 'nano', 'atm']);

export interface Sample {
  readonly topic: string;
  readonly schema: StructSchema;
  readonly schemaText: string;
  readonly json: string;
}

type Part = readonly [schema: number, payload: string] | null;

export async function samples(setting: string): Promise<readonly Sample[]> {
  const file = join(import.meta.dirname, '..', 'golden', 'debezium', `${setting}.schemas.jsonl.br`);
  const [first, ...lines] = brotliDecompressSync(await readFile(file))
    .toString()
    .trimEnd()
    .split('\n');
  const texts = JSON.parse(first!) as string[];
  const schemas = texts.map((text) => schemaOf(JSON.parse(text) as Written) as StructSchema);
  return lines.flatMap((line) => {
    const { topic, key, value } = JSON.parse(line) as { topic: string; key: Part; value: Part };
    return [key, value].flatMap((part) =>
      part === null ? [] : [{ topic, schema: schemas[part[0]]!, schemaText: texts[part[0]]!, json: part[1] }],
    );
  });
}

interface Written {
  readonly type: string;
  readonly items?: Written;
  readonly keys?: Written;
  readonly values?: Written;
  readonly fields?: readonly (Written & { readonly field: string })[];
  readonly default?: unknown;
}

/** Of a schema as JsonConverter writes it. */
function schemaOf(written: Written): ConnectSchema {
  const { items, keys, values, fields, ...rest } = written;
  return {
    ...rest,
    ...(items === undefined ? {} : { items: schemaOf(items) }),
    ...(keys === undefined ? {} : { keys: schemaOf(keys) }),
    ...(values === undefined ? {} : { values: schemaOf(values) }),
    ...(fields === undefined
      ? {}
      : { fields: fields.map(({ field, ...schema }) => ({ name: field, schema: schemaOf(schema) })) }),
    ...(written.default === undefined ? {} : { default: JSON.stringify(written.default) }),
  } as ConnectSchema;
}

/** What a codec makes of JSON. */
export function encoded(codec: PartCodec, json: string): Buffer {
  const [from, to] = [new ByteWriter(), new ByteWriter()];
  from.text(json);
  codec.encode(to, from, 0, from.at);
  return Buffer.from(to.bytes.subarray(0, to.at));
}
