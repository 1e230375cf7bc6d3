import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import pg from 'pg';
import { LocalServer } from '../../../core/servers/local-server.ts';
import { resolveDebezium } from '../../../scripts/kafka/debezium/engine.ts';
import { nan } from '../replay.ts';
import { statementsOf } from '../statements.ts';

/**
 * `node test/golden/recorder/record.ts [SETTING …]` writes ../debezium/SETTING.schemas.jsonl.gz: what Debezium 3.7.0 and JsonConverter with
 * schemas.enable=true make of the zoo. Needs Java and Maven. In a file the first line is a list of all schemas; a key or a value is
 * [index of its schema, text of its payload].
 */
const settings: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  default: {},
  string: {
    'decimal.handling.mode': 'string',
    'interval.handling.mode': 'string',
    'hstore.handling.mode': 'json',
    'binary.handling.mode': 'base64',
    'time.precision.mode': 'isostring',
  },
  double: {
    'decimal.handling.mode': 'double',
    'time.precision.mode': 'connect',
    'binary.handling.mode': 'hex',
    'hstore.handling.mode': 'map',
  },
  micro: { 'time.precision.mode': 'microseconds', 'binary.handling.mode': 'base64-url-safe' },
  nano: { 'time.precision.mode': 'nanoseconds', 'event.processing.failure.handling.mode': 'warn' },
  atm: { 'time.precision.mode': 'adaptive_time_microseconds' },
  txmeta: { 'provide.transaction.metadata': 'true' },
  mix1: {
    'decimal.handling.mode': 'string',
    'interval.handling.mode': 'string',
    'hstore.handling.mode': 'map',
    'binary.handling.mode': 'base64-url-safe',
    'time.precision.mode': 'connect',
  },
  mix2: {
    'decimal.handling.mode': 'double',
    'binary.handling.mode': 'base64',
    'time.precision.mode': 'microseconds',
    'interval.handling.mode': 'string',
    'provide.transaction.metadata': 'true',
  },
  mix3: {
    'hstore.handling.mode': 'map',
    'binary.handling.mode': 'hex',
    'time.precision.mode': 'isostring',
  },
};

const run = promisify(execFile);
const folder = join(import.meta.dirname, '..', 'debezium');
const work = await mkdtemp(join(tmpdir(), 'pgsluice-recorder-'));
const classPath = `${join(await resolveDebezium(), 'jars', '*')}:${work}`;
await run('javac', ['-cp', classPath, '-d', work, join(import.meta.dirname, 'Recorder.java')]);
await using postgres = await LocalServer.start({ major: 15 });
const names = process.argv.slice(2);
for (const name of names.length === 0 ? Object.keys(settings) : names) {
  await writeFile(join(folder, `${name}.schemas.jsonl.gz`), gzipSync(interned(await record(name)), { level: 9 }));
}
await rm(work, { recursive: true });

async function record(name: string): Promise<string> {
  const database = `zoo_${name}`;
  await postgres.query(`CREATE DATABASE ${database} TEMPLATE template0`);
  const client = new pg.Client({ connectionString: postgres.url(database) });
  await client.connect();
  const each = async (text: string, k = 0) => {
    for (const statement of statementsOf(text, k)) await client.query(statement);
  };
  const withNan = ['string', 'double', 'mix1', 'mix2'].includes(name);
  const read = (file: string) => readFile(join(folder, file), 'utf8');
  const rows = await read('zoo-rows.sql');
  for (const text of [await read('zoo.sql'), await read('games-schema.sql'), rows, await read('games-rows.sql')])
    await each(text);
  if (withNan) await each(nan.before);
  const output = join(work, `${name}.jsonl`);
  const properties = join(work, `${name}.properties`);
  const url = new URL(postgres.url(database));
  await writeFile(
    properties,
    Object.entries({
      name,
      'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
      'offset.storage': 'org.apache.kafka.connect.storage.MemoryOffsetBackingStore',
      'database.hostname': url.hostname,
      'database.port': url.port,
      'database.user': url.username,
      'database.password': decodeURIComponent(url.password),
      'database.dbname': database,
      'topic.prefix': database,
      'slot.name': database,
      'plugin.name': 'pgoutput',
      'publication.name': database,
      'publication.autocreate.mode': 'filtered',
      'skipped.operations': 'none',
      ...settings[name],
    })
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  );
  const engine = spawn('java', ['-Xmx512m', '-cp', classPath, 'Recorder', properties, output], {
    stdio: ['pipe', 'inherit', 'inherit'],
    env: { ...process.env, TZ: 'UTC' },
  });
  const ended = once(engine, 'exit');
  await until(
    async () =>
      (await postgres.query(`SELECT 1 FROM pg_replication_slots WHERE active AND slot_name = '${database}'`)).length ===
      1,
  );
  await each(rows, 1000);
  if (withNan) await each(nan.after);
  await each(await read('games-stream.sql'));
  await each('insert into empty_one values (777)');
  await until(async () => (await readFile(output, 'utf8')).includes('.public.empty_one'));
  await sleep(2000);
  engine.stdin.end('\n');
  await ended;
  await client.end();
  return readFile(output, 'utf8');
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 120_000; Date.now() < end; await sleep(300)) if (await condition()) return;
  throw new Error('this did not come');
}

function interned(lines: string): string {
  const schemas: string[] = [];
  const parts = (text: string | null) => {
    if (text === null) return null;
    // Payloads hold no such member: names and values of the zoo have no quotes before `payload`.
    const at = text.indexOf(',"payload":');
    const schema = text.slice('{"schema":'.length, at);
    if (!schemas.includes(schema)) schemas.push(schema);
    return [schemas.indexOf(schema), text.slice(at + ',"payload":'.length, -1)];
  };
  const records = lines
    .trimEnd()
    .split('\n')
    .map((line) => {
      const record = JSON.parse(line) as { key: string | null; value: string | null };
      return JSON.stringify({ ...record, key: parts(record.key), value: parts(record.value) });
    });
  return `${JSON.stringify(schemas)}\n${records.join('\n')}\n`;
}
