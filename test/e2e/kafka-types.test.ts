import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cli, pipelineFile } from '../support/cli.ts';
import { brokers, kafkaAvailable } from '../support/kafka.ts';
import { type ReadRecord, readAll } from '../support/kafka-read.ts';
import { onlyLong } from '../support/long.ts';
import { registry } from '../support/registry.ts';
import { database, server } from '../support/servers.ts';
import { literal, typesOf, typesSetup } from '../support/types-values.ts';

/** The schemas of these have no form for lists of lists, nor for some NULLs in lists (PGS5007); lists are in the registry's tests. */
const withSchemas: ReadonlySet<string> = new Set(['avro', 'protobuf']);
const isList = (type: string): boolean => /\[\]|\bints\b|vector$/.test(type);

const missing = onlyLong || ((await kafkaAvailable()) ? false : 'there is no broker');
const there = missing === false ? await registry() : 'no registry is started';

test('every type passes every format, in the copy and in the stream', {
  skip: missing || (typeof there === 'string' ? there : false),
  timeout: 3_000_000,
}, async () => {
  const major = 18;
  const types = typesOf(major);
  const source = await database(await server(major), 'types');
  await source.query(
    `${typesSetup} ${types.map(({ type }, i) => `CREATE TABLE v${i} (id int PRIMARY KEY, v ${type})`).join(';')}`,
  );
  const fill = (from: number) =>
    types.flatMap(({ type, values }, i) => [
      ...values.map((value, k) => `INSERT INTO v${i} VALUES (${from + k}, ${literal(value)}::${type})`),
      `INSERT INTO v${i} VALUES (${from + 99}, NULL)`,
    ]);
  await source.query(fill(0).join(';'));
  const addresses = await brokers();
  const url = (there as { readonly url: string }).url;
  const fileOf = (format: string, without: readonly string[]) => {
    const name = `${source.name}_${format}`;
    const form =
      format === 'pgsluice'
        ? `format: pgsluice, topic: "${name}"`
        : `key_format: ${format}, value_format: ${format}, topic: "${name}.{table}"${withSchemas.has(format) ? `, registry: { url: "${url}" }` : ''}`;
    return pipelineFile(`
pipeline: ${name}
source:
  plugin: postgres
  url: "${source.url}"
  tables: { include: ["public.*"]${without.length > 0 ? `, exclude: [${without.join(', ')}]` : ''} }
sinks: [{ plugin: kafka, brokers: [${addresses.join(', ')}], partitions: 1, ${form} }]
checkpoint: { plugin: file, path: ./state.json }
`);
  };
  const run = async (file: string) => cli(['run', file, '--stop-at', 'now', '--log', 'json']);

  const files = new Map<string, string>();
  const lists = types.flatMap(({ type }, i) => (isList(type) ? [`public.v${i}`] : []));
  for (const format of ['json', 'json_schema', 'pgsluice', 'avro', 'protobuf']) {
    const file = await fileOf(format, withSchemas.has(format) ? lists : []);
    const { code, stderr } = await run(file);
    assert.equal(code, 0, `${format}: ${stderr}`);
    files.set(format, file);
  }
  await source.query(fill(100).join(';'));
  for (const [format, file] of files) {
    const { code, stderr } = await run(file);
    assert.equal(code, 0, `${format}: ${stderr}`);
  }

  // A value says the same in the copy and in the stream, but for infinite dates, as docs/kafka.md has it.
  const told = await readAll(
    addresses,
    types.map((_, i) => `${source.name}_json.v${i}`),
  );
  const values = Map.groupBy(told, ({ topic }) => topic);
  for (const [i, { type, values: given }] of types.entries()) {
    const after = new Map((values.get(`${source.name}_json.v${i}`) ?? []).map(imageOf));
    assert.equal(after.size, 2 * (given.length + 1), type);
    for (const [k, value] of given.entries())
      if (!(type === 'date' && value.endsWith('infinity')))
        assert.equal(after.get(k), after.get(k + 100), `${type} ${value}`);
  }
});

/** The id, and the text of all else of the new row. */
function imageOf({ value }: ReadRecord): readonly [number, string] {
  assert.ok(JSON.parse(value!));
  const [, id, rest] = /"after":\{"id":(\d+),(.*?)\},"source":/s.exec(value!)!;
  return [Number(id), rest!];
}
