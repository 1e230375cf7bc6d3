import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Producer } from '@platformatic/kafka';
import type { LocalBroker } from '../../scripts/kafka/broker.ts';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { ownBroker, ownBrokersAvailable, testAdmin, unique } from '../support/kafka.ts';
import { long, onlyLong } from '../support/long.ts';
import { database, server, type TestDatabase } from '../support/servers.ts';

/** How often something is hurt; KAFKA_GROUP_KILLS=100 for more. */
const kills = Number(process.env['KAFKA_GROUP_KILLS'] ?? (long ? 10 : 2));
const partitions = 4;

/** Writes events as Debezium has them, and knows what the tables must hold. */
class Writer {
  readonly rows = new Map<number, number>();
  readonly keyless = new Map<string, number>();
  readonly #producer: Producer;
  readonly #prefix: string;
  #resting = false;
  #busy = Promise.resolve();
  #stop = false;
  #i = 0;
  readonly ended: Promise<void>;

  constructor(broker: LocalBroker, prefix: string) {
    this.#prefix = prefix;
    this.#producer = new Producer({ clientId: 'test', bootstrapBrokers: [broker.address], idempotent: true });
    this.ended = this.#work();
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await this.ended;
    await this.#producer.close();
  }

  /** Nothing is on its way while the broker is away: the writer must know what was written. */
  async resting(work: () => Promise<void>): Promise<void> {
    this.#resting = true;
    await this.#busy;
    await work();
    this.#resting = false;
  }

  async #work(): Promise<void> {
    while (!this.#stop) {
      if (!this.#resting) await (this.#busy = this.#send());
      await sleep(long ? 10 : 50);
    }
  }

