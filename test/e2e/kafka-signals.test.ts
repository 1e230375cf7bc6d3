import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { brokers, kafkaAvailable, testAdmin } from '../support/kafka.ts';
import { readAll } from '../support/kafka-read.ts';
import { long } from '../support/long.ts';
import { database, server, type TestDatabase } from '../support/servers.ts';

const rows = 3000;

async function prepared(): Promise<{ readonly source: TestDatabase; readonly file: string; readonly topic: string }> {
  const source = await database(await server(17), 'signals');
  await source.query(`
    CREATE TABLE debezium_signal (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048));
    CREATE TABLE t (id int PRIMARY KEY, colour text); CREATE TABLE t_b (id int PRIMARY KEY, colour text);
    CREATE TABLE keyless (id int); ALTER TABLE keyless REPLICA IDENTITY FULL;
    INSERT INTO t SELECT n, CASE n % 3 WHEN 0 THEN 'blue' ELSE 'red' END FROM generate_series(1, ${rows}) n;
    INSERT INTO t_b SELECT n, 'red' FROM generate_series(1, 10) n;`);
  const topic = `${source.name}-signal`;
  const admin = testAdmin((await brokers())[0]!);
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
  await admin.disconnect();
  const file = await pipelineFile(`
pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
sinks:
  - plugin: kafka
    brokers: ["${(await brokers()).join('", "')}"]
    delivery: exactly_once
    partitions: 1
    signals: { table: public.debezium_signal, topic: ${topic} }
checkpoint: { plugin: file }
`);
  return { source, file, topic };
}

/** With the first copy, where it is the first run. */
async function started(file: string): Promise<CliProcess> {
  const run = new CliProcess(['run', file, '--log', 'json']);
  await run.until('caught-up');
  return run;
}

/** Keys of rows that were read again, in order. */
async function again(source: TestDatabase, table: string): Promise<readonly number[]> {
  const records = await readAll(await brokers(), [`${source.name}.public.${table}`]);
  return records.flatMap(({ value }) =>
    value?.includes('"snapshot":"incremental"') === true ? [Number(/"after":\{"id":(\d+)/.exec(value)![1])] : [],
  );
}

async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  for (const end = Date.now() + 120_000; Date.now() < end; await sleep(100)) if (await condition()) return;
  throw new Error(`this did not come: ${what}`);
}

let signals = 0;
async function byTable(source: TestDatabase, type: string, data: unknown): Promise<void> {
  const text = data === null ? 'NULL' : `'${JSON.stringify(data).replaceAll("'", "''")}'`;
  await source.query(`INSERT INTO debezium_signal VALUES ('s${signals++}', '${type}', ${text})`);
}

async function byTopic(topic: string, key: string, values: readonly string[]): Promise<void> {
  const producer = new kafkajs.Kafka({
    brokers: [...(await brokers())],
    logLevel: kafkajs.logLevel.NOTHING,
  }).producer();
  await producer.connect();
  await producer.send({ topic, messages: values.map((value) => ({ key, value })) });
  await producer.disconnect();
}

async function stopped(run: CliProcess): Promise<void> {
  run.process.kill('SIGTERM');
  assert.equal((await run.ended).code, 0);
}

