import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kafkaVersions } from '../../../../scripts/kafka/resolve.ts';
import { KafkaSink } from '../../../../plugins/sink-kafka/sink.ts';
import { ownBroker, ownBrokersAvailable, unique } from '../../../support/kafka.ts';
import { readAll } from '../../../support/kafka-read.ts';
import { batch, context, insert, kafkaOptionsOf, never, notes, transaction } from '../../../support/kafka-batches.ts';

if (await ownBrokersAvailable()) {
  test('Kafka 3.9: written exactly once, read by its own console consumer', async () => {
    const broker = await ownBroker(kafkaVersions.previous);
    const pipeline = unique();
    const table = notes();
    await using sink = await KafkaSink.create(
      kafkaOptionsOf({ brokers: [broker.address], delivery: 'exactly_once', partitions: 1 }),
      context(pipeline),
    );
    await sink.stream.resume(never);
    for (let n = 1; n <= 10; n++) {
      await sink.stream.write(batch([insert(table, transaction(n), [String(n), 'a'])]), never);
    }
    assert.equal(await sink.stream.resume(never), transaction(10).finalLsn + 8n);
    const topic = `${pipeline}.public.notes`;
    assert.equal((await readAll([broker.address], [topic])).length, 10);
    const args = ['--bootstrap-server', broker.address, '--topic', topic, '--from-beginning', '--max-messages', '10'];
    const more = ['--timeout-ms', '30000', '--isolation-level', 'read_committed', '--property', 'print.key=true'];
    const out = await broker.tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [...args, ...more]);
    assert.deepEqual(
      out
        .trim()
        .split('\n')
        .map((line) => line.split('\t')[0]),
      Array.from({ length: 10 }, (_, n) => `{"id":${n + 1}}`),
    );
  });
}
