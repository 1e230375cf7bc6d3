import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change } from '../../../../core/api/change.ts';
import type { Finding } from '../../../../core/api/check.ts';
import type { DeadLetters, Refused } from '../../../../core/api/dead-letter.ts';
import type { PgsluiceError } from '../../../../core/base/error.ts';
import type { KafkaOptions } from '../../../../plugins/sink-kafka/options.ts';
import { partitionOf } from '../../../../plugins/sink-kafka/murmur2.ts';
import { KafkaSink } from '../../../../plugins/sink-kafka/sink.ts';
import { brokers, kafkaAvailable, unique } from '../../../support/kafka.ts';
import { readAll } from '../../../support/kafka-read.ts';
import {
  batch,
  column,
  context,
  insert,
  kafkaOptionsOf,
  never,
  notes,
  plan,
  relation,
  rowCopy,
  transaction,
} from '../../../support/kafka-batches.ts';

const clients = ['kafkajs', 'platformatic'] as const;
const table = notes();

async function sinkOf(
  pipeline: string,
  options: Partial<KafkaOptions> = {},
  deadLetters?: DeadLetters,
): Promise<KafkaSink> {
  const more = deadLetters === undefined ? {} : { deadLetters };
  return KafkaSink.create(kafkaOptionsOf({ brokers: await brokers(), ...options }), { ...context(pipeline), ...more });
}
const preparation = {
  plans: [plan(table)],
  excluded: [],
  dumpSchema: () => Promise.reject(new Error('not asked for')),
  sourceVersion: 170000,
};

