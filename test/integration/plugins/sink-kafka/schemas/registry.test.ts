import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer as createHttp, type RequestListener, request } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { cli, pipelineFile } from '../../../../support/cli.ts';
import { brokers, kafkaAvailable, unique } from '../../../../support/kafka.ts';
import { type ReadRecord, readAll } from '../../../../support/kafka-read.ts';
import { readWithJava, registry } from '../../../../support/registry.ts';
import { database, server, type TestDatabase } from '../../../../support/servers.ts';
import { tlsFolder } from '../../../../support/tls.ts';

/* Against a real registry (Apicurio's, by Confluent's API) and with its own deserializers in Java. */

const table = `
  CREATE TYPE mood AS ENUM ('sad', 'ok');
  CREATE TABLE everything (id int8 PRIMARY KEY, i2 int2 NOT NULL DEFAULT 7, i4 int4, f4 float4, f8 float8, b bool, t text,
    n numeric(10,2), any_n numeric, j jsonb, by bytea, u uuid, d date, tm time, ts timestamp, ts3 timestamp(3), tz timestamptz,
    iv interval, m mood, ia int4[], ta text[], p point, ci circle, vb varbit(9), note varchar(20) DEFAULT 'none');
  INSERT INTO everything VALUES
    (9007199254740993, -1, 2147483647, 1.5, 'NaN', true, 'quo"te 😀 ü', -12.30, 1.5000, '{"a": [1]}', '\\x00ff',
     'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2026-01-02', '12:13:14.5', '1969-12-31 23:59:59.999999', '2026-01-02 03:04:05.678',
     '2026-01-02 03:04:05.123456+00', '1 day 00:00:01', 'ok', '{1,NULL,-3}', '{a,"b c"}', '(1,2)', '<(1,2),3>', '101', 'x'),
    (2, 3, NULL, NULL, NULL, NULL, '', NULL, NULL, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}', NULL, NULL, NULL, '', NULL);`;
const changes = `
  INSERT INTO everything (id, t, n, ia, ta) VALUES (3, 'stream', 99999999.99, '{5}', '{x}');
  UPDATE everything SET t = 'changed', f8 = '-Infinity' WHERE id = 2;
  UPDATE everything SET id = 4 WHERE id = 3;
  DELETE FROM everything WHERE id = 4;
  ALTER TABLE everything ADD COLUMN extra text;
  INSERT INTO everything (id, t, extra) VALUES (5, 'wider', 'more');`;

interface Sink {
  readonly topic: string;
  readonly format: string;
  readonly registry?: string;
  readonly more?: string;
}

async function fileFor(source: TestDatabase, addresses: readonly string[], sinks: readonly Sink[]): Promise<string> {
  const written = sinks.map(
    ({ topic, format, registry: options, more }, i) => `
  - plugin: kafka
    name: ${format}${i}
    brokers: [${addresses.map((one) => `"${one}"`).join(', ')}]
    topic: ${topic}
    partitions: 1
    key_format: ${format}
    value_format: ${format}
${options === undefined ? '' : `    registry: { ${options} }\n`}${more ?? ''}`,
  );
  return pipelineFile(`
pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
ddl: follow
sinks:${written.join('')}
checkpoint: { plugin: file, path: ./state.json }
`);
}

async function run(file: string): Promise<{ readonly code: number | null; readonly stderr: string }> {
  return cli(['run', file, '--stop-at', 'now', '--log', 'json']);
}

async function runs(file: string): Promise<void> {
  const { code, stderr } = await run(file);
  assert.equal(code, 0, stderr);
}

/** When a sink made its record. */
const withoutTimes = (text: string | null) =>
  text?.replace(/("op":"\w",)"ts_ms":\d+,"ts_us":\d+,"ts_ns":\d+/, '$1*') ?? null;