  async #send(): Promise<void> {
    const messages = Array.from({ length: 30 }, () => (this.#i++ % 2 === 0 ? this.#keyed() : this.#plain()));
    await this.#producer.send({ messages, acks: -1 });
  }

  #keyed() {
    const id = (this.#i * 7919) % 500;
    const after = { id, n: this.#i };
    this.rows.set(id, this.#i);
    return { ...this.#message('keyed', { before: null, after, op: 'u' }), key: Buffer.from(`{"id":${id}}`) };
  }

  #plain() {
    const v = `v${this.#i % 40}`;
    this.keyless.set(v, (this.keyless.get(v) ?? 0) + 1);
    return { ...this.#message('plain', { before: null, after: { v }, op: 'c' }), partition: this.#i % partitions };
  }

  #message(table: string, event: object) {
    const value = { ...event, source: { schema: 'public', table, ts_us: Date.now() * 1000 } };
    return { topic: `${this.#prefix}.${table}`, value: Buffer.from(JSON.stringify(value)) };
  }
}

if (await ownBrokersAvailable()) {
  const properties = { 'group.min.session.timeout.ms': '500' };
  // None in the short form, where no test needs it.
  const broker = long ? await ownBroker(undefined, { properties }) : (null as unknown as LocalBroker);

  async function topics(prefix: string): Promise<void> {
    const admin = testAdmin(broker.address);
    await admin.connect();
    const names = ['keyed', 'plain'].map((name) => ({ topic: `${prefix}.${name}`, numPartitions: partitions }));
    await admin.createTopics({ topics: names, waitForLeaders: true });
    await admin.disconnect();
  }

  const fileOf = (target: TestDatabase, prefix: string) =>
    pipelineFile(`
pipeline: ${prefix}
source:
  plugin: kafka
  brokers: ["${broker.address}"]
  topics: ["${prefix}.*"]
  group: ${prefix}
  session_timeout: 1500ms
  format: debezium
  tables_from: ${target.url}
sinks: [{ plugin: postgres, url: "${target.url}", schema: existing }]
`);

  async function setUp() {
    const target = await database(await server(17));
    await target.query('CREATE TABLE keyed (id int PRIMARY KEY, n int); CREATE TABLE plain (v text)');
    const prefix = unique('group');
    await topics(prefix);
    const path = await fileOf(target, prefix);
    const start = () => new CliProcess(['run', path, '--log', 'json']);
    return { target, prefix, path, start };
  }

  async function assertEqual(target: TestDatabase, writer: Writer): Promise<void> {
    const keyed = await target.query<{ id: string; n: string }>('SELECT id, n FROM keyed');
    const plain = await target.query<{ v: string; c: string }>('SELECT v, count(*) AS c FROM plain GROUP BY v');
    const sorted = <K>(entries: Iterable<[K, number]>) => [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1));
    assert.deepEqual(sorted(keyed.map(({ id, n }): [number, number] => [Number(id), Number(n)])), sorted(writer.rows));
    assert.deepEqual(sorted(plain.map(({ v, c }): [string, number] => [v, Number(c)])), sorted(writer.keyless));
  }

  test('processes of a group that are killed, stopped and cut off lose and double nothing', {
    skip: onlyLong,
    timeout: 120_000 + kills * 30_000,
  }, async () => {
    const { target, prefix, path, start } = await setUp();
    const writer = new Writer(broker, prefix);
    const running = Array.from({ length: long ? 3 : 2 }, () => start());
    // What is left of a test that failed would keep the file from ending.
    await using _left = {
      async [Symbol.asyncDispose]() {
        for (const { process } of running) process.kill('SIGKILL');
        await writer.stop().catch(() => {});
      },
    };
    await Promise.all(running.map((one) => one.until('stream-started')));
    const hurt = [
      async (one: number) => {
        running[one]!.process.kill('SIGKILL');
        await running[one]!.ended;
        running[one] = start();
        await running[one].until('stream-started');
      },
      // It wakes up when others have its partitions.
      async (one: number) => {
        running[one]!.process.kill('SIGSTOP');
        await sleep(2500);
        running[one]!.process.kill('SIGCONT');
      },
      async () => {
        await target.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE application_name LIKE 'pgsluice%apply' AND datname = current_database() AND pid % 2 = 0`);
      },
      async () => {
        await writer.resting(async () => {
          await broker.stop('SIGKILL');
          await broker.startAgain();
        });
      },
      async (one: number) => {
        running[one]!.process.kill('SIGTERM');
        const { code, stderr } = await running[one]!.ended;
        assert.equal(code, 0, stderr);
        running[one] = start();
        await running[one].until('stream-started');
      },
      // It is stopped while it joins again.
      async (one: number) => {
        running[one]!.process.kill('SIGSTOP');
        await sleep(2500);
        running[one]!.process.kill('SIGCONT');
        await sleep(100);
        running[one]!.process.kill('SIGTERM');
        const { code, stderr } = await running[one]!.ended;
        assert.equal(code, 0, stderr);
        running[one] = start();
        await running[one].until('stream-started');
      },
    ];
    for (let n = 0; n < kills; n++) {
      await sleep(700);
      await hurt[n % hurt.length]!(n % running.length);
    }
    await sleep(1000);
    await writer.stop();
    for (const { process } of running) process.kill('SIGTERM');
    for (const { ended } of running) {
      const { code, stderr } = await ended;
      assert.equal(code, 0, stderr);
    }
    const { code, stderr } = await cli(['run', path, '--stop-at', 'now', '--log', 'json']);
    assert.equal(code, 0, stderr);
    await assertEqual(target, writer);
  });

  test('what several processes cannot share is refused by name', { skip: onlyLong }, async () => {
    const { target, path } = await setUp();
    const text = await readFile(path, 'utf8');
    const refused = async (file: string, code: string, message: RegExp, ...args: string[]) => {
      const ended = await cli(['run', await pipelineFile(file), '--log', 'json', ...args]);
      assert.match(ended.stderr, new RegExp(`^${code} .*${message.source}`, 'm'), ended.stderr);
    };
    const sink = `{ plugin: postgres, url: "${target.url}", schema: existing }`;
    const kafka = `{ plugin: kafka, brokers: ["${broker.address}"], topic: t }`;
    await refused(text.replace(sink, `${sink}, ${kafka}`), 'PGS4115', /apply to one sink/);
    await refused(text.replace(sink, kafka), 'PGS4115', /does not keep how far each log is read/);
    await refused(`${text}checkpoint: { plugin: file, path: here.json }\n`, 'PGS4115', /cannot be shared/);
    await refused(text.replace('existing }', 'existing, apply: { lanes: 2 } }'), 'PGS3216', /asks for 2 lanes/);
    await refused(text, 'PGS2211', /one process/, '--stop-at', '0/10');
    assert.equal((await cli(['run', path, '--stop-at', 'now'])).code, 0);
    await refused(text.replace(/ {2}group: .*\n/, ''), 'PGS6001', /./);
    await using _other = { [Symbol.asyncDispose]: async () => void running.process.kill('SIGKILL') };
    const running = new CliProcess(['run', path, '--log', 'json']);
    await running.until('stream-started');
    assert.match((await cli(['cleanup', path, '--yes'])).stderr, /^PGS6050 /m);
  });
}
