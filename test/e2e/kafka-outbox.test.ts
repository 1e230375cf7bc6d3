import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { brokers, kafkaAvailable } from '../support/kafka.ts';
import { type ReadRecord, readAll } from '../support/kafka-read.ts';
import { long, short } from '../support/long.ts';
import { database, server, type TestDatabase } from '../support/servers.ts';

/** Kills of pgsluice: KAFKA_KILLS=20 is the long form. */
const kills = Number(process.env['KAFKA_KILLS'] ?? (long ? 3 : 1));

const outbox = `
  CREATE TABLE outbox (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), aggregatetype text, aggregateid text,
    type text, payload jsonb, version int DEFAULT 1)`;

/** `sinks`: the options of one, or of several that write the same. */
async function fileFor(source: TestDatabase, sinks: string | readonly string[], more = ''): Promise<string> {
  const addresses = (await brokers()).join('", "');
  const indented = (options: string) => options.trim().replace(/^/gm, '    ');
  return pipelineFile(`
pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
${more}
sinks:
${[sinks]
  .flat()
  .map(
    (options, i) => `  - plugin: kafka
    name: events${i}
    brokers: ["${addresses}"]
    delivery: exactly_once
    partitions: 3
    format: outbox
${indented(options)}
`,
  )
  .join('')}checkpoint: { plugin: file }
`);
}

async function run(file: string): Promise<void> {
  const { code, stderr } = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
  assert.equal(code, 0, stderr);
}

const route = (source: TestDatabase) => `route_topic_replacement: "${source.name}.$\${routedByValue}.events"`;
const id = (n: number) => `00000000-0000-0000-0000-00000000000${n}`;

/** Without those that Debezium puts on every record of a table, which are there, too. */
function own(headers: ReadRecord['headers']): Record<string, string> {
  const context = '__debezium.context.';
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith(context)));
}

