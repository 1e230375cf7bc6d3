import type { KafkaOptions } from '../../plugins/sink-kafka/options.ts';
import { KafkaSink } from '../../plugins/sink-kafka/sink.ts';
import { batch, context, insert, kafkaOptionsOf, never, notes, transaction } from './kafka-batches.ts';

/**
 * Child process of the fault tests: writes transactions up to `last`, two rows each, going on from what the sink holds (or
 * from the transaction `from`), tells each durable position on stdout, and resumes after errors to be tried again.
 */
const [pipeline = '', brokers = '', client = 'platformatic', delivery = 'at_least_once', last = '100', more = '{}'] =
  process.argv.slice(2);
/** `registry`: keys and values in Avro. */
const { from = 0, registry } = JSON.parse(more) as { from?: number; registry?: string };
const options: Partial<KafkaOptions> = {
  brokers: brokers.split(','),
  client: client as KafkaOptions['client'],
  delivery: delivery as KafkaOptions['delivery'],
  partitions: 3,
  request_timeout: 5000,
  connect_timeout: 2000,
  ...(registry === undefined
    ? {}
    : {
        key_format: 'avro',
        value_format: 'avro',
        registry: { url: registry, subject_name: 'TopicName', auto_register: true },
      }),
};
const sink = await KafkaSink.create(kafkaOptionsOf(options), context(pipeline));
const table = notes();
let durable = from;
for (;;) {
  try {
    const held = await sink.stream.resume(never);
    if (held !== null) durable = Number((held - 8n - 0x1000n) / 0x100n);
    while (durable < Number(last)) {
      const tx = transaction(durable + 1);
      const rows = [0, 1].map((i) => insert(table, tx, [String((durable + 1) * 2 + i), 'x'.repeat(100)]));
      await sink.stream.write(batch(rows.slice(0, 1), { open: true }), never);
      await sink.stream.write(batch(rows.slice(1)), never);
      durable++;
      process.stdout.write(`${durable}\n`);
    }
    break;
  } catch (error) {
    if ((error as { retry?: string }).retry !== 'backoff') throw error;
    process.stderr.write(`${(error as { code: string }).code}\n`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
await sink[Symbol.asyncDispose]();
process.exit(0);
