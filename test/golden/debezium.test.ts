import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokers, kafkaAvailable } from '../support/kafka.ts';
import { server } from '../support/servers.ts';
import { compareRecords, type GoldenRecord } from './compare.ts';
import { faults, wanted, without, withoutIndexKeys } from './exceptions.ts';
import { goldenRecords, replay } from './replay.ts';
import { settings } from './settings.ts';

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
