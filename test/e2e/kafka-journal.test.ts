import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { brokers, kafkaAvailable, testAdmin, unique } from '../support/kafka.ts';
import { onlyLong } from '../support/long.ts';
import { database, server, type TestDatabase } from '../support/servers.ts';

const tables = `
  CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN price AS numeric(12,2) CHECK (VALUE >= 0);
  CREATE TABLE zoo (id bigint PRIMARY KEY, b bool, i2 int2, i4 int4, f4 float4, f8 float8, n numeric, np numeric(20,5), p price, t text, v varchar(9),
    c char(5), by bytea, d date, tm time, tz timetz, ts timestamp, tstz timestamptz, iv interval, u uuid, j json, jb jsonb, x xml, ip inet,
    ci cidr, ma macaddr, bi bit(5), vb varbit, po point, bo box, m money, mo mood, ar int[], ta text[], ma2 mood[], ir int4range, nr numrange,
    ts2 tsvector, g int GENERATED ALWAYS AS (i4 + 1) STORED, gi int GENERATED ALWAYS AS IDENTITY);
  CREATE TABLE large (id int PRIMARY KEY, n int, doc text, bin bytea);
  CREATE TABLE keyless (v text, n int); ALTER TABLE keyless REPLICA IDENTITY FULL;
  CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY, a int); CREATE TABLE emptied (id int PRIMARY KEY)`;

const names = ['zoo', 'large', 'keyless', 'a', 'b', 'emptied'];

const before = `
  INSERT INTO zoo SELECT i, i % 2 = 0, i, i, 1.5e-7 * i, 'NaN', CASE i WHEN 3 THEN 'Infinity' ELSE 12345678901234567890.000100 * i END, i / 3.0, i, E'a\\tb\\n"ü' || i, 'v', 'c', '\\x00ff',
    'infinity', '24:00', '12:00:01.5+02', '4713-01-01 BC', '2024-02-30'::text::date - 1 + time '01:02:03.456789', '1 year 2 mons 3 days 04:05:06.7', gen_random_uuid(),
    '{"a": 1.0, "a": 2}', '{"b": [1, null]}', '<a>1</a>', '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', '10101', '0011', '(1.1,2)', '((1,2),(3,4))',
    '12.34', 'ok', '{1,NULL,3}', E'{"a,b","c\\\\"d",NULL}', '{sad,ok}', '[1,5)', 'empty', 'a:1 b:2' FROM generate_series(1, 5) i;
  INSERT INTO zoo (id) VALUES (100);
  INSERT INTO large SELECT i, 0, (SELECT string_agg(md5((i * j)::text), '') FROM generate_series(1, 400) j), decode(repeat('00ff', 9000), 'hex') FROM generate_series(1, 4) i;
  INSERT INTO keyless VALUES ('same', 1), ('same', 1), (NULL, NULL); INSERT INTO a SELECT i, 'v' FROM generate_series(1, 300) i; INSERT INTO b SELECT i, i FROM generate_series(1, 300) i`.replace(
  "'2024-02-30'::text::date - 1 + time",
  "date '2024-02-29' + time",
);

const later = [
  `UPDATE large SET n = n + 1`,
  `UPDATE large SET id = id + 100 WHERE id = 2`,
  `INSERT INTO keyless VALUES ('same', 1); DELETE FROM keyless WHERE ctid = (SELECT min(ctid) FROM keyless WHERE v = 'same')`,
  `UPDATE keyless SET n = 7 WHERE v IS NULL`,
  `UPDATE zoo SET t = NULL, mo = 'sad', n = -0.00 WHERE id <= 2; DELETE FROM zoo WHERE id = 3`,
  `UPDATE a SET id = -id WHERE id < 50; UPDATE b SET a = -a WHERE a < 50`,
  `INSERT INTO emptied VALUES (1); TRUNCATE emptied, keyless; INSERT INTO emptied VALUES (2); INSERT INTO keyless VALUES ('after', 1)`,
  `INSERT INTO a SELECT i, repeat(md5(i::text), 30) FROM generate_series(1000, 5000) i; UPDATE b SET a = 1 WHERE id = 60`,
  `SELECT pg_logical_emit_message(true, 'app', 'hello')`,
];

