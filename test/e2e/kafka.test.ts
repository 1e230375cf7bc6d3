import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { assertKeyOrder, assertSame, eventOf, fold, streamEvents } from '../support/kafka-fold.ts';
import { ownBroker, ownBrokersAvailable } from '../support/kafka.ts';
import type { LocalBroker } from '../../scripts/kafka/broker.ts';
import { type ReadRecord, readAll } from '../support/kafka-read.ts';
import { initWorkload, Workload, workloadTables } from '../support/kafka-workload.ts';
import { long, short } from '../support/long.ts';
import { database, server, type TestDatabase } from '../support/servers.ts';

/** Kills of pgsluice in each test: KAFKA_KILLS=20 is the long form. */
const kills = Number(process.env['KAFKA_KILLS'] ?? (long ? 3 : 2));
const clients = (process.env['KAFKA_CLIENTS'] ?? 'default').split(',');

interface Setting {
  readonly brokers: string;
  readonly client: string;
  readonly delivery: string;
  readonly more?: string;
}

async function fileFor(source: TestDatabase, set: Setting): Promise<string> {
  return pipelineFile(`
pipeline: ${source.name}
source:
  plugin: postgres
  url: ${source.url}
  snapshot: { workers: 2, chunk_size: 128KB }
${set.more ?? ''}
sinks:
  - plugin: kafka
    brokers: ["${set.brokers}"]
    partitions: 3
    delivery: ${set.delivery}
    connect_timeout: 2s
    request_timeout: 5s
    ${set.client === 'default' ? '' : `client: ${set.client}`}
checkpoint: { plugin: file }
`);
}

/** Kills a run at a random moment; with a broker that one, too, which comes back before or after the run is dead. */
async function runAndKill(file: string, broker: LocalBroker | null): Promise<void> {
  const run = new CliProcess(['run', file, '--log', 'json']);
  await sleep(700 + Math.random() * 2300);
  await broker?.stop('SIGKILL');
  const back = Math.random() < 0.5;
  if (back) await broker?.startAgain();
  if (broker !== null) await sleep(Math.random() * 1500);
  run.process.kill('SIGKILL');
  const { stderr } = await run.ended;
  // Without a broker a run that just starts says so and ends.
  assert.match(stderr, broker === null ? /^$/ : /^(PGS(50\d\d|6030) [^\n]*\n)?$/);
  if (!back) await broker?.startAgain();
}

/** Runs to the source's position now, after everything before was ended, and compares every topic with its table. */
async function finish(source: TestDatabase, file: string, brokers: string): Promise<ReadRecord[]> {
  const rest = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
  assert.equal(rest.code, 0, rest.stderr);
  const topic = (table: string) => `${source.name}.public.${table}`;
  const records = await readAll(
    [brokers],
    workloadTables.map(({ name }) => topic(name)),
  );
  for (const table of workloadTables) await assertSame(source, fold(records, topic(table.name)), table);
  assertKeyOrder(records);
  return records;
}

function count(records: readonly ReadRecord[], table: string, op: string): number {
  const ids = new Set<string>();
  for (const record of records) {
    if (!record.topic.endsWith(`.${table}`)) continue;
    const event = eventOf(record);
    if (event?.op === op) ids.add(`${record.key} ${event.source.lsn}`);
  }
  return ids.size;
}

if (await ownBrokersAvailable()) {
  const postgres = await server(17);
  const broker = await ownBroker();
  for (const client of clients) {
    for (const delivery of short(1, ['exactly_once', 'at_least_once'] as const)) {
      test(`snapshot and stream into Kafka with ${kills} kills of pgsluice and one of the broker, ${delivery}, client ${client}`, async (t) => {
        const source = await database(postgres, 'k');
        await initWorkload(source);
        const file = await fileFor(source, { brokers: broker.address, client, delivery });
        await using writers = new Workload(source.url);
        writers.start(4);
        let ofBroker = 0;
        for (let kill = 0; kill < kills; kill++) {
          // The short form kills the broker once, below.
          const both = kills > 3 && Math.random() < 0.3;
          await runAndKill(file, both ? broker : null);
          if (both) ofBroker++;
        }
        t.diagnostic(`${kills} kills of pgsluice, ${ofBroker} of the broker with it`);
        const run = new CliProcess(['run', file, '--log', 'json']);
        await run.until('caught-up');
        await broker.stop('SIGKILL');
        await sleep(500);
        await broker.startAgain();
        const before = run.events('stream-started').length;
        await run.until('stream-started', before + 1);
        await sleep(1500);
        await writers.stop();
        run.process.kill('SIGTERM');
        const ended = await run.ended;
        assert.equal(ended.code, 0, ended.stderr);

        const records = await finish(source, file, broker.address);
        // Every transaction of pgbench changes one row of each table, and none is folded away.
        const transactions = count(records, 'pgbench_history', 'c');
        assert.ok(transactions > 100, `${transactions} transactions came through the stream`);
        assert.equal(count(records, 'pgbench_branches', 'u'), transactions);
        assert.equal(count(records, 'pgbench_tellers', 'u'), transactions);
        if (delivery === 'exactly_once') {
          const twice = [...streamEvents(records)].filter(([, times]) => times > 1);
          assert.deepEqual(twice, [], 'a read_committed reader sees each change once');
        }
      });
    }
  }

  test('rows that a broken copy wrote and that are gone before the next one are deleted downstream', async () => {
    const source = await database(postgres, 'k');
    await initWorkload(source);
    const slow = 'limit: { rate: 200KB/s }';
    const file = await fileFor(source, {
      brokers: broker.address,
      client: 'default',
      delivery: 'at_least_once',
      more: slow,
    });
    const run = new CliProcess(['run', file, '--log', 'json']);
    await run.until('copy-started');
    const topic = `${source.name}.public.items`;
    while ((await readAll([broker.address], [topic])).length === 0) await sleep(100);
    run.process.kill('SIGKILL');
    await run.ended;
    assert.equal(run.events('snapshot-finished').length, 0, 'the copy was broken off');
    const written = fold(await readAll([broker.address], [topic]), topic);
    const ids = [...written.values()].map((row) => Number(row['id']));
    assert.ok(ids.length > 0);
    await source.query(`DELETE FROM items WHERE id IN (${ids.join(',')}); UPDATE pgbench_accounts SET abalance = 7`);
    await writeFile(file, (await readFile(file, 'utf8')).replace(slow, ''));
    const records = await finish(source, file, broker.address);
    assert.equal(fold(records, topic).size, 300 - ids.length);
    assert.equal(count(records, 'items', 'd'), ids.length);
  });
}
