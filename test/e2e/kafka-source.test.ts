import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Producer } from '@platformatic/kafka';
import pg from 'pg';
import type { RecordLsn } from '../../core/postgres/lsn.ts';
import { DebeziumEvents } from '../../plugins/sink-kafka/source/debezium.ts';
import { readRelations } from '../../plugins/sink-kafka/source/relations.ts';
import { recorded } from '../golden/recorded.ts';
import { statementsOf } from '../golden/statements.ts';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { brokers, kafkaAvailable, testAdmin, unique } from '../support/kafka.ts';
import { readAll } from '../support/kafka-read.ts';
import { database, server, type TestDatabase } from '../support/servers.ts';

const golden = join(import.meta.dirname, '../golden/debezium');

/** The database that a Debezium was run on (test/golden/debezium/README.md), at its end. */
async function goldenDatabase(): Promise<TestDatabase> {
  const made = await database(await server(17));
  const read = (name: string) => readFile(join(golden, name), 'utf8');
  // Transactions of the files need one session.
  const client = new pg.Client({ connectionString: made.url });
  await client.connect();
  const run = async (text: string, k: number) => {
    for (const statement of statementsOf(text, k)) await client.query(statement);
  };
  await run(await read('zoo.sql'), 0);
  await run(await read('games-schema.sql'), 0);
  await run(await read('zoo-rows.sql'), 0);
  await run(await read('games-rows.sql'), 0);
  await run(await read('zoo-rows.sql'), 1000);
  await run(await read('games-stream.sql'), 0);
  await run('INSERT INTO empty_one VALUES (777)', 0);
  await client.end();
  return made;
}

interface Sent {
  readonly topic: string;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers?: readonly (readonly [string, string])[];
}

/** Into topics with this many partitions; records of a key stay together. */
async function send(addresses: readonly string[], records: readonly Sent[], partitions: number): Promise<void> {
  const admin = testAdmin(addresses[0]!);
  await admin.connect();
  const there = new Set(await admin.listTopics());
  const topics = [...new Set(records.map(({ topic }) => topic))].filter((topic) => !there.has(topic));
  await admin.createTopics({
    topics: topics.map((topic) => ({ topic, numPartitions: /trunc_|nokey/.test(topic) ? 1 : partitions })),
    waitForLeaders: true,
  });
  await admin.disconnect();
  const producer = new Producer({ clientId: 'test', bootstrapBrokers: [...addresses], idempotent: true });
  const messages = records.map(({ topic, key, value, headers = [] }) => ({
    topic,
    ...(key === null ? { partition: 0 } : { key: Buffer.from(key) }),
    ...(value === null ? {} : { value: Buffer.from(value) }),
    headers: new Map(headers.map(([name, text]) => [Buffer.from(name), Buffer.from(text)])),
  }));
  for (let at = 0; at < messages.length; at += 200)
    await producer.send({ messages: messages.slice(at, at + 200), acks: -1 });
  await producer.close();
}

