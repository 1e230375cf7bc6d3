import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partitionOf } from '../../plugins/sink-kafka/murmur2.ts';
import { cli, pipelineFile } from '../support/cli.ts';
import { brokers, kafkaAvailable } from '../support/kafka.ts';
import { type ReadRecord, readAll } from '../support/kafka-read.ts';
import { database, server, type TestDatabase } from '../support/servers.ts';

interface Part {
  /** Options of a sink, or of several. */
  readonly sink: string | readonly string[];
  readonly transforms?: string;
}

async function fileFor(source: TestDatabase, { sink, transforms = '' }: Part): Promise<string> {
  const addresses = (await brokers()).join('", "');
  const indented = (options: string) => options.trim().replace(/^/gm, '    ');
  return pipelineFile(`
pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
${transforms}
sinks:
${[sink]
  .flat()
  .map(
    (options, i) => `  - plugin: kafka
    name: sink${i}
    brokers: ["${addresses}"]
    delivery: exactly_once
    partitions: 3
    format: flat
    fields: [op]
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

async function fails(verb: readonly string[], file: string, expected: RegExp): Promise<number | null> {
  const { code, stdout, stderr } = await cli([...verb.slice(0, 1), file, ...verb.slice(1)]);
  assert.match(stdout + stderr, expected);
  return code;
}

/** Values in order, by topic and key. */
function byKey(records: readonly ReadRecord[]): Record<string, (string | null)[]> {
  const seen: Record<string, (string | null)[]> = {};
  for (const { topic, key, value } of records)
    (seen[`${topic.slice(topic.indexOf('.') + 1)} ${key}`] ??= []).push(value);
  return seen;
}

if (await kafkaAvailable()) {
  const postgres = await server(17);
  const all = async (of: TestDatabase) => readAll(await brokers(), [], (topic) => topic.startsWith(`${of.name}.`));

  test('topic by expression: a row that moves is deleted where it was and made where it is', async () => {
    const source = await database(postgres, 'route');
    await source.query(`
      CREATE TABLE orders (id int PRIMARY KEY, region text, note text);
      ALTER TABLE orders REPLICA IDENTITY FULL;
      CREATE TABLE plain (id int PRIMARY KEY);
      INSERT INTO orders VALUES (1, 'eu', 'a'), (2, 'us', 'b'), (3, 'eu', 'gone');
      INSERT INTO plain VALUES (1)`);
    const file = await fileFor(source, {
      sink: `
topic:
  public.orders: { expr: "'${source.name}.orders.' || lower(region)" }
  public.*: "{pipeline}.other.{table}"
truncate: skip`,
      transforms: 'transforms: [{ plugin: filter, tables: orders, where: "note <> \'gone\'" }]',
    });
    await run(file);
    await source.query("UPDATE orders SET note = repeat('x', 20) WHERE id = 1");
    await source.query("UPDATE orders SET region = 'ASIA' WHERE id = 1");
    await source.query("INSERT INTO orders VALUES (4, 'us', 'n'); DELETE FROM orders WHERE id = 2");
    // Leaves the filter while it moves: only the old place hears of it.
    await source.query("UPDATE orders SET region = 'eu', note = 'gone' WHERE id = 4");
    await run(file);
    assert.deepEqual(byKey(await all(source)), {
      'orders.asia {"id":1}': ['{"id":1,"region":"ASIA","note":"xxxxxxxxxxxxxxxxxxxx","__op":"c"}'],
      'orders.eu {"id":1}': [
        '{"id":1,"region":"eu","note":"a","__op":"r"}',
        '{"id":1,"region":"eu","note":"xxxxxxxxxxxxxxxxxxxx","__op":"u"}',
        null,
      ],
      'orders.us {"id":4}': ['{"id":4,"region":"us","note":"n","__op":"c"}', null],
      'orders.us {"id":2}': ['{"id":2,"region":"us","note":"b","__op":"r"}', null],
      'other.plain {"id":1}': ['{"id":1,"__op":"r"}'],
    });
    const plan = await cli(['plan', file]);
    assert.match(plan.stdout, /public\.orders\n {2}route: .*\n {2}topic: by row: '.*' \|\| lower\(region\)\n/);
    assert.match(plan.stdout, new RegExp(`topic: ${source.name}\\.other\\.plain\\n`));
  });

  test('partition_by, key by expression and headers from columns', async () => {
    const source = await database(postgres, 'route');
    await source.query(`
      CREATE TABLE lines (customer int, n int, tenant text, secret text, PRIMARY KEY (customer, n));
      CREATE TABLE plain (id int PRIMARY KEY);
      INSERT INTO lines SELECT c, n, CASE WHEN c = 3 THEN NULL ELSE 't' || c END, 's' || n FROM generate_series(1, 3) c, generate_series(1, 5) n;
      INSERT INTO plain VALUES (7)`);
    const file = await fileFor(source, {
      sink: `
partition_by: { lines: [customer] }
key: { lines: { expr: "customer * 100 + n" } }
headers:
  team: crm
  tenant: { column: tenant, tables: lines }
  secret: { expr: "'is ' || secret", tables: [lines] }`,
      transforms: 'transforms: [{ plugin: mask, tables: lines, columns: { secret: redact } }]',
    });
    await run(file);
    await source.query("UPDATE lines SET tenant = 'new' WHERE customer = 1 AND n = 1");
    await source.query('UPDATE lines SET customer = 2, n = 50 WHERE customer = 1 AND n = 2');
    await run(file);
    const records = (await all(source)).filter(({ topic }) => topic.endsWith('.lines'));
    assert.equal(records.length, 15 + 1 + 2);
    for (const { key, value, partition, headers } of records) {
      const customer = Math.floor(Number(key) / 100);
      assert.equal(partition, partitionOf(Buffer.from(`{"customer":${customer}}`), 3), key ?? '');
      assert.equal(headers['team'], 'crm');
      const row = value === null ? null : (JSON.parse(value) as { tenant: string | null });
      // The old row of a delete holds its key alone: there is no tenant to tell of.
      assert.equal(headers['tenant'], row?.tenant ?? undefined);
      assert.equal(headers['secret'], row === null ? undefined : 'is ***');
    }
    const moved = (wanted: string) =>
      records
        .filter(({ key }) => key === wanted)
        .map(({ value, headers }) => [value === null, headers['__debezium.newkey'] ?? headers['__debezium.oldkey']]);
    assert.deepEqual(moved('102'), [
      [false, undefined],
      [true, '250'],
    ]);
    assert.deepEqual(moved('250'), [[false, '102']]);
    const [plain] = (await all(source)).filter(({ topic }) => topic.endsWith('.plain'));
    assert.deepEqual([plain?.key, plain?.headers], ['{"id":7}', { team: 'crm' }]);
  });

  test('logical tables: several tables in one topic, with keys that tell them apart', async () => {
    const source = await database(postgres, 'route');
    for (const n of [1, 2]) {
      await source.query(`CREATE TABLE customers_${n} (id int PRIMARY KEY); INSERT INTO customers_${n} VALUES (5)`);
    }
    await source.query('CREATE TABLE orders_a (id int PRIMARY KEY); INSERT INTO orders_a VALUES (6)');
    const file = await fileFor(source, {
      sink: String.raw`
logical_tables:
  - { topic_regex: "(.*)\\.customers_(\\d)", topic_replacement: "$1.customers", key_field_regex: ".*_(?<n>\\d)", key_field_replacement: "shard-$${'${n}'}" }
  - { topic_regex: ".*\\.orders_.*", topic_replacement: "${source.name}.all-orders", key_enforce_uniqueness: false }`.replace(
        'partitions: 1\n',
        '',
      ),
    });
    await run(file);
    await source.query('DELETE FROM customers_1; UPDATE orders_a SET id = 7');
    await run(file);
    const records = await all(source);
    const of = (topic: string) => records.filter((record) => record.topic === `${source.name}.${topic}`);
    const keys = of('public.customers').map(({ key, value }) => `${key} ${value === null ? '-' : '+'}`);
    assert.deepEqual(keys.sort(), [
      '{"id":5,"__dbz__physicalTableIdentifier":"shard-1"} +',
      '{"id":5,"__dbz__physicalTableIdentifier":"shard-1"} -',
      '{"id":5,"__dbz__physicalTableIdentifier":"shard-2"} +',
    ]);
    const orders = of('all-orders').map(({ key, value }) => `${key} ${value === null ? '-' : '+'}`);
    assert.deepEqual(orders.sort(), ['{"id":6} +', '{"id":6} -', '{"id":7} +']);
    const { stdout } = await cli(['plan', file]);
    assert.match(stdout, /record key: with __dbz__physicalTableIdentifier = shard-2/);
    const check = await cli(['check', file]);
    assert.doesNotMatch(check.stdout, /kafka-topic-shared/);
  });

  test('what cannot be routed is refused before anything is written', async () => {
    const source = await database(postgres, 'route');
    await source.query('CREATE TABLE t (id int PRIMARY KEY, region text, "we""ird" text)');
    const outside = await fileFor(source, { sink: 'topic: { expr: "\'x.\' || region" }' });
    assert.equal(await fails(['run', '--stop-at', 'now'], outside, /PGS5060/), 3);
    const findings: readonly (readonly [sink: string, expected: RegExp])[] = [
      [
        'topic: { expr: "\'x.\' || region" }',
        /PGS5060 topic reads region[^]*ALTER TABLE "?public"?\."?t"? REPLICA IDENTITY FULL/,
      ],
      ['partition_by: [region]', /PGS5060 partition_by reads region/],
      ['partition_by: [nowhere]', /PGS5063 partition_by[^\n]*nowhere/],
      ['headers: { h: { column: nowhere } }', /PGS5063 headers\.h[^\n]*nowhere/],
      ['topic: { expr: "id || nowhere" }', /^(?!.*PGS5063).*nowhere/m],
      ['key: { t: { expr: "region" } }', /PGS5060 key reads region/],
    ];
    const all = await fileFor(source, { sink: findings.map(([sink]) => sink) });
    const { code, stdout, stderr } = await cli(['check', all]);
    assert.equal(code, 3);
    for (const [sink, expected] of findings) assert.match(stdout + stderr, expected, sink);
    // Without a server.
    const offline = [
      ['topic: { expr: "id ||" }', 'topic: { expr: "random()" }', 'headers: { h: { expr: "(" } }'],
      ['topic: { expr: "" }', 'topic: { exp: "id" , x: 5 }', 'partition_by: []', 'key: { t: { expr: 5 } }'],
    ];
    for (const sinks of offline) {
      const refused = await cli(['validate', await fileFor(source, { sink: sinks })]);
      assert.equal(refused.code, 2);
      const lines = new Set([...refused.stderr.matchAll(/pipeline\.yaml:(\d+):\d+: /g)].map(([, line]) => line));
      // The options of the first sink are in line 13, and each sink has eight lines.
      const wanted = sinks.map((_, i) => String(13 + 8 * i));
      assert.deepEqual([...lines], wanted, refused.stderr);
    }
    for (const regex of ['topic_regex: "(", topic_replacement: x', 'topic_regex: ".*", topic_replacement: "$1"']) {
      await fails(['check'], await fileFor(source, { sink: `logical_tables: [{ ${regex} }]` }), /PGS5063/);
    }
  });

  test('rows without a topic stop the run, or go to the dead letters', async () => {
    const source = await database(postgres, 'route');
    await source.query(`
      CREATE TABLE t (id int PRIMARY KEY, topic text); ALTER TABLE t REPLICA IDENTITY FULL;
      INSERT INTO t VALUES (1, 'ok'), (2, NULL)`);
    const sink = `topic: { expr: "'${source.name}.' || CASE topic WHEN 'far' THEN repeat('x', 300) WHEN 'div' THEN (1 / (id - id))::text ELSE topic END" }`;
    const strict = await fileFor(source, { sink });
    assert.equal(await fails(['run', '--stop-at', 'now'], strict, /PGS5061 [^\n]*gives NULL/), 1);
    assert.equal((await cli(['cleanup', strict, '--yes'])).code, 0);
    await source.query("UPDATE t SET topic = 'ok' WHERE id = 2");
    const lenient = await fileFor(source, {
      sink: `${sink}\n`,
      transforms: 'dead_letter: { file: dead.jsonl, max_failures: 100 }',
    });
    await run(lenient);
    for (const topic of ['NULL', "'far'", "'div'", "'..'", "'a/b'"]) {
      await source.query(`INSERT INTO t SELECT max(id) + 1, ${topic} FROM t`);
    }
    await run(lenient);
    assert.deepEqual(byKey(await all(source)), {
      '.. {"id":6}': ['{"id":6,"topic":"..","__op":"c"}'],
      'a_b {"id":7}': ['{"id":7,"topic":"a/b","__op":"c"}'],
      'ok {"id":1}': ['{"id":1,"topic":"ok","__op":"r"}'],
      'ok {"id":2}': ['{"id":2,"topic":"ok","__op":"r"}'],
    });
    const status = await cli(['status', lenient, '--json']);
    assert.match(status.stdout, /"deadLetters":\s*3/);
  });
}
