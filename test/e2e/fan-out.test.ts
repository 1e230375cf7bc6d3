import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { fold } from '../support/kafka-fold.ts';
import { ownBroker, ownBrokersAvailable } from '../support/kafka.ts';
import { readAll } from '../support/kafka-read.ts';
import { database, server, type TestDatabase } from '../support/servers.ts';

interface Report {
  readonly run: {
    readonly confirmed?: string;
    readonly sinks: readonly {
      readonly name: string;
      readonly durable: string;
      readonly queuedBytes: number;
      readonly retrying: string | null;
    }[];
  };
}

async function status(file: string) {
  const { code, stdout, stderr } = await cli(['status', file, '--json']);
  assert.equal(code, 0, stderr);
  const { run } = JSON.parse(stdout) as Report;
  const of = (name: string) => run.sinks.find((sink) => sink.name === name)!;
  return { warehouse: of('warehouse'), events: of('events') };
}

async function until(what: string, check: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 120_000; !(await check()); await sleep(200)) {
    assert.ok(Date.now() < end, `never: ${what}`);
  }
}

async function count(db: TestDatabase, table = 'orders'): Promise<number> {
  const [row] = await db.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`);
  return row!.n;
}

if (await ownBrokersAvailable()) {
  const postgres = await server(17);
  const broker = await ownBroker();

  test('two sinks with tables and transforms of their own: one stops, the other goes on until the buffer is full', async () => {
    const source = await database(postgres, 'fan');
    const target = await database(postgres, 'fan_to');
    await source.query(`
      CREATE TABLE orders (id int PRIMARY KEY, state text NOT NULL, remarks text);
      CREATE TABLE customers (id int PRIMARY KEY, name text);
      INSERT INTO customers SELECT i, 'c' || i FROM generate_series(1, 50) i;
      INSERT INTO orders SELECT i, CASE WHEN i % 2 = 0 THEN 'draft' ELSE 'placed' END, repeat('r', 100) FROM generate_series(1, 100) i`);
    const file = await pipelineFile(`
pipeline: ${source.name}
source:
  plugin: postgres
  url: ${source.url}
sinks:
  - plugin: postgres
    name: warehouse
    url: ${target.url}
  - plugin: kafka
    name: events
    buffer: 1MB
    tables: public.orders
    transforms:
      - plugin: filter
        where: state <> 'draft'
      - plugin: columns
        drop: [remarks]
    brokers: ["${broker.address}"]
    connect_timeout: 1s
    request_timeout: 3s
`);
    const run = new CliProcess(['run', file, '--log', 'json']);
    after(() => run.process.kill('SIGKILL'));
    await run.until('caught-up');
    await broker.stop('SIGKILL');

    await source.query("UPDATE orders SET state = 'placed' WHERE id = 2; UPDATE customers SET name = 'x'");
    await until('the warehouse has it', async () => {
      const [row] = await target.query<{ state: string }>('SELECT state FROM orders WHERE id = 2');
      return row?.state === 'placed';
    });
    await until('status tells which sink is tried again', async () => (await status(file)).events.retrying !== null);
    const small = await status(file);
    assert.match(small.events.retrying ?? '', /^PGS50/);
    assert.equal(small.warehouse.retrying, null);
    assert.notEqual(small.warehouse.durable, small.events.durable);

    // Far more than the buffer: the other sink stops too, and memory does not grow with the source.
    for (let n = 0; n < 40; n++) {
      await source.query(
        `INSERT INTO orders SELECT 1000 * ${n + 1} + i, 'placed', repeat('r', 100) FROM generate_series(1, 500) i`,
      );
    }
    let before = -1;
    await until('the warehouse stands still', async () => {
      const now = await count(target);
      const still = now === before;
      before = now;
      await sleep(1000);
      return still;
    });
    assert.ok(before > 1000, `it went on while the buffer lasted: ${before} rows`);
    assert.ok(before < 20_100, 'and waits when the buffer is full');
    const full = await status(file);
    assert.ok(full.events.queuedBytes < 2 << 20, `${full.events.queuedBytes} bytes wait`);

    await broker.startAgain();
    await until('all is through', async () => (await count(target)) === 20_100);
    await until('nothing is tried again', async () => (await status(file)).events.retrying === null);
    assert.deepEqual(run.events('stream-retry'), [], 'the source was never disconnected');
    run.process.kill('SIGTERM');
    const ended = await run.ended;
    assert.equal(ended.code, 0, ended.stderr);
    const rest = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
    assert.equal(rest.code, 0, rest.stderr);

    const topic = `${source.name}.public.orders`;
    const records = await readAll([broker.address], [topic, `${source.name}.public.customers`]);
    assert.ok(records.every((record) => record.topic === topic));
    const rows = fold(records, topic);
    const placed = await source.query<{ id: number }>("SELECT id FROM orders WHERE state <> 'draft'");
    assert.deepEqual([...rows.keys()].sort(), placed.map(({ id }) => `{"id":${id}}`).sort());
    assert.deepEqual(Object.keys([...rows.values()][0]!), ['id', 'state']);
    const [customers] = await target.query<{ n: number }>("SELECT count(*)::int AS n FROM customers WHERE name = 'x'");
    assert.equal(customers?.n, 50);
  });
}