const there = (await kafkaAvailable()) ? await registry() : 'there is no broker';
if (typeof there === 'string') {
  test('a schema registry', { skip: `A SCHEMA REGISTRY IS NOT TO BE HAD HERE: ${there}` }, () => {});
} else {
  const postgres = await server(17);
  const addresses = await brokers();
  const from = { brokers: addresses.join(','), registry: there };

  const { url } = there;

  async function subjectSchema(subject: string): Promise<string> {
    const answer = await fetch(`${url}/subjects/${encodeURIComponent(subject)}/versions/latest`);
    assert.equal(answer.status, 200, `${subject}: ${await answer.clone().text()}`);
    return ((await answer.json()) as { schema: string }).schema;
  }

  test('the registry’s AvroConverter and its deserializer of Protobuf read what JSON says, through DDL', async () => {
    const source = await database(postgres, 'reg');
    await source.query(table);
    const own = `url: "${there.url}"`;
    // Lists of Protobuf hold no NULL.
    const more = '    transforms: [{ plugin: columns, tables: everything, drop: [ia] }]\n';
    const sinks = [
      { topic: unique('schema'), format: 'json_schema' },
      { topic: unique('avro'), format: 'avro', registry: own },
      { topic: unique('json'), format: 'json', more },
      { topic: unique('proto'), format: 'protobuf', registry: own, more },
    ] as const;
    const file = await fileFor(source, addresses, sinks);
    await runs(file);
    for (const statement of changes.split(';\n')) await source.query(statement);
    await runs(file);
    const [schema, avro, json, proto] = sinks.map(({ topic }) => topic) as [string, string, string, string];
    const told = await readAll(addresses, [schema]);
    assert.equal(told.length, 10, 'two rows, an insert, an update, a key change (three), a delete (two), an insert');
    await checkAvro(avro, told);
    await checkProtobuf(proto, await readAll(addresses, [json]));
    const lone = await database(postgres, 'reg');
    await lone.query('CREATE TABLE t (id int PRIMARY KEY, ia int[]); INSERT INTO t VALUES (1, ARRAY[1, NULL])');
    const refused = await run(
      await fileFor(lone, addresses, [{ topic: unique('proto'), format: 'protobuf', registry: own }]),
    );
    assert.match(refused.stderr, /^PGS5007 an array in ia has a null.*table public\.t/);
  });

  /** The same Connect data, and the schemas that AvroData makes of it. */
  async function checkAvro(topic: string, told: readonly ReadRecord[]): Promise<void> {
    const read = await readWithJava(from, 'avro', topic);
    assert.deepEqual(
      read.map(({ key, value }) => [key, withoutTimes(value)]),
      told.map(({ key, value }) => [key, withoutTimes(value)]),
    );
    const schemas = [await subjectSchema(`${topic}-key`), await subjectSchema(`${topic}-value`)];
    const last = read.at(-1)!;
    assert.deepEqual(schemas, [last.keySchema, last.valueSchema]);
  }

  async function checkProtobuf(topic: string, told: readonly ReadRecord[]): Promise<void> {
    const read = await readWithJava(from, 'protobuf', topic);
    assert.equal(read.length, told.length);
    type Image = Readonly<Record<string, unknown>> | null;
    const image = (text: string | null, of: 'before' | 'after') =>
      text === null ? null : (((JSON.parse(text) as Record<string, Image>)[of] ?? null) as Image);
    for (const [i, record] of told.entries()) {
      const twin = read[i]!;
      assert.equal(JSON.parse(twin.key!).id, /"id":(-?\d+)/.exec(record.key!)![1]);
      for (const side of ['before', 'after'] as const) {
        const [want, have] = [image(record.value, side), image(twin.value, side)];
        assert.equal(have === null, want === null);
        if (want === null || have === null) continue;
        for (const column of ['i4', 't', 'by', 'u', 'd', 'm', 'b', 'f4', 'ta', 'note', 'extra']) {
          // Empty lists and absent ones are the same there, and so are NULLs and what is absent.
          const expected: unknown = column === 'ta' ? (want[column] ?? []) : (want[column] ?? null);
          // Apicurio’s parser does not keep `optional`, so its reader does not print an empty text.
          const found: unknown = have[column] ?? (column === 'ta' ? [] : expected === '' ? '' : null);
          assert.deepEqual(found, expected, `${column} of ${record.key}`);
        }
      }
    }
  }

  test('subjects are named by record where the file says so', async () => {
    const source = await database(postgres, 'reg');
    await source.query('CREATE TABLE item (id int PRIMARY KEY, t text); INSERT INTO item VALUES (1, $$a$$)');
    const cases = (['RecordName', 'TopicRecordName'] as const).map((strategy) => {
      const own = `url: "${there.url}", subject_name: ${strategy}`;
      return { topic: unique('byrecord'), format: 'avro', registry: own };
    });
    await runs(await fileFor(source, addresses, cases));
    const record = `${source.name}.public.item.Envelope`;
    for (const subject of [record, `${cases[1]!.topic}-${record}`])
      assert.match(await subjectSchema(subject), /"name":"Envelope"/);
  });

  test('a change that its subject does not allow stops the run and names the subject; nothing is lost', async () => {
    const source = await database(postgres, 'reg');
    await source.query('CREATE TABLE item (id int PRIMARY KEY, v int); INSERT INTO item VALUES (1, 1)');
    const topic = unique('compat');
    const file = await fileFor(source, addresses, [{ topic, format: 'avro', registry: `url: "${there.url}"` }]);
    await runs(file);
    const config = (compatibility: string) =>
      fetch(`${there.url}/config/${topic}-value`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ compatibility }),
      });
    assert.equal((await config('FULL')).status, 200);
    await source.query('ALTER TABLE item ADD COLUMN w int');
    await source.query('INSERT INTO item VALUES (2, 2, 2)');
    await source.query('ALTER TABLE item ALTER COLUMN v TYPE text');
    await source.query(`INSERT INTO item VALUES (3, 'three', 3)`);
    const stopped = await run(file);
    assert.equal(stopped.code, 1, stopped.stderr);
    assert.match(stopped.stderr, /^PGS5043 /);
    assert.ok(stopped.stderr.includes(`subject ${topic}-value`), stopped.stderr);
    assert.equal((await config('NONE')).status, 200);
    await runs(file);
    const read = await readWithJava(from, 'avro', topic);
    const values = read.map(
      ({ value }) => (JSON.parse(value!) as { payload: { after: { v: unknown } } }).payload.after.v,
    );
    assert.deepEqual(values, [1, 2, 'three']);
  });

  test('check asks the registry: it is reached, a schema is new, one is not compatible, nobody answers', async () => {
    const source = await database(postgres, 'reg');
    await source.query('CREATE TABLE item (id int PRIMARY KEY, v int)');
    const topic = unique('check');
    const file = await fileFor(source, addresses, [{ topic, format: 'avro', registry: `url: "${there.url}"` }]);
    const fresh = await cli(['check', file]);
    assert.equal(fresh.code, 0, fresh.stdout);
    assert.match(fresh.stdout, new RegExp(`kafka-schema +${topic}-value`));
    assert.equal((await fetch(`${there.url}/subjects/${topic}-value/versions`)).status, 404, 'check registers nothing');
    const other = '{"type":"record","name":"Envelope","namespace":"other","fields":[{"name":"x","type":"int"}]}';
    const post = (path: string, method: string, body: unknown) =>
      fetch(`${there.url}${path}`, {
        method,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    assert.equal((await post(`/subjects/${topic}-value/versions`, 'POST', { schema: other })).status, 200);
    assert.equal((await post(`/config/${topic}-value`, 'PUT', { compatibility: 'FULL' })).status, 200);
    const refusedBy = [`url: "${there.url}"`, 'url: "http://127.0.0.1:9"'].map((registry) => ({
      topic,
      format: 'avro',
      registry,
    }));
    const absent = { topic: unique('absent'), format: 'avro', registry: `url: "${there.url}", auto_register: false` };
    const refused = await cli(['check', await fileFor(source, addresses, [...refusedBy, absent])]);
    assert.equal(refused.code, 3, refused.stdout);
    for (const told of [/not compatible/, /PGS5040/, /not registered/]) assert.match(refused.stdout, told);
  });

  test('basic authentication, bearer tokens and TLS', async () => {
    const source = await database(postgres, 'reg');
    await source.query('CREATE TABLE item (id int PRIMARY KEY, t text); INSERT INTO item VALUES (1, $$a$$)');
    const guard: RequestListener = (incoming, response) => {
      const credentials = incoming.headers.authorization;
      if (credentials !== `Basic ${btoa('app:secret')}` && credentials !== 'Bearer good') {
        response.writeHead(401).end('{"error_code":401,"message":"who are you"}');
        return;
      }
      const { authorization: _, ...headers } = incoming.headers;
      const behind = request(`${there.url}${incoming.url}`, { method: incoming.method, headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      });
      incoming.pipe(behind);
    };
    const [cert, key] = [
      await readFile(join(tlsFolder, 'localhost.crt')),
      await readFile(join(tlsFolder, 'localhost.key')),
    ];
    const servers = [createHttp(guard), createHttps({ cert, key }, guard)];
    for (const one of servers) await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
    after(() => servers.forEach((one) => one.close()));
    const [plain, tls] = servers.map((one) => (one.address() as AddressInfo).port);
    const ca = `ssl: { ca: ${join(tlsFolder, 'ca.crt')} }`;
    const filed = async (registries: readonly string[]) => {
      const sinks = registries.map((registry) => ({ topic: unique('auth'), format: 'avro', registry }));
      const file = await fileFor(source, addresses, sinks);
      await writeFile(join(dirname(file), 'token.txt'), 'good\n');
      return { sinks, result: await run(file) };
    };
    const { result: refused } = await filed([
      `url: "http://127.0.0.1:${plain}", username: app, password: wrong`,
      `url: "https://localhost:${tls}", token: good`,
    ]);
    // The preflight of the run has it.
    assert.equal(refused.code, 3);
    assert.match(refused.stderr, /PGS5042 [^\n]*who are you/);
    assert.match(refused.stderr, /PGS5041 /);
    assert.ok(!refused.stderr.includes('wrong') && !refused.stderr.includes('good'), 'no secret is told');
    const { result, sinks } = await filed([
      `url: "http://127.0.0.1:${plain}", username: app, password: secret`,
      `url: "http://127.0.0.1:${plain}", token_file: token.txt`,
      `url: "https://localhost:${tls}", token: good, ${ca}`,
      // The first address does not answer.
      `url: "http://127.0.0.1:9, https://localhost:${tls}", token: good, ${ca}`,
    ]);
    assert.equal(result.code, 0, result.stderr);
    for (const { topic } of sinks) await subjectSchema(`${topic}-value`);
  });
}
