import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import pg from 'pg';
import { cli, pipelineFile } from '../support/cli.ts';
import { testAdmin, unique } from '../support/kafka.ts';
import { readAll } from '../support/kafka-read.ts';
import type { TestServer } from '../support/servers.ts';
import type { GoldenRecord } from './compare.ts';
import { type DatabaseName, textsOf } from './databases.ts';
import { statementsOf } from './statements.ts';

const folder = join(import.meta.dirname, 'debezium');

/** Records that a Debezium wrote; see debezium/README.md. */
export async function goldenRecords(setting: string): Promise<readonly GoldenRecord[]> {
  const text = gunzipSync(await readFile(join(folder, `${setting}.jsonl.gz`))).toString();
  const lines = text.trimEnd().split('\n');
  return lines.map((line) => {
    const { topic, key, value, headers } = JSON.parse(line) as Omit<GoldenRecord, 'headers'> & {
      readonly headers: readonly (readonly [name: string, json: string, simple: string])[];
    };
    return { topic, key, value, headers: headers.map(([name, , simple]) => [name, simple] as const) };
  });
}

export interface Setting {
  readonly name: string;
  /** Of the sink, beside those that all have. */
  readonly options: Readonly<Record<string, string>>;
  readonly withNan: boolean;
  /** Default: the zoo. */
  readonly database?: DatabaseName;
  /** Default: the current one. */
  readonly release?: string;
}

/**
 * geometry and geography of PostGIS, of which the servers here have no binaries: their text is EWKB in hexadecimal digits, and elements of
 * their arrays are parted by colons.
 */
const postgis = ['geometry', 'geography']
  .map(
    (name) => `create type ${name};
      create function ${name}_in(cstring) returns ${name} language internal immutable strict as 'textin';
      create function ${name}_out(${name}) returns cstring language internal immutable strict as 'textout';
      create type ${name} (input = ${name}_in, output = ${name}_out, internallength = variable, storage = extended, delimiter = ':');`,
  )
  .join('');

/** With types in the place of the extension; a typmod is in no record. */
function withoutPostgis(sql: string): string {
  return sql.replace('create extension postgis;', postgis).replace(/\b(geometry|geography)\([^)]*\)/g, '$1');
}

export interface Replayed {
  readonly records: readonly GoldenRecord[];
  /** `end_lsn` of every commit in the stream, and the position of every message outside of a transaction, as pgoutput tells them. */
  readonly ends: readonly bigint[];
}

/** The database of the golden records with a pipeline beside it: a snapshot, then the stream of the same statements. */
export async function replay(on: TestServer, addresses: readonly string[], setting: Setting): Promise<Replayed> {
  const database = `zoo_${setting.name}`;
  await forget(on, addresses[0]!, database);
  await on.query(`CREATE DATABASE ${database} TEMPLATE template0`);
  const client = new pg.Client({ connectionString: on.url(database) });
  await client.connect();
  const run = async (...texts: readonly string[]) => {
    for (const text of texts) for (const statement of statementsOf(text, 0)) await client.query(statement);
  };
  const texts = await textsOf(setting.database ?? 'zoo', setting.withNan);
  try {
    await run(...texts.schema.map(withoutPostgis), texts.rows, ...texts.before);
    // The name goes into the records, so it is fixed; topics have one of their own, as brokers may be shared.
    const prefix = unique('golden');
    const file = await pipelineFile(`
pipeline: ${database}
source: { plugin: postgres, url: "${on.url(database)}" }
ddl: follow
sinks:
  - plugin: kafka
    brokers: [${addresses.map((one) => `"${one}"`).join(', ')}]
    topic: "${prefix}.{schema}.{table}"
    partitions: 1
    database: ${database}
    messages: true
    unknown_types: omit
    source_version: ${setting.release ?? '3.7.0.Final'}
${Object.entries(setting.options)
  .map(([name, value]) => `    ${name}: ${value}\n`)
  .join('')}checkpoint: { plugin: file, path: ./state.json }
`);
    await pgsluice(file);
    await client.query(`SELECT pg_create_logical_replication_slot('${database}_peek', 'pgoutput')`);
    for (const statement of statementsOf(texts.rows, 1000)) await client.query(statement);
    await run(...texts.stream);
    await pgsluice(file);
    const ends = await commitEnds(client, `${database}_peek`);
    return { records: await recordsOf(addresses, { prefix, database }), ends };
  } finally {
    await client.end();
    await on.query(
      `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '${database}'`,
    );
    await on.query(`DROP DATABASE ${database} WITH (FORCE)`);
  }
}

/** What a run that was killed left on servers that are shared: these names are fixed. */
async function forget(on: TestServer, address: string, database: string): Promise<void> {
  await on.query(`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '${database}'`);
  await on.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
  const admin = testAdmin(address);
  try {
    await admin.connect();
    const there = await admin.listTopics();
    const topics = [`${database}.message`, `${database}.transaction`].filter((topic) => there.includes(topic));
    if (topics.length > 0) await admin.deleteTopics({ topics });
  } finally {
    await admin.disconnect();
  }
}

async function pgsluice(file: string): Promise<void> {
  const { code, stderr } = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
  if (code !== 0) throw new Error(`pgsluice ended with ${code}: ${stderr}`);
}

async function recordsOf(
  addresses: readonly string[],
  of: { readonly prefix: string; readonly database: string },
): Promise<readonly GoldenRecord[]> {
  const tables = (name: string) => name.startsWith(`${of.prefix}.`);
  const others = [`${of.database}.message`, `${of.database}.transaction`];
  const records = await readAll(addresses, others, tables);
  return records.map(({ topic, key, value, headers }) => ({
    topic: topic.replace(of.prefix, of.database),
    key,
    value,
    headers: Object.entries(headers),
  }));
}

/** Reads Commit messages ("Logical Replication Message Formats") and messages that are not transactional, past the pipeline's own code. */
async function commitEnds(client: pg.Client, slot: string): Promise<readonly bigint[]> {
  const { rows: publications } = await client.query<{ pubname: string }>('SELECT pubname FROM pg_publication');
  const names = publications.map(({ pubname }) => pubname).join(',');
  const { rows } = await client.query<{ data: Buffer }>(
    `SELECT data FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', $2, 'messages', 'true')`,
    [slot, names],
  );
  return rows.flatMap(({ data }) => {
    const type = String.fromCharCode(data[0]!);
    if (type === 'C') return [data.readBigUInt64BE(10)];
    return type === 'M' && data[1] === 0 ? [data.readBigUInt64BE(2)] : [];
  });
}