if (await kafkaAvailable()) {
  for (const client of clients) {
    for (const delivery of ['at_least_once', 'exactly_once'] as const) {
      test(`snapshot and stream, ${client}, ${delivery}`, async () => {
        const pipeline = unique();
        await using sink = await sinkOf(pipeline, { client, delivery, partitions: 3 });
        await sink.snapshot.prepare(preparation);
        await sink.snapshot.begin(plan(table), 2);
        const rows = Array.from({ length: 500 }, (_, n) => [String(n), `note ${n}`]);
        const loads = [0, 1].map((n) =>
          sink.snapshot.load(plan(table), rowCopy(table, rows.slice(n * 250, n * 250 + 250), n), never),
        );
        assert.deepEqual(
          (await Promise.all(loads)).map(({ rows: count }) => count),
          [250n, 250n],
        );
        assert.equal(await sink.stream.resume(never), null);
        for (let n = 1; n <= 5; n++) {
          const tx = transaction(n);
          const receipt = await sink.stream.write(batch([insert(table, tx, [String(n), `changed ${n}`])]), never);
          assert.deepEqual(receipt, { status: 'durable', upTo: tx.finalLsn + 8n });
        }
        assert.equal(
          await sink.stream.resume(never),
          delivery === 'exactly_once' ? transaction(5).finalLsn + 8n : null,
        );

        const records = await readAll(await brokers(), [`${pipeline}.public.notes`]);
        assert.equal(records.length, 505);
        const folded = new Map<string, string>();
        for (const { key, value, partition } of records) {
          assert.equal(partition, partitionOf(Buffer.from(key ?? ''), 3));
          folded.set(key ?? '', (JSON.parse(value ?? '') as { after: { note: string } }).after.note);
        }
        assert.equal(folded.size, 500);
        assert.equal(folded.get('{"id":5}'), 'changed 5');
        assert.equal(folded.get('{"id":6}'), 'note 6');
      });
    }

    test(`a transaction in two batches is acknowledged at its boundary only, ${client}`, async () => {
      const pipeline = unique();
      await using sink = await sinkOf(pipeline, { client, delivery: 'exactly_once' });
      await sink.stream.resume(never);
      const tx = transaction(1);
      assert.deepEqual(await sink.stream.write(batch([insert(table, tx, ['1', 'a'])], { open: true }), never), {
        status: 'accepted',
      });
      assert.equal((await readAll(await brokers(), [`${pipeline}.public.notes`])).length, 0);
      const receipt = await sink.stream.write(batch([insert(table, tx, ['2', 'b'])]), never);
      assert.equal(receipt.status, 'durable');
      assert.equal((await readAll(await brokers(), [`${pipeline}.public.notes`])).length, 2);
    });

    test(`a second instance fences the first, ${client}`, async () => {
      const pipeline = unique();
      await using first = await sinkOf(pipeline, { client, delivery: 'exactly_once' });
      await first.stream.resume(never);
      await first.stream.write(batch([insert(table, transaction(1), ['1', 'a'])]), never);
      await first.stream.write(batch([insert(table, transaction(2), ['2', 'lost'])], { open: true }), never);
      await using second = await sinkOf(pipeline, { client, delivery: 'exactly_once' });
      assert.equal(await second.stream.resume(never), transaction(1).finalLsn + 8n);
      await assert.rejects(first.stream.write(batch([insert(table, transaction(3), ['3', 'lost'])]), never), {
        code: 'PGS5013',
      });
      await second.stream.write(batch([insert(table, transaction(2), ['2', 'b'])]), never);
      const records = await readAll(await brokers(), [`${pipeline}.public.notes`]);
      assert.deepEqual(records.map(({ key }) => key).sort(), ['{"id":1}', '{"id":2}']);
    });
  }

  test('records larger than the topic takes: an error, or a dead letter that can be replayed', async () => {
    const huge = insert(table, transaction(1), ['1', 'x'.repeat(5000)]);
    const small = insert(table, transaction(1), ['2', 'y']);
    const limit = { topic_config: { 'max.message.bytes': 4000 }, partitions: 1 };
    const pipeline = unique();
    await using strict = await sinkOf(pipeline, limit);
    await strict.stream.resume(never);
    await assert.rejects(strict.stream.write(batch([small, huge]), never), { code: 'PGS5010' });

    const refused: Refused[] = [];
    const letters: DeadLetters = { passed: () => {}, refuse: async (more) => void refused.push(...more) };
    for (const delivery of ['at_least_once', 'exactly_once'] as const) {
      await using lenient = await sinkOf(unique(), { ...limit, delivery, headers: { team: 'crm' } }, letters);
      await lenient.stream.resume(never);
      assert.equal((await lenient.stream.write(batch([huge, small]), never)).status, 'durable');
    }
    const [first] = refused;
    assert.deepEqual([refused.length, first?.error.code, first?.change], [2, 'PGS5010', huge]);
    const [record] = (first?.record ?? []) as unknown as {
      topic: string;
      key: string;
      value: string;
      headers: unknown;
    }[];
    assert.match(record?.topic ?? '', /public\.notes$/);
    assert.equal(record?.key, '{"id":1}');
    assert.match(record?.value ?? '', /"note":"x{5000}"/);
    assert.equal((record?.headers as { team?: string } | undefined)?.team, 'crm');
    await using stops = await sinkOf(unique(), { ...limit, oversize: 'error' }, letters);
    await stops.stream.resume(never);
    await assert.rejects(stops.stream.write(batch([huge]), never), { code: 'PGS5010' });
  });

  test('values and types that cannot be written: an error with table and position, or a dead letter, also of the snapshot', async () => {
    const money = relation('prices', [column('id', 20, { notNull: true }), column('price', 1700)]);
    const odd = relation('odd', [column('id', 20), column('shape', 99_999)]);
    const tx = transaction(1);
    const changes = [
      insert(money, tx, ['1', 'NaN']),
      insert(money, tx, ['2', '1.5']),
      insert(odd, tx, ['1', 'a']),
      insert(table, tx, ['1', 'a']),
    ];
    const options = {
      unknown_types: 'error',
      not_finite: 'error',
      transaction_metadata: true,
      partitions: 1,
    } as const;
    await using strict = await sinkOf(unique(), options);
    for (const [change, code] of [
      [changes[0], 'PGS5007'],
      [changes[2], 'PGS5009'],
    ] as const) {
      await strict.stream.resume(never);
      await assert.rejects(strict.stream.write(batch([change as Change]), never), (error: PgsluiceError) => {
        assert.deepEqual([error.code, error.where.lsn], [code, '0/10F0']);
        assert.match(error.where.table ?? '', /^public\.(prices|odd)$/);
        return true;
      });
    }

    const refused: Refused[] = [];
    let passed = 0;
    const letters: DeadLetters = {
      passed: (count) => void (passed += count),
      refuse: async (more) => void refused.push(...more),
    };
    const pipeline = unique();
    await using lenient = await sinkOf(pipeline, options, letters);
    await lenient.snapshot.prepare({ ...preparation, plans: [plan(money), plan(odd)] });
    for (const one of [money, odd]) {
      await lenient.snapshot.begin(plan(one), 1);
      const rows = [
        ['7', 'NaN'],
        ['8', '2.5'],
      ];
      await lenient.snapshot.load(plan(one), rowCopy(one, rows), never);
    }
    const codes = () =>
      refused.splice(0).map(({ error, change }) => {
        return `${error.code} ${change.kind} ${change.kind === 'delete' ? '' : String(change.after[0])}`;
      });
    assert.deepEqual([codes(), passed], [['PGS5007 read 7', 'PGS5009 read 7', 'PGS5009 read 8'], 1]);
    await lenient.stream.resume(never);
    assert.equal((await lenient.stream.write(batch(changes), never)).status, 'durable');
    assert.deepEqual([codes(), passed], [['PGS5007 insert 1', 'PGS5009 insert 1'], 3]);
    const at = async (name: string) => (await readAll(await brokers(), [`${pipeline}.${name}`])).map(({ key }) => key);
    assert.deepEqual(await at('public.prices'), ['{"id":8}', '{"id":2}']);
    assert.deepEqual(await at('public.notes'), ['{"id":1}']);
    const [, end] = await readAll(await brokers(), [`${pipeline}.transaction`]);
    assert.match(end?.value ?? '', /"event_count":2,/, 'whoever counts does not wait for a dead letter');
  });

  test('letters in a topic', async () => {
    const pipeline = unique();
    await using sink = await sinkOf(pipeline);
    await using store = await sink.deadLetterTopic(`${pipeline}.dead`);
    const letter = (n: number) => ({ sink: 'warehouse', table: 'public.a', code: 'PGS3102', json: `{"n":${n}}` });
    await store.write([letter(1), letter(2)]);
    await store.write([letter(3)]);
    const records = await readAll(await brokers(), [`${pipeline}.dead`]);
    assert.deepEqual(
      records.map(({ value }) => value),
      ['{"n":1}', '{"n":2}', '{"n":3}'],
    );
    assert.deepEqual(records[0]?.headers, {
      'pgsluice.sink': 'warehouse',
      'pgsluice.table': 'public.a',
      'pgsluice.code': 'PGS3102',
    });
  });

  test('records that fit alone but not together go in requests of their own', async () => {
    const pipeline = unique();
    const limit = { topic_config: { 'max.message.bytes': 4000 }, partitions: 1 };
    await using sink = await sinkOf(pipeline, limit);
    await sink.stream.resume(never);
    const changes = Array.from({ length: 20 }, (_, n) => insert(table, transaction(1), [String(n), 'x'.repeat(1500)]));
    await sink.stream.write(batch(changes), never);
    const records = await readAll(await brokers(), [`${pipeline}.public.notes`]);
    assert.deepEqual(
      records.map(({ key }) => key),
      changes.map((_, n) => `{"id":${n}}`),
    );
  });

  test('truncate, messages and transaction metadata', async () => {
    const pipeline = unique();
    await using sink = await sinkOf(pipeline, { messages: true, transaction_metadata: true, partitions: 1 });
    await sink.stream.resume(never);
    const tx = transaction(1);
    const changes: Change[] = [
      insert(table, tx, ['1', 'a']),
      { kind: 'truncate', relations: [table], cascade: false, restartIdentity: false, tx, lsn: 9n },
      { kind: 'message', transactional: true, prefix: 'app', content: Buffer.from('hello'), tx, lsn: 10n },
      { kind: 'message', transactional: true, prefix: 'pgsluice', content: Buffer.from('own'), tx, lsn: 11n },
    ];
    await sink.stream.write(batch(changes), never);
    const at = (name: string) => async () => readAll(await brokers(), [`${pipeline}.${name}`]);
    const rows = await at('public.notes')();
    assert.match(rows[0]?.value ?? '', /"transaction":\{"id":"701:\d+","total_order":1,"data_collection_order":1\}/);
    assert.match(rows[1]?.value ?? '', /"op":"t"/);
    assert.equal(rows[1]?.key, null);
    assert.deepEqual(
      (await at('message')()).map(({ key }) => key),
      ['{"prefix":"app"}'],
    );
    const [begin, end] = await at('transaction')();
    assert.match(begin?.value ?? '', /^\{"status":"BEGIN","id":"701:\d+"/);
    assert.match(
      end?.value ?? '',
      /"event_count":3,"data_collections":\[\{"data_collection":"public.notes","event_count":2\},\{"data_collection":"message","event_count":1\}\]/,
    );

    await using flat = await sinkOf(unique(), { format: 'flat' });
    await flat.stream.resume(never);
    await assert.rejects(flat.stream.write(batch([changes[1] as Change]), never), { code: 'PGS5019' });
  });

  test('a topic that is missing is an error where topics are not made; a broker that is away is one to try again', async () => {
    await using sink = await sinkOf(unique(), { create_topics: false });
    await sink.stream.resume(never);
    await assert.rejects(sink.stream.write(batch([insert(table, transaction(1), ['1', 'a'])]), never), {
      code: 'PGS5005',
    });
    for (const client of clients) {
      await using away = await sinkOf(unique(), {
        client,
        brokers: ['127.0.0.1:1'],
        connect_timeout: 500,
        request_timeout: 1000,
      });
      await assert.rejects(away.stream.resume(never), { code: 'PGS5001', retry: 'backoff' });
    }
  });

  test('check tells of brokers, topics and keys', async () => {
    const found: Finding[] = [];
    await using sink = await sinkOf(unique(), { create_topics: false, replication_factor: 3 });
    const keyless = relation('log', [column('line', 25)], { identity: { kind: 'full' }, primaryKey: [] });
    await sink.check([plan(table), plan(keyless)], { add: (finding) => found.push(finding) }, never, true);
    const levels = found.map(
      ({ check, level, subject }) => `${check} ${level} ${subject.replace(/^t_[0-9a-f]+\./, '')}`,
    );
    assert.deepEqual(levels, [
      'kafka-brokers ok sink kafka',
      'kafka-replication-factor error sink kafka',
      'kafka-key warning public.log',
      'kafka-topic error public.notes',
      'kafka-topic error public.log',
    ]);
  });

  test('cleanup removes the position', async () => {
    const pipeline = unique();
    for (const more of [{}, { position_topic: `${pipeline}.positions` }]) {
      const options = { delivery: 'exactly_once', ...more } as const;
      await using sink = await sinkOf(pipeline, options);
      await sink.stream.resume(never);
      await sink.stream.write(batch([insert(table, transaction(1), ['1', 'a'])]), never);
      assert.equal((await sink.cleanup()).length, 1);
      await using again = await sinkOf(pipeline, options);
      assert.equal(await again.stream.resume(never), null);
    }
  });
}
