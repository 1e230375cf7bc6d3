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
import { textsOf } from '../databases.ts';
import { statementsOf } from '../statements.ts';

import { recordings } from './recordings.ts';

/**
 * `node test/golden/recorder/record.ts [NAME …]` writes ../debezium/NAME.schemas.jsonl.gz: what Debezium and JsonConverter with
 * schemas.enable=true make of a database. Needs Java and Maven, and for PostGIS the URL of a superuser on a server that has it
 * (RECORDER_POSTGIS). In a file the first line is a list of all schemas; a key or a value is [index of its schema, text of its payload].
 */
const run = promisify(execFile);
const folder = join(import.meta.dirname, '..', 'debezium');
const work = await mkdtemp(join(tmpdir(), 'pgsluice-recorder-'));
await using postgres = await LocalServer.start({ major: 15 });
const names = process.argv.slice(2);
for (const name of names.length === 0 ? Object.keys(recordings) : names) {
  await writeFile(join(folder, `${name}.schemas.jsonl.gz`), gzipSync(interned(await record(name)), { level: 9 }));
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
  return `${jars}:${compiled}`;
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
      ...settings,
    })
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  );
  const engine = spawn('java', ['-Xmx512m', '-cp', await classPathOf(release), 'Recorder', properties, output], {
    stdio: ['pipe', 'inherit', 'inherit'],
    env: { ...process.env, TZ: 'UTC' },
  });
  process.on('exit', () => engine.kill());
  const ended = once(engine, 'exit');
  await until(async () => {
    const { rows } = await admin.query(`SELECT FROM pg_replication_slots WHERE active AND slot_name = '${database}'`);
    return rows.length === 1;
  });
  await each(texts.rows, 1000);
  for (const text of texts.stream) await each(text);
  const [, table] = /^insert into (\w+) /.exec(texts.stream.at(-1)!)!;
  await until(async () => (await readFile(output, 'utf8')).includes(`.public.${table}`));
  await sleep(2000);
  engine.stdin.end('\n');
  await ended;
  await client.end();
  await admin.end();
  return readFile(output, 'utf8');
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 900_000; Date.now() < end; await sleep(300)) if (await condition()) return;
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
