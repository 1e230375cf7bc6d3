import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { brokers, kafkaAvailable } from '../support/kafka.ts';
import { long } from '../support/long.ts';
import { ownServer } from '../support/servers.ts';
import { compareRecords, type GoldenRecord } from './compare.ts';
import { faults, wanted, without, withoutIndexKeys, withoutNested } from './exceptions.ts';
import { replay } from './replay.ts';
import { mixtures, others, settings } from './settings.ts';

/** `schemas.enable=true`; the file's form is that of recorder/record.ts. */
async function goldenWithSchemas(setting: string): Promise<GoldenRecord[]> {
  const file = join(import.meta.dirname, 'debezium', `${setting}.schemas.jsonl.gz`);
  const [first, ...lines] = gunzipSync(await readFile(file))
    .toString()
    .trimEnd()
    .split('\n');
  const schemas = JSON.parse(first!) as string[];
  type Part = readonly [schema: number, payload: string] | null;
  const text = (part: Part) => (part === null ? null : `{"schema":${schemas[part[0]]},"payload":${part[1]}}`);
  return lines.map((line) => {
    const { key, value, ...record } = JSON.parse(line) as GoldenRecord & { key: Part; value: Part };
    return { ...record, key: text(key), value: text(value) };
  });
}

const frame = /^\{"schema":(.*?),"payload":(.*)\}$/s;
const payload = (text: string | null) => (text === null ? null : frame.exec(text)![2]!);
const payloads = (records: readonly GoldenRecord[]) =>
  records.map((record) => ({ ...record, key: payload(record.key), value: payload(record.value) }));

/** Of each topic the schemas of its keys and of its values, in the order in which they came. */
function schemasOf(records: readonly GoldenRecord[], part: 'key' | 'value'): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const record of records) {
    const text = record[part];
    if (text === null) continue;
    const known = found.get(record.topic) ?? [];
    const schema = frame.exec(text)![1]!;
    if (!known.includes(schema)) known.push(schema);
    found.set(record.topic, known);
  }
  return found;
}

/** Where Debezium's schema is a fault of its own: fields that are compared by their names alone. */
const wrongFields: readonly (readonly [table: string, field: string])[] = [
  // A scale of -2 as 11 bits without their sign.
  ['zoo_num', 'nneg'],
  // The schema of one value, where values are arrays.
  ['zoo_arr2', 'bt'],
  // The stream takes this type for text that is no column's.
  ['zoo_text', 'nm'],
];

function withoutWrongFields(topic: string, schema: string): string {
  const table = topic.slice(topic.lastIndexOf('.') + 1);
  const names = wrongFields.filter(([of]) => of === table).map(([, field]) => field);
  if (names.length === 0) return schema;
  return JSON.stringify(JSON.parse(schema), (_, member: { readonly field?: string } | null) =>
    names.includes(member?.field ?? '') ? member?.field : member,
  );
}

/** Arrays of more dimensions are nested lists, whatever their bounds. */
function checkNested(records: readonly GoldenRecord[]): void {
  const rows = records.filter(({ topic, value }) => topic.endsWith('.dims') && /"op":"[rc]"/.test(value ?? ''));
  const values = rows.map(({ value }) => (JSON.parse(value!) as { after: Record<string, unknown> }).after);
  assert.deepEqual(
    values.map(({ id }) => id),
    [1, 2, 1001, 1002],
  );
  for (const { i2, i8, t, vc, en } of [values[0]!, values[2]!]) {
    const i8s = [
      [[1], [2]],
      [[3], [4]],
    ];
    const texts = [
      ['a', null],
      ['c d', ''],
    ];
    assert.deepEqual(
      [i2, i8, t, vc, en],
      [
        [
          [1, 2],
          [3, 4],
        ],
        i8s,
        texts,
        [['a', 'b']],
        [['light', 'dark']],
      ],
    );
  }
  for (const { i2, i4, t, vc } of [values[1]!, values[3]!])
    assert.deepEqual([i2, i4, t, vc], [[[1, 2]], [[null]], [['x']], null]);
}

/** Which commit was the last before: Debezium ran alone here, and a pipeline writes messages of its own between statements. */
const ofTheRun = /\.later #\d+ end \d+ stands for/;

if (await kafkaAvailable()) {
  // Names of databases are fixed, and those of debezium.test.ts, which runs beside this, are the same.
  const postgres = await ownServer(15);
  const addresses = await brokers();
  const short = new Set(['string', 'mix1', 'mix3', 'more']);
  const asked = process.env['GOLDEN_SCHEMAS']?.split(',');
  const all = [...settings, ...mixtures, ...others].filter(({ name }) => name !== 'cloud');
  const chosen = all.filter(({ name }) => asked?.includes(name) ?? (long || short.has(name)));
  for (const setting of chosen) {
    test(`json_schema, ${setting.name}: schemas and payloads of JsonConverter with schemas.enable=true`, async () => {
      const all = await goldenWithSchemas(setting.name);
      const options = { ...setting.options, key_format: 'json_schema', value_format: 'json_schema' };
      const { records } = await replay(postgres, addresses, { ...setting, options });
      const golden = wanted(payloads(all));
      const ours = payloads(records);
      const kept = setting.name === 'nano' ? without('.nn', ours, golden) : ours;
      const clear = (of: readonly GoldenRecord[]) => withoutIndexKeys(withoutNested(of));
      const { records: compared, found } = compareRecords(clear(golden), clear(kept), faults);
      assert.deepEqual(
        found.filter((each) => !ofTheRun.test(each)),
        [],
      );
      const zoo = setting.database === undefined || setting.database === 'older';
      assert.ok(compared >= (zoo ? 340 : 20), `${compared} records`);
      if (setting.database === 'more') checkNested(ours);
      let schemas = 0;
      for (const part of ['key', 'value'] as const) {
        const [theirs, own] = [schemasOf(all, part), schemasOf(records, part)];
        for (const [topic, list] of theirs) {
          // The root of a partitioned table is read once more; under USING INDEX our key is the index's.
          if (topic.endsWith('.public.part') || (topic.endsWith('.ri_index') && part === 'key')) continue;
          const clean = (of: readonly string[]) => of.map((schema) => withoutWrongFields(topic, schema));
          assert.deepEqual(clean(own.get(topic) ?? []), clean(list), `${part} of ${topic}`);
          schemas += list.length;
        }
      }
      assert.ok(schemas >= (zoo ? 70 : 5), `${schemas} schemas`);
    });
  }
}
