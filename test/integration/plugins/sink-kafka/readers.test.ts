import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { Change } from '../../../../core/api/change.ts';
import type { KafkaOptions } from '../../../../plugins/sink-kafka/options.ts';
import { KafkaSink } from '../../../../plugins/sink-kafka/sink.ts';
import type { LocalBroker } from '../../../../scripts/kafka/broker.ts';
import { brokers, kafkaAvailable, localBroker, unique } from '../../../support/kafka.ts';
import { batch, context, insert, kafkaOptionsOf, never, notes, transaction } from '../../../support/kafka-batches.ts';
import { readAll } from '../../../support/kafka-read.ts';

/** What others read of what was written: kafkajs, the broker's console consumer, kcat. */
const clients = ['kafkajs', 'platformatic'] as const;
const table = notes();

async function sinkOf(pipeline: string, options: Partial<KafkaOptions> = {}): Promise<KafkaSink> {
  return KafkaSink.create(kafkaOptionsOf({ brokers: await brokers(), ...options }), context(pipeline));
}

/** Lines of the broker's own console consumer: headers, key and value of everything in the pipeline's topics. */
async function consoleConsumer(broker: LocalBroker, pipeline: string, count: number): Promise<string[]> {
  const where = ['--bootstrap-server', broker.address, '--include', `${pipeline}\\..*`, '--from-beginning'];
  const end = ['--max-messages', String(count), '--timeout-ms', '60000'];
  const print = ['--property', 'print.key=true', '--property', 'print.headers=true'];
  const main = 'org.apache.kafka.tools.consumer.ConsoleConsumer';
  const out = await broker.tool(main, [...where, ...end, ...print]);
  return out.trim().split('\n');
}

const execute = promisify(execFile);

async function kcatAvailable(): Promise<boolean> {
  return execute('kcat', ['-V']).then(
    () => true,
    () => false,
  );
}

/** Lines that kcat prints. */
async function kcat(args: readonly string[]): Promise<string[]> {
  const { stdout } = await execute('kcat', [...args], { timeout: 60_000, maxBuffer: 1 << 24 });
  return stdout.trimEnd().split('\n');
}

if (await kafkaAvailable()) {
  test('every compression of every client is read: by the console consumer, or another client where the broker is foreign', async () => {
    const pipeline = unique();
    const tx = transaction(1);
    const changes = Array.from({ length: 300 }, (_, n) => insert(table, tx, [String(n), 'ä'.repeat(50)]));
    const topics: string[] = [];
    for (const client of clients) {
      for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
        const topic = `${pipeline}.${client}.${compression}`;
        topics.push(topic);
        await using sink = await sinkOf(pipeline, {
          client,
          compression,
          topic,
          partitions: 1,
          headers: { team: 'crm' },
        });
        await sink.stream.resume(never);
        await sink.stream.write(batch(changes), never);
      }
    }
    const records = await readAll(await brokers(), topics);
    for (const topic of topics) {
      const keys = records.filter((record) => record.topic === topic).map(({ key }) => key);
      assert.deepEqual(
        keys,
        changes.map((_, n) => `{"id":${n}}`),
        topic,
      );
    }
    if (process.env['KAFKA_BROKERS'] !== undefined) return;
    const broker = await localBroker();
    const lines = await consoleConsumer(broker, pipeline, 300 * topics.length);
    assert.equal(lines.length, 300 * topics.length);
    const line =
      /^__debezium.context.connectorLogicalName:\w+,__debezium.context.taskId:0,__debezium.context.connectorName:postgresql,team:crm\t\{"id":\d+\}\t\{"before":null,"after":\{"id":\d+,"note":"ä{50}"\}/;
    assert.deepEqual(
      lines.filter((text) => !line.test(text)),
      [],
    );
  });

  test('kcat reads what was written: keys, headers, values, tombstones, in every compression', async (t) => {
    if (!(await kcatAvailable())) {
      process.stderr.write('\n*** KCAT IS NOT ON PATH: WHAT WAS WRITTEN IS NOT READ WITH IT ***\n\n');
      t.diagnostic('kcat is not on PATH: nothing was read');
      return;
    }
    const [address] = await brokers();
    for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
      for (const delivery of ['at_least_once', 'exactly_once'] as const) {
        const pipeline = unique();
        const more = {
          compression,
          delivery,
          partitions: 1,
          headers: { team: 'crm' },
          extended_headers: false,
        } as const;
        await using sink = await sinkOf(pipeline, more);
        await sink.stream.resume(never);
        const tx = transaction(1);
        const before = { image: 'key', tuple: ['1', null] } as const;
        const changes: Change[] = [
          insert(table, tx, ['1', 'ä'.repeat(500)]),
          { kind: 'delete', relation: table, tx, lsn: 9n, before },
        ];
        await sink.stream.write(batch(changes), never);
        const lines = await kcat([
          '-b',
          address!,
          '-C',
          '-t',
          `${pipeline}.public.notes`,
          '-e',
          '-q',
          '-Z',
          '-f',
          '%h|%k|%s\\n',
        ]);
        assert.equal(lines.length, 3, compression);
        assert.match(lines[0]!, /^team=crm\|\{"id":1\}\|\{"before":null,"after":\{"id":1,"note":"ä{500}"\},/);
        assert.match(lines[1]!, /^team=crm\|\{"id":1\}\|\{"before":\{"id":1,"note":null\},"after":null,.*"op":"d"/);
        assert.equal(lines[2], 'team=crm|{"id":1}|NULL');
      }
    }
  });
}