if (await kafkaAvailable()) {
  const postgres = await server(17);
  const all = async (of: TestDatabase) => readAll(await brokers(), [], (topic) => topic.startsWith(`${of.name}.`));
  const told = (records: readonly ReadRecord[]) =>
    records
      .map(({ topic, key, value, headers }) => [topic.split('.')[1], key, value, own(headers)] as const)
      .sort((a, b) => String(a[3]['id']).localeCompare(String(b[3]['id'])));

  test('rows of an outbox are events: payload, key, headers, topic by type; deletes and TRUNCATE are none', async () => {
    const source = await database(postgres, 'outbox');
    await source.query(outbox);
    await source.query(
      `INSERT INTO outbox VALUES ('${id(1)}', 'order', '7', 'OrderCreated', '{"big": 12345678901234567890, "none": null}')`,
    );
    const file = await fileFor(
      source,
      `outbox: { ${route(source)}, table_fields_additional_placement: "type:header:eventType,version:header" }`,
    );
    await run(file);
    await source.query(`
      INSERT INTO outbox VALUES ('${id(2)}', 'customer', NULL, 'É "x"', NULL), ('${id(3)}', 'a/b', 'k', NULL, '[1]');
      DELETE FROM outbox; TRUNCATE outbox`);
    await run(file);
    assert.deepEqual(told(await all(source)), [
      [
        'order',
        '7',
        '{"big": 12345678901234567890, "none": null}',
        { id: id(1), eventType: 'OrderCreated', version: '1' },
      ],
      ['customer', null, null, { id: id(2), eventType: 'É "x"', version: '1' }],
      ['a_b', 'k', '[1]', { id: id(3), version: '1' }],
    ]);
    const { stdout } = await cli(['plan', file]);
    assert.match(stdout, /topic: by row: .*routedByValue.* by aggregatetype/);
  });

  test('an envelope, expanded JSON, bytes, partitions and tombstones, under other names', async () => {
    const source = await database(postgres, 'outbox');
    await source.query(`
      CREATE TABLE events (event uuid PRIMARY KEY, kind text, key int, body bytea, at timestamptz, p int);
      CREATE TABLE texts (event uuid PRIMARY KEY, kind text, key int, body text, at timestamptz, p int);
      INSERT INTO events VALUES ('${id(1)}', 'raw', 5, '\\x00ff', '2026-01-02 03:04:05+00', 2), ('${id(2)}', 'empty', 6, '', NULL, 0);
      INSERT INTO texts VALUES ('${id(3)}', 'json', 7, ' {"a": 1.50, "n": null, "l": [null]}', NULL, 1), ('${id(4)}', 'text', 8, 'plain', NULL, 1)`);
    const names = `table_field_event_id: event, table_field_event_key: key, table_field_event_payload: body, route_by_field: kind, route_topic_regex: "(.*)", route_topic_replacement: "${source.name}.$1"`;
    await run(
      await fileFor(
        source,
        `outbox: { ${names}, table_fields_additional_placement: ["p:partition"], route_tombstone_on_empty_payload: true, table_expand_json_payload: true }`,
      ),
    );
    const records = await all(source);
    assert.deepEqual(
      told(records).map(([topic, key, value]) => [topic, key, value]),
      [
        ['raw', '5', '\u0000�'],
        ['empty', '6', null],
        ['json', '7', '{"a":1.50,"l":[null]}'],
        ['text', '8', 'plain'],
      ],
    );
    assert.equal(
      records
        .map(({ topic, partition }) => `${topic.split('.')[1]} ${partition}`)
        .sort()
        .join(', '),
      'empty 0, json 1, raw 2, text 1',
    );

    const other = await database(postgres, 'outbox');
    await other.query(`
      CREATE TABLE texts (event uuid PRIMARY KEY, kind text, key int, body text, at timestamptz, p int);
      INSERT INTO texts VALUES ('${id(1)}', 'json', 7, '{"a": 1, "n": null}', '2026-01-02 03:04:05+00', 1), ('${id(2)}', 'text', 8, 'pl"ain', NULL, 1)`);
    await run(
      await fileFor(
        other,
        `outbox: { ${names.replace(source.name, other.name)}, table_fields_additional_placement: "at:envelope:ts,nowhere:header", table_fields_additional_error_on_missing: false, table_expand_json_payload: true, table_json_payload_null_behavior: optional_bytes }`,
      ),
    );
    assert.deepEqual(
      told(await all(other)).map(([, , value]) => value),
      ['{"payload":{"a":1,"n":null},"ts":"2026-01-02T03:04:05.000000Z"}', '{"payload":"pl\\"ain","ts":null}'],
    );
  });

  /** Milliseconds of each record of a topic of one partition, by kafkajs. */
  async function timesOf(topic: string, count: number): Promise<readonly string[]> {
    const kafka = new kafkajs.Kafka({ brokers: [...(await brokers())], logLevel: kafkajs.logLevel.NOTHING });
    const consumer = kafka.consumer({ groupId: topic });
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    const times: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const eachMessage = async ({ message }: kafkajs.EachMessagePayload) => {
        times.push(message.timestamp);
        if (times.length === count) resolve();
      };
      consumer.run({ eachMessage }).catch(reject);
    });
    await consumer.disconnect();
    return times;
  }

  for (const client of short(1, ['platformatic', 'kafkajs'])) {
    test(`the time of a record is a column’s, ${client}`, async () => {
      const source = await database(postgres, 'outbox');
      await source.query(`CREATE TABLE events (id int PRIMARY KEY, aggregatetype text, aggregateid text, payload text, tz timestamptz, ts timestamp, ms bigint, v int);
        INSERT INTO events VALUES (1, 'o', 'k', 'x', '2026-01-02 03:04:05.678999+02', '1999-12-31 23:59:59.5', 0, 1),
          (2, 'o', 'k', 'x', '2036-01-02 03:04:05+00', '2026-01-02 03:04:05', 1767323045678, 1)`);
      const before = Date.now();
      const cases = [
        ['tz', [Date.parse('2026-01-02T01:04:05.678Z'), Date.parse('2036-01-02T03:04:05Z')]],
        ['ts', [Date.parse('1999-12-31T23:59:59.500Z'), Date.parse('2026-01-02T03:04:05Z')]],
        ['ms', [0, 1767323045678]],
      ] as const;
      const sinks = cases.map(([column]) => {
        const options = `outbox: { route_topic_replacement: "${source.name}.${column}", table_field_event_timestamp: ${column}, table_field_event_schema_version: v }`;
        // A broker refuses times of the future by default, and deletes what is older than a week at its next look.
        const topicConfig =
          'topic_config: { message.timestamp.after.max.ms: "9223372036854775807", retention.ms: "-1" }';
        return `client: ${client}\n${topicConfig}\n${options}`;
      });
      const file = await fileFor(source, sinks);
      await run(file);
      await source.query(`INSERT INTO events VALUES (3, 'o', 'k', 'x')`);
      await run(file);
      for (const [column, expected] of cases) {
        const times = (await timesOf(`${source.name}.${column}`, 3)).map(Number);
        assert.deepEqual(times.slice(0, 2), expected, column);
        assert.ok(times[2]! >= before && times[2]! <= Date.now(), 'NULL: when it is written');
      }
    });
  }

  test('logical messages are an outbox without a table', async () => {
    const source = await database(postgres, 'outbox');
    await source.query(outbox);
    const file = await fileFor(
      source,
      `outbox: { ${route(source)}, message_prefix_include_list: ["outbox(\\\\..*)?"] }`,
    );
    await run(file);
    const emit = (prefix: string, content: string, transactional = true) =>
      source.query(`SELECT pg_logical_emit_message(${transactional}, '${prefix}', '${content}')`);
    const row = (n: number, payload: unknown) =>
      JSON.stringify({ id: id(n), aggregatetype: 'order', aggregateid: n, payload });
    await emit('outbox', row(1, { total: 1.5, é: '😀' }));
    await emit('outbox.more', row(2, 'as it is'), false);
    await emit('other', 'no event');
    await run(file);
    assert.deepEqual(told(await all(source)), [
      ['order', '1', '{"total":1.5,"é":"😀"}', { id: id(1) }],
      ['order', '2', 'as it is', { id: id(2) }],
    ]);
    await emit('outbox', 'no JSON');
    const { code, stderr } = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
    assert.equal(code, 1);
    assert.match(stderr, /^PGS5065 /);
  });

  test('updates are refused, or passed over with a warning; what is no event goes to the dead letters', async () => {
    const source = await database(postgres, 'outbox');
    await source.query(outbox);
    await source.query(`INSERT INTO outbox VALUES ('${id(1)}', 'order', '7', 't', '{}')`);
    const file = await fileFor(
      source,
      `outbox: { ${route(source)} }`,
      'dead_letter: { file: dead.jsonl, max_failures: 9 }',
    );
    await run(file);
    await source.query(
      `UPDATE outbox SET type = 'x'; INSERT INTO outbox VALUES ('${id(2)}', NULL, '7', 't', '{}'), ('${id(3)}', 'order', '7', 't', '{}')`,
    );
    const { code, stderr } = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
    assert.equal(code, 1);
    assert.match(stderr, /^PGS5064 [^\n]*public\.outbox[^\n]*\n$/);
    const lenient = await fileFor(source, `outbox: { ${route(source)}, table_op_invalid_behavior: warn }`);
    await cli(['cleanup', file, '--yes']);
    await source.query('DELETE FROM outbox WHERE aggregatetype IS NULL');
    await run(lenient);
    await source.query("UPDATE outbox SET type = 'y'");
    const warned = await cli(['run', lenient, '--stop-at', 'now', '--log', 'json']);
    assert.equal(warned.code, 0, warned.stderr);
    assert.match(warned.stdout, /"outbox-update"/);
    // Twice by the two pipelines, and none by the updates.
    assert.deepEqual(
      told(await all(source)).map(([, , , headers]) => headers['id']),
      [id(1), id(1), id(3)],
    );
  });

  test('a table that cannot be an outbox is refused before anything is written', async () => {
    const source = await database(postgres, 'outbox');
    await source.query('CREATE TABLE t (id int PRIMARY KEY, payload text)');
    const { stdout, code } = await cli(['check', await fileFor(source, 'outbox: {}')]);
    assert.match(stdout, /PGS5063 [^\n]*aggregateid, aggregatetype/);
    assert.equal(code, 3);
    const misspelt = await cli(['validate', await fileFor(source, 'outbox: { table_field_event_ky: a }')]);
    assert.match(misspelt.stderr, /did you mean "table_field_event_key"/);
    assert.equal(misspelt.code, 2);
  });

  test(`${kills} kills, exactly_once: every event once, in the order of its key`, async (t) => {
    const source = await database(postgres, 'outbox');
    await source.query(outbox);
    await source.query('CREATE SEQUENCE n');
    const file = await fileFor(source, `outbox: { ${route(source)} }`);
    // What is there before the slot is copied, and may come twice where that is broken off.
    await run(file);
    let writing = true;
    const writer = (async () => {
      // Emptied as it is written, as an outbox is; topics are made on the way.
      while (writing) {
        await source.query(`
          INSERT INTO outbox (aggregatetype, aggregateid, payload)
            SELECT 'kind' || (i % 7), i % 5, to_jsonb(i) FROM (SELECT nextval('n') AS i FROM generate_series(1, 20)) s`);
        await source.query('DELETE FROM outbox WHERE random() < 0.9');
      }
    })();
    for (let kill = 0; kill < kills; kill++) {
      const running = new CliProcess(['run', file, '--log', 'json']);
      await sleep(900 + Math.random() * 2000);
      running.process.kill('SIGKILL');
      const { stderr } = await running.ended;
      assert.equal(stderr, '');
    }
    writing = false;
    await writer;
    await run(file);
    const records = await all(source);
    const [last] = await source.query<{ count: string }>('SELECT last_value AS count FROM n');
    const count = Number(last?.count);
    t.diagnostic(`${count} events`);
    const values = records.map(({ value }) => Number(value)).sort((x, y) => x - y);
    assert.deepEqual(
      values,
      Array.from({ length: count }, (_, i) => i + 1),
    );
    const before = new Map<string, number>();
    for (const { topic, key, value } of records) {
      const place = `${topic} ${key}`;
      assert.ok(Number(value) > (before.get(place) ?? 0), `${place}: ${value} after ${before.get(place)}`);
      before.set(place, Number(value));
    }
    assert.equal(before.size, 35);
  });
}
