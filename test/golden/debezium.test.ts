import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokers, kafkaAvailable } from '../support/kafka.ts';
import { long, onlyLong } from '../support/long.ts';
import { server } from '../support/servers.ts';
import { compareRecords, type GoldenRecord } from './compare.ts';
import { faults, wanted, without, withoutGarbled, withoutIndexKeys, withoutNested } from './exceptions.ts';
import { recorded } from './recorded.ts';
import { type Replayed, replay } from './replay.ts';
import { checkNested, checkSchemas, payloads } from './schemas.ts';
import { type Recording, recordings } from './settings.ts';

/** GOLDEN=more,mix1: these settings alone. */
const asked = process.env['GOLDEN']?.split(',');
const chosen = recordings.filter(({ name }) => asked?.includes(name) ?? true);

/** Settings of one database are the sinks of one pipeline; in the long form each has a pipeline of its own. */
const groups = Map.groupBy(chosen, ({ name, form, database = 'zoo', withNan }) =>
  long ? `${name} ${form}` : `${database} ${withNan}`,
);

/** Which commit was the last before: Debezium ran alone here, and a pipeline writes messages of its own between statements. */
const ofTheRun = /\.later #\d+ end \d+ stands for/;

if (await kafkaAvailable()) {
  const postgres = await server(15);
  const addresses = await brokers();
  for (const group of groups.values()) {
    let replayed: Promise<Replayed> | null = null;
    for (const recording of group) {
      const { name, form, database, release = '3.7.0.Final' } = recording;
      // Its 50 tables take a minute.
      const skip = database === 'odd' && asked === undefined ? onlyLong : false;
      test(`${name}, ${form}: keys, values, headers and schemas are the bytes of Debezium ${release}`, {
        skip,
      }, async () => {
        replayed ??= replay(postgres, addresses, group);
        const { records, ends } = await replayed;
        const ours = records.get(recording)!;
        const golden = await recorded(recording);
        if (form === 'json_schema') checkWithSchemas(recording, golden, ours);
        else checkEnds(checkRecords(recording, golden, ours), ends);
      });
    }
  }
}

const changed = /"op":"[cudtm]"/;

/**
 * Debezium's first transaction had none before it. Ours has one where a look of the pipeline at the source wrote its message before the
 * first row: the end of that, the lowest of all, then stands for null.
 */
function fromNothing(golden: readonly GoldenRecord[], ours: readonly GoldenRecord[]): readonly GoldenRecord[] {
  const isFirst = ({ value }: GoldenRecord) => changed.test(value ?? '') && /"sequence":"\[null,/.test(value!);
  if (!golden.some(isFirst) || ours.some(isFirst)) return ours;
  const ends = ours.flatMap(({ value }) => /"sequence":"\[\\"(\d+)\\",/.exec(value ?? '')?.[1] ?? []).map(BigInt);
  const first = `"sequence":"[\\"${ends.reduce((a, b) => (a < b ? a : b))}\\",`;
  return ours.map((record) => ({ ...record, value: record.value?.replaceAll(first, '"sequence":"[null,') ?? null }));
}

/** The records that were compared. */
function checkRecords(
  { name, database = 'zoo' }: Recording,
  golden: readonly GoldenRecord[],
  ours: readonly GoldenRecord[],
): readonly GoldenRecord[] {
  const theirs = wanted(golden);
  const kept = name === 'nano' ? without('.nn', ours, theirs) : ours;
  const clear = (of: readonly GoldenRecord[]) => withoutGarbled(withoutIndexKeys(withoutNested(of)));
  const { records, found } = compareRecords(clear(theirs), fromNothing(clear(theirs), clear(kept)), faults);
  assert.deepEqual(
    found.filter((each) => !ofTheRun.test(each)),
    [],
  );
  for (const { value } of kept) checkNumbers(value ?? '');
  assert.ok(records >= (database === 'zoo' ? 340 : 20), `${records} records`);
  return kept;
}

/** No number that a reader of int64 does not take. */
function checkNumbers(value: string): void {
  for (const [, digits] of value.matchAll(/[:[,](-?\d{19,})(?=[,\]}])/g))
    assert.equal(BigInt.asIntN(64, BigInt(digits!)), BigInt(digits!), value);
}

function checkWithSchemas(recording: Recording, golden: readonly GoldenRecord[], ours: readonly GoldenRecord[]): void {
  checkRecords(recording, payloads(golden), payloads(ours));
  if (recording.database === 'more') checkNested(payloads(ours));
  const schemas = checkSchemas(withoutGarbled(golden), withoutGarbled(ours));
  assert.ok(schemas >= (recording.database === undefined ? 70 : 5), `${schemas} schemas`);
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
