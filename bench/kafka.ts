import { parseArgs } from 'node:util';
import type { Change } from '../core/api/change.ts';
import type { Relation } from '../core/api/relation.ts';
import { KafkaSink } from '../plugins/sink-kafka/sink.ts';
import { LocalBroker } from '../scripts/kafka/broker.ts';
import { kafkaVersions } from '../scripts/kafka/resolve.ts';
import {
  batch,
  column,
  context,
  insert,
  never,
  plan,
  relation,
  rowCopy,
  transaction,
} from '../test/support/kafka-batches.ts';

/**
 * `node bench/kafka.ts [--events N] [--client kafkajs,platformatic] [--delivery at_least_once] [--compression none]`:
 * events per second of 200-byte rows in Debezium's format, from batches in memory to acknowledged, and rows of a snapshot.
 */
const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '200000' },
    client: { type: 'string', default: 'kafkajs,platformatic' },
    delivery: { type: 'string', default: 'at_least_once' },
    compression: { type: 'string', default: 'none' },
    'batch-size': { type: 'string', default: String(512 << 10) },
  },
});
const events = Number(values.events);
const perTransaction = 50;
const perBatch = 2000;

const table: Relation = relation('orders', [
  column('id', 20, { notNull: true }),
  column('customer', 23),
  column('state', 25),
  column('amount', 1700, { typmod: (12 << 16) + 2 + 4 }),
  column('placed_at', 1184),
  column('note', 25),
  column('address', 25),
]);
const address = '221b Baker Street, London NW1 6XE, United Kingdom of Great Britain';

function row(n: number): string[] {
  const note = `order number ${n} of the benchmark, with a remark that is about so long`;
  return [String(n), String(n % 9973), 'shipped', `${n % 1000}.50`, '2026-01-02 03:04:05.123456+00', note, address];
}

function* batches() {
  for (let from = 0; from < events; from += perBatch) {
    const changes: Change[] = [];
    for (let n = from; n < Math.min(from + perBatch, events); ) {
      const tx = transaction(n / perTransaction + 1);
      for (let i = 0; i < perTransaction; i++, n++) changes.push(insert(table, tx, row(n)));
    }
    yield batch(changes);
  }
}

const named = process.env['KAFKA_BROKERS'];
const broker = named === undefined ? await LocalBroker.start(kafkaVersions.current) : null;
const brokers = named === undefined ? [broker?.address ?? ''] : named.split(',');

for (const client of values.client.split(',') as ('kafkajs' | 'platformatic')[]) {
  const options = {
    brokers,
    client,
    partitions: 6,
    delivery: values.delivery as 'at_least_once',
    compression: values.compression as 'none',
    batch_size: Number(values['batch-size']),
  };
  await using sink = await KafkaSink.create(options, context(`bench_${client}_${Date.now()}`));
  const preparation = {
    plans: [plan(table)],
    excluded: [],
    dumpSchema: () => Promise.reject(new Error()),
    sourceVersion: 170000,
  };
  await sink.snapshot.prepare(preparation);
  await sink.stream.resume(never);
  report(client, 'changes', await measured(() => stream(sink)));
  const rows = Array.from({ length: events }, (_, n) => row(n));
  report(client, 'snapshot rows', await measured(() => sink.snapshot.load(plan(table), rowCopy(table, rows), never)));
}
await broker?.remove();

async function stream(sink: KafkaSink): Promise<void> {
  for (const one of batches()) await sink.stream.write(one, never);
}

async function measured(work: () => Promise<unknown>): Promise<{ seconds: number; cpu: number }> {
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  await work();
  const used = process.cpuUsage(cpu);
  return { seconds: (performance.now() - start) / 1000, cpu: (used.user + used.system) / 1e6 };
}

function report(client: string, what: string, { seconds, cpu }: { seconds: number; cpu: number }): void {
  const rate = Math.round(events / seconds).toLocaleString('en');
  const each = ((cpu / events) * 1e6).toFixed(1);
  const rss = Math.round(process.memoryUsage().rss / (1 << 20));
  process.stdout.write(
    `${client}, ${values.delivery}, ${values.compression}: ${rate} ${what}/s (${each} µs CPU each, ${rss} MB resident)\n`,
  );
}