if (await kafkaAvailable()) {
  const addresses = await brokers();
  const list = addresses.map((one) => `"${one}"`).join(', ');
  const source = await goldenDatabase();
  const file = (target: TestDatabase, prefix: string, more: string) =>
    pipelineFile(`
pipeline: ${prefix}
source:
  plugin: kafka
  brokers: [${list}]
  topics: ["${prefix}.*"]
  format: debezium
  tables_from: ${target.url}
${more}
sinks: [{ plugin: postgres, url: "${target.url}", schema: existing }]
`);

  /** As the source, without rows. */
  async function emptyTarget(): Promise<TestDatabase> {
    const target = await goldenDatabase();
    await target.query(`TRUNCATE ${(await tablesOf(target)).join(', ')}`);
    return target;
  }

  async function tablesOf(of: TestDatabase): Promise<string[]> {
    const rows = await of.query<{ t: string }>(
      `SELECT format('%I.%I', n.nspname, c.relname) AS t FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgsluice')`,
    );
    return rows.map(({ t }) => t);
  }

  /** What stands in the way of a table's records under Debezium's default modes, by the code and words that say so. */
  const refused: Readonly<Record<string, RegExp>> = {
    big: /^PGS5048 .*column vb of public\.big: bit varying/,
    later: /^PGS5046 .*public\.later: the table has no column v/,
    nn: /^PGS5048 .*interval\.handling\.mode=numeric/,
    ri_index: /^PGS5049 .*a record of a DELETE does not tell the primary key/,
    trunc_a: /^PGS5049 .*a TRUNCATE in a topic of several partitions/,
    trunc_b: /^PGS5049 .*a TRUNCATE in a topic of several partitions/,
    zoo_arr2: /^PGS5046 .*a record has no column iv/,
    zoo_bit: /^PGS5048 .*bit varying/,
    zoo_fts: /^PGS5046 .*a record has no column q/,
    zoo_geo: /^PGS5048 .*column l of public\.zoo_geo: type line/,
    zoo_int: /^PGS5048 .*interval\.handling\.mode=numeric/,
    zoo_num: /^PGS5048 .*column m of public\.zoo_num: money/,
    zoo_range: /^PGS5046 .*a record has no column i4m/,
    zoo_sys: /^PGS5046 .*a record has no column ls/,
  };
  /** The server may take the locks of a killed run for held a little longer. */
  async function onceFree(path: string): Promise<void> {
    for (const until = Date.now() + 60_000; ; await sleep(200)) {
      const errors = errorsOf(await run(path));
      if (errors.length === 0) return;
      if (!errors.some((line) => /^PGS(?:3110|6050|6051) /.test(line)) || Date.now() > until)
        assert.deepEqual(errors, []);
    }
  }

  const run = (path: string) => cli(['run', path, '--stop-at', 'now', '--log', 'json']);

  async function goldenSent(prefix: string): Promise<Sent[]> {
    const records = await recorded({ name: 'default', form: 'json' });
    return records.map((record) => ({ ...record, topic: record.topic.replace('zoo_default', prefix) }));
  }

  test('what a Debezium wrote in its default modes is the source’s rows in the target, over several runs', async () => {
    const target = await emptyTarget();
    const prefix = unique('golden');
    const records = await goldenSent(prefix);
    // TRUNCATE is refused in topics of several partitions alone.
    const left = Object.keys(refused)
      .filter((name) => !name.startsWith('trunc_'))
      .map((name) => `public.${name}`);
    const path = await file(target, prefix, `  tables: { exclude: [${left.map((name) => `"${name}"`).join(', ')}] }`);
    for (const [from, to] of [
      [0, 150],
      [150, 250],
      [250, records.length],
    ] as const) {
      await send(addresses, records.slice(from, to), 3);
      assert.deepEqual(errorsOf(await run(path)), []);
    }
    assert.deepEqual(errorsOf(await run(path)), []);
    const written = await readAll(addresses, [], (topic) => topic.startsWith(`${prefix}.`));
    assert.equal(written.length, records.length, 'records in the topics');
    const compared = (await tablesOf(target)).filter((table) => !left.includes(table));
    assert.ok(compared.length >= 20, compared.join(' '));
    // Debezium writes null for an array of ltree that holds one, and the moment in GMT for a time with a zone.
    const lossy: Readonly<Record<string, string>> = {
      'public.zoo_ext': 'ALTER TABLE zoo_ext DROP COLUMN IF EXISTS la',
      'public.zoo_time':
        'ALTER TABLE zoo_time DROP COLUMN IF EXISTS tz, DROP COLUMN IF EXISTS tz0, DROP COLUMN IF EXISTS tz3',
    };
    for (const table of compared) {
      if (lossy[table] !== undefined) for (const on of [target, source]) await on.query(lossy[table]);
      const rows = (on: TestDatabase) =>
        on.query(`SELECT t::text AS r FROM ONLY ${table} t ORDER BY t::text COLLATE "C"`);
      assert.deepEqual(await rows(target), await rows(source), table);
    }
  });

  test('killed while it reads three partitions, each record of a table without a key is there once', async () => {
    const target = await database(await server(17));
    await target.query('CREATE TABLE public.log (n integer, note text)');
    const prefix = unique('log');
    const path = await file(target, prefix, '');
    const sent = (from: number, to: number): Sent[] =>
      Array.from({ length: to - from }, (_, i) => {
        const source = { schema: 'public', table: 'log' };
        const value = JSON.stringify({ before: null, after: { n: from + i, note: 'x'.repeat(50) }, source, op: 'c' });
        return { topic: `${prefix}.public.log`, key: `{"k":${from + i}}`, value };
      });
    await send(addresses, sent(0, 500), 3);
    const kills = Number(process.env['KAFKA_SOURCE_KILLS'] ?? 4);
    for (let kill = 0; kill < kills; kill++) {
      const process_ = new CliProcess(['run', path, '--log', 'json']);
      const from = 500 * (kill + 1);
      await process_.until('stream-started');
      const writing = send(addresses, sent(from, from + 500), 3);
      await sleep(100 + ((kill * 137) % 400));
      process_.process.kill('SIGKILL');
      await Promise.all([process_.ended, writing]);
    }
    await onceFree(path);
    const rows = await target.query(
      'SELECT count(*)::int AS rows, count(DISTINCT n)::int AS numbers, max(n)::int AS last FROM log',
    );
    const all = 500 * (kills + 1);
    assert.deepEqual(rows, [{ rows: all, numbers: all, last: all - 1 }]);
  });

  test('what the records do not tell is refused by name, and nothing of it is written', async () => {
    const target = await emptyTarget();
    const records = await goldenSent(unique('golden'));
    const { tables, excluded } = await readRelations(target.url, 'test', {});
    const modes = { decimal: 'precise', time: 'adaptive', binary: 'bytes' } as const;
    const events = new DebeziumEvents({ tables, excluded }, modes, '__debezium_unavailable_value');
    const tx = { xid: 1, finalLsn: 0n as RecordLsn, commitTime: 0n, origin: null };
    const found = new Map<string, string>();
    for (const { topic, key, value } of records) {
      const bytes = (text: string | null) => (text === null ? null : Buffer.from(text));
      const record = {
        topic,
        partition: 0,
        count: 3,
        offset: 0n,
        key: bytes(key),
        value: bytes(value),
        headers: new Map(),
      };
      try {
        events.read(record, tx, 0n);
      } catch (error) {
        const name = topic.slice(topic.lastIndexOf('.') + 1);
        if (!found.has(name)) found.set(name, `${(error as { code: string }).code} ${(error as Error).message}`);
      }
    }
    assert.deepEqual([...found.keys()].toSorted(), Object.keys(refused).toSorted());
    for (const [name, words] of Object.entries(refused)) assert.match(found.get(name)!, words);
  });
}

function errorsOf({ code, stderr }: { readonly code: number | null; readonly stderr: string }): string[] {
  const lines = stderr.split('\n').filter((line) => /^PGS\d/.test(line));
  return code === 0 ? lines : [`exit ${code}`, ...lines];
}
