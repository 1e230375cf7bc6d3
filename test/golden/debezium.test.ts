import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokers, kafkaAvailable } from '../support/kafka.ts';
import { server } from '../support/servers.ts';
import { compareRecords, type Exception, type GoldenRecord } from './compare.ts';
import { goldenRecords, replay, type Setting } from './replay.ts';

const settings: readonly Setting[] = [
  { name: 'default', options: {}, withNan: false },
  {
    name: 'string',
    options: { decimal: 'string', interval: 'string', binary: 'base64', time: 'isostring' },
    withNan: true,
  },
  { name: 'double', options: { decimal: 'double', time: 'connect', binary: 'hex', hstore: 'map' }, withNan: true },
  { name: 'micro', options: { time: 'microseconds', binary: 'base64-url-safe' }, withNan: false },
  { name: 'nano', options: { time: 'nanoseconds' }, withNan: false },
  { name: 'atm', options: { time: 'adaptive_time_microseconds' }, withNan: false },
  { name: 'txmeta', options: { transaction_metadata: 'true' }, withNan: false },
  // Recorded through JsonConverter, too: the envelopes that CloudEventsConverter was given.
  { name: 'cloud', options: {}, withNan: false },
];

/** Debezium's own faults, which docs/kafka.md lists: nobody should repeat them. */
const faults: readonly Exception[] = [
  { table: 'zoo_num', column: 'nneg' },
  { table: 'zoo_text', column: 'nm', only: /"op":"[cud]"|"iodebeziumop":"[cud]"/ },
  { table: 'zoo_arr', column: 'tm' },
  { table: 'zoo_arr2', column: 'bt' },
  { table: 'zoo_arr2', column: 'en', only: /^\{"id":(1|1001)\}/ },
  { table: 'zoo_ext', column: 'la', only: /^\{"id":(4|1004)\}/ },
  { table: 'zoo_time', column: 'd', only: /^\{"id":[57]\}/ },
  { table: 'nndef', column: 'nul' },
  // Of now() and gen_random_uuid().
  { table: 'nndef', column: 'ts' },
  { table: 'nndef', column: 'u' },
];

/** Golden records less those of the pipeline that ran beside that Debezium, and those that Debezium should not have written. */
function wanted(golden: readonly GoldenRecord[]): GoldenRecord[] {
  const own = golden.filter(({ topic, key }) => topic.endsWith('.message') && key === '{"prefix":"pgsluice"}');
  const xids = new Set(own.map(({ value }) => /"txId":(\d+)/.exec(value!)![1]));
  return golden.flatMap((record) => {
    const { topic, key, value } = record;
    if (own.includes(record)) return [];
    if (topic.endsWith('.transaction') && xids.has(/^\{"id":"(\d+):/.exec(key!)![1])) return [];
    // The root of a partitioned table is read once more beside its leaves.
    if (topic.endsWith('.public.part')) return [];
    // The name of a class, where a table's would be.
    const named = value?.replace(/io\.debezium\.[\w.$]+@[0-9a-f]+/, 'message') ?? null;
    return [{ ...record, value: named }];
  });
}

/** Under REPLICA IDENTITY USING INDEX Debezium's key is the primary key, and {"id":0} in deletes; ours is the index's. */
function withoutIndexKeys(records: readonly GoldenRecord[]): readonly GoldenRecord[] {
  return records.map((record) => {
    if (!record.topic.endsWith('.ri_index')) return record;
    const headers = record.headers.map(([name, value]) => [name, name.endsWith('key') ? '*' : value] as const);
    const value = record.value?.replace(/"before":\{[^}]*\}/, '"before":*') ?? null;
    return { ...record, key: '*', value, headers };
  });
}

/** Ours without records of a table that the golden ones lack: in `nano` Debezium lost deletes of NOT NULL timestamps. */
function without(table: string, ours: readonly GoldenRecord[], golden: readonly GoldenRecord[]): GoldenRecord[] {
  const left = golden.filter(({ topic }) => topic.endsWith(table));
  const kind = ({ key, value }: GoldenRecord) => `${key} ${/"op":"\w"/.exec(value ?? '')?.[0]}`;
  return ours.filter((record) => {
    if (!record.topic.endsWith(table)) return true;
    if (left.length === 0 || kind(left[0]!) !== kind(record)) return false;
    left.shift();
    return true;
  });
}

if (await kafkaAvailable()) {
  const postgres = await server(15);
  const addresses = await brokers();
  for (const setting of settings) {
    test(`the records of Debezium 3.7.0, ${setting.name}: keys, values and headers are the same bytes`, async () => {
      const golden = wanted(await goldenRecords(setting.name));
      const { records, ends } = await replay(postgres, addresses, setting);
      const ours = setting.name === 'nano' ? without('.nn', records, golden) : records;
      const { records: compared, found } = compareRecords(withoutIndexKeys(golden), withoutIndexKeys(ours), faults);
      assert.deepEqual(found, []);
      assert.ok(compared >= 340, `${compared} records`);
      checkEnds(ours, ends);
    });
  }
}

/** The first position of `sequence` is the end of what pgoutput committed last before the record's own transaction. */
function checkEnds(records: readonly GoldenRecord[], ends: readonly bigint[]): void {
  let checked = 0;
  for (const { topic, value } of records) {
    const [, first, own] = /"sequence":"\[\\"(\d+)\\",\\"(\d+)\\"/.exec(value ?? '') ?? [];
    if (first === undefined) continue;
    const before = ends.filter((end) => end <= BigInt(own!)).at(-1);
    assert.equal(BigInt(first), before, `${topic} at ${own}`);
    checked++;
  }
  assert.ok(checked > 100, `${checked} positions`);
}