async function rowsOf(of: TestDatabase): Promise<Record<string, readonly string[]>> {
  const all: Record<string, readonly string[]> = {};
  for (const name of names) {
    const rows = await of.query<{ r: string }>(`SELECT t::text AS r FROM ${name} t ORDER BY t::text COLLATE "C"`);
    all[name] = rows.map(({ r }) => r);
  }
  return all;
}

if (await kafkaAvailable()) {
  const list = (await brokers()).map((one) => `"${one}"`).join(', ');

  async function chain(partitions: number) {
    const source = await database(await server(17));
    const target = await database(await server(16));
    await source.query(tables);
    await target.query(tables);
    const name = unique('journal');
    const reader = await pipelineFile(`
pipeline: ${name}
source: { plugin: postgres, url: "${source.url}" }
sinks: [{ plugin: kafka, brokers: [${list}], format: pgsluice, partitions: ${partitions} }]
checkpoint: { plugin: file, path: state.json }
`);
    const applier = await pipelineFile(`
pipeline: ${name}_apply
source:
  plugin: kafka
  brokers: [${list}]
  topics: ["${name}.journal"]
  format: pgsluice
  reader: ${reader}
  tables_from: ${target.url}
sinks: [{ plugin: postgres, url: "${target.url}", schema: existing }]
`);
    return { source, target, reader, applier, topic: `${name}.journal` };
  }

  async function carry({ reader, applier }: { readonly reader: string; readonly applier: string }): Promise<void> {
    for (const file of [reader, applier]) {
      const { code, stderr } = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
      assert.equal(code, 0, stderr);
    }
  }

  test('a journal brings every type, unsent values, key changes and TRUNCATE to the target as they are', async () => {
    const of = await chain(3);
    await of.source.query(before);
    await carry(of);
    assert.deepEqual(await rowsOf(of.target), await rowsOf(of.source));
    const client = new pg.Client({ connectionString: of.source.url });
    await client.connect();
    for (const sql of later) await client.query(`BEGIN; ${sql}; COMMIT`);
    await client.end();
    await carry(of);
    assert.deepEqual(await rowsOf(of.target), await rowsOf(of.source));
    // Through the journal, with nobody else at work.
    await of.source.query(`UPDATE b SET a = 7 WHERE id = 61`);
    const verify = await cli(['verify', of.applier]);
    assert.equal(verify.code, 0, verify.stdout + verify.stderr);
    assert.deepEqual(await rowsOf(of.target), await rowsOf(of.source));
    const admin = testAdmin((await brokers())[0]!);
    await admin.connect();
    await admin.createPartitions({ topicPartitions: [{ topic: of.topic, count: 4 }] });
    await admin.disconnect();
    const more = await cli(['run', of.reader, '--stop-at', 'now', '--log', 'json']);
    assert.match(more.stderr, /^PGS2214 .*3 partitions, and its topic has 4/m);
  });

  test('a reader and appliers that are killed lose and double nothing', { skip: onlyLong }, async () => {
    const of = await chain(3);
    await of.source.query(before);
    const start = (file: string) => new CliProcess(['run', file, '--log', 'json']);
    const running = [start(of.reader), start(of.applier), start(of.applier)];
    await running[0]!.until('caught-up');
    await using _left = {
      [Symbol.asyncDispose]: async () => running.forEach(({ process }) => void process.kill('SIGKILL')),
    };
    const files = [of.reader, of.applier, of.applier];
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 40; i++) {
        await of.source.query(`INSERT INTO keyless VALUES ('r', ${i}); UPDATE a SET v = v || 'x' WHERE id % 40 = ${i}`);
      }
      await of.source.query(`INSERT INTO a SELECT ${round} * 10000 + i, 'n' FROM generate_series(10000, 12000) i`);
      await sleep(300);
      running[round]!.process.kill('SIGKILL');
      await running[round]!.ended;
      running[round] = start(files[round]!);
      await running[round]!.until('stream-started');
    }
    for (const { process } of running) process.kill('SIGTERM');
    for (const { ended } of running) assert.equal((await ended).code, 0);
    await carry(of);
    assert.deepEqual(await rowsOf(of.target), await rowsOf(of.source));
  });
}
