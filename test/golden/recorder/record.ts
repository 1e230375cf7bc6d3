import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { brotliCompressSync, constants } from 'node:zlib';
import pg from 'pg';
import { LocalServer } from '../../../core/servers/local-server.ts';
import { resolveDebezium } from '../../../scripts/kafka/debezium/engine.ts';
import { textsOf } from '../databases.ts';
import { statementsOf } from '../statements.ts';

import { recordings } from './recordings.ts';

/**
 * `node test/golden/recorder/record.ts [NAME …]` writes ../debezium/NAME.schemas.jsonl.br: what Debezium and JsonConverter with
 * schemas.enable=true make of a database. Needs Java and Maven, and for PostGIS the URL of a superuser on a server that has it
 * (RECORDER_POSTGIS). In a file the first line is a list of all schemas; a key or a value is [index of its schema, text of its payload].
 */
const run = promisify(execFile);
const folder = join(import.meta.dirname, '..', 'debezium');
const work = await mkdtemp(join(tmpdir(), 'pgsluice-recorder-'));
await using postgres = await LocalServer.start({ major: 15 });
const names = process.argv.slice(2);
for (const name of names.length === 0 ? Object.keys(recordings) : names) {
  // Its window holds the whole file, in which every record is much like the one before: a third of what gzip makes.
  const params = { [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS };
  const packed = brotliCompressSync(interned(await record(name)), { params });
  await writeFile(join(folder, `${name}.schemas.jsonl.br`), packed);
}
await rm(work, { recursive: true });

/** Debezium's jars with our program compiled against them; those of older releases are other ones. */
async function classPathOf(release: string): Promise<string> {
  const old = Number.parseFloat(release) < 3.3;
  const jars = old ? join(work, `jars-${release}`, '*') : join(await resolveDebezium(release), 'jars', '*');
  if (old) {
    const maven = ['-B', '-q', '-f', join(import.meta.dirname, 'older.pom.xml'), `-Ddebezium.version=${release}`];
    const to = `-DoutputDirectory=${join(work, `jars-${release}`)}`;
    await run('mvn', [...maven, 'dependency:copy-dependencies', '-DincludeScope=runtime', to]);
  }
  const compiled = join(work, release);
  await run('javac', ['-cp', jars, '-d', compiled, join(import.meta.dirname, 'Recorder.java')]);
  return `${jars}:${compiled}:${process.env['RECORDER_LOG'] ?? ''}`;
}

async function record(name: string): Promise<string> {
  const { settings, release, database: of = 'zoo', withNan = false } = recordings[name]!;
  const database = `zoo_${name}`;
  const url = new URL(of === 'more' ? process.env['RECORDER_POSTGIS']! : postgres.url(database));
  const admin = new pg.Client({ connectionString: url.href.replace(database, 'postgres') });
  await admin.connect();
  await admin.query(
    `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '${database}'`,
  );
  await admin.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
  await admin.query(`CREATE DATABASE ${database} TEMPLATE template0`);
  url.pathname = `/${database}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  const each = async (text: string, k = 0) => {
    for (const statement of statementsOf(text, k)) await client.query(statement);
  };
  const texts = await textsOf(of, withNan);
  for (const text of [...texts.schema, texts.rows, ...texts.before]) await each(text);
  const output = join(work, `${name}.jsonl`);
  const properties = join(work, `${name}.properties`);
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
      // A snapshot that fails would begin again for ever.
      'errors.max.retries': '0',
      ...settings,
    })
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  );
  const engine = spawn(
    'java',
    ['-Xmx512m', '-Dfile.encoding=UTF-8', '-cp', await classPathOf(release), 'Recorder', properties, output],
    {
      stdio: ['pipe', 'inherit', 'pipe'],
      env: { ...process.env, TZ: 'UTC' },
    },
  );
  let log = '';
  engine.stderr.on('data', (chunk: Buffer) => {
    log += chunk;
    process.stderr.write(chunk);
  });
  process.on('exit', () => engine.kill());
  const ended = once(engine, 'exit');
  const over = () => engine.exitCode !== null || log.includes('ended false');
  // The slot is active while it is made, too: what is written before the snapshot is taken would be read by it.
  const written = () => readFile(output, 'utf8').catch(() => '');
  await until(async () => /"snapshot\\":\\"last\\"/.test(await written()), over);
  const streaming = `SELECT FROM pg_replication_slots s JOIN pg_stat_activity a ON a.pid = s.active_pid
    WHERE s.slot_name = '${database}' AND a.query LIKE 'START_REPLICATION%'`;
  await until(async () => (await admin.query(streaming)).rows.length === 1, over);
  await each(texts.rows, 1000);
  for (const text of texts.stream) await each(text);
  // The last row; earlier ones of its table may come long before, and the end of its transaction behind it.
  const [, table] = /^insert into (\w+) /.exec(texts.stream.at(-1)!)!;
  const last = new RegExp(`\\.public\\.${table}".*:777\\D`);
  await until(async () => last.test(await written()), over);
  await sleep(2000);
  engine.stdin.end('\n');
  await ended;
  await client.end();
  await admin.end();
  return readFile(output, 'utf8');
}

async function until(condition: () => Promise<boolean>, over: () => boolean): Promise<void> {
  for (const end = Date.now() + 900_000; Date.now() < end; await sleep(300)) {
    if (await condition()) return;
    if (over()) throw new Error('Debezium ended');
  }
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