if (await kafkaAvailable()) {
  test('rows of a signal table: a snapshot with conditions, several tables, what cannot be done', async () => {
    const { source, file } = await prepared();
    const run = await started(file);
    await byTable(source, 'execute-snapshot', {
      'data-collections': ['public.t.*'],
      type: 'incremental',
      'additional-conditions': [{ 'data-collection': 'public.t', filter: `colour = 'blue' AND id > 300` }],
    });
    const blue = Array.from({ length: rows }, (_, n) => n + 1).filter((n) => n % 3 === 0 && n > 300);
    await until('t_b', async () => (await again(source, 't_b')).length === 10);
    assert.deepEqual(await again(source, 't'), blue);
    // None of these ends the run.
    await byTable(source, 'execute-snapshot', { 'data-collections': ['public.keyless'] });
    await byTable(source, 'execute-snapshot', { 'data-collections': ['public.nowhere'] });
    await byTable(source, 'execute-snapshot', { 'data-collections': ['('] });
    await byTable(source, 'execute-snapshot', {});
    await byTable(source, 'execute-snapshot', null);
    await byTable(source, 'no-such-signal', {});
    await byTable(source, 'execute-snapshot', {
      'data-collections': ['public.t'],
      'additional-conditions': [{ 'data-collection': 'public.t', filter: 'pg_sleep(1) IS NULL' }],
    });
    await byTable(source, 'log', { message: 'heard' });
    await byTable(source, 'execute-snapshot', { 'data-collections': ['"public"."t_b"'] });
    await until('the last one', async () => (await again(source, 't_b')).length === 20);
    assert.equal((await again(source, 't')).length, blue.length);
    await stopped(run);
    const { stdout } = await run.ended;
    assert.equal(stdout.match(/"event":"signal-refused"/g)?.length, 7, stdout);
    assert.match(stdout, /heard/);
  });

  test('records of a signal topic: pause, resume, stop; others’ keys are left; what came while nothing ran', async () => {
    const { source, file, topic } = await prepared();
    const execute = JSON.stringify({
      type: 'execute-snapshot',
      data: { 'data-collections': ['public.t', 'public.t_b'] },
    });
    let run = await started(file);
    await byTopic(topic, source.name, [JSON.stringify({ type: 'pause-snapshot', data: {} }), execute]);
    await byTopic(topic, 'somebody', [execute]);
    await byTopic(topic, source.name, [
      'no JSON',
      '{"type":5}',
      JSON.stringify({ type: 'log', data: { message: 'heard 1' } }),
    ]);
    await until('the log', () => run.stdout.includes('heard 1'));
    assert.deepEqual([await again(source, 't'), await again(source, 't_b')], [[], []], 'paused');
    await byTopic(topic, source.name, [
      JSON.stringify({ type: 'stop-snapshot', data: { 'data-collections': ['public.t'] } }),
      JSON.stringify({ type: 'resume-snapshot', data: '{}' }),
    ]);
    await until('t_b', async () => (await again(source, 't_b')).length === 10);
    assert.deepEqual(await again(source, 't'), [], 'stopped');
    await stopped(run);
    await byTopic(topic, source.name, [execute]);
    run = new CliProcess(['run', file, '--log', 'json']);
    await until(
      'all',
      async () => (await again(source, 't')).length === rows && (await again(source, 't_b')).length === 20,
    );
    await stopped(run);
  });

  test('what was signalled survives kills', async () => {
    const { source, file } = await prepared();
    let run = await started(file);
    await byTable(source, 'execute-snapshot', { 'data-collections': ['public.t', 'public.t_b'] });
    for (let kill = 0; kill < (long ? 6 : 2); kill++) {
      await sleep(Math.random() * 500);
      run.process.kill('SIGKILL');
      await run.ended;
      run = new CliProcess(['run', file, '--log', 'json']);
    }
    const whole = async (table: string, size: number) => new Set(await again(source, table)).size === size;
    await until('all', async () => (await whole('t', rows)) && (await whole('t_b', 10)));
    await stopped(run);
  });

  test('check: a table that is not chosen, a topic that is not there', async () => {
    const { source, file } = await prepared();
    const ok = await cli(['check', file]);
    assert.match(ok.stdout, /kafka-signals +public\.debezium_signal/);
    const bad = await pipelineFile(`
pipeline: ${source.name}_b
source: { plugin: postgres, url: "${source.url}" }
sinks:
  - { plugin: kafka, brokers: ["${(await brokers()).join('", "')}"], signals: { table: public.nowhere, topic: ${source.name}.none } }
checkpoint: { plugin: file }
`);
    const { code, stdout } = await cli(['check', bad]);
    assert.equal(code, 3);
    assert.match(stdout, /public\.nowhere is to hold signals|public\.nowhere +is to hold signals/);
    assert.match(stdout, /none +is to hold signals, and is not there/);
  });
}
