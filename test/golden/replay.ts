import pg from 'pg';
import { cli, pipelineFile } from '../support/cli.ts';
import { testAdmin, unique } from '../support/kafka.ts';
import { type ReadRecord, readAll } from '../support/kafka-read.ts';
import { database as createDatabase, type TestServer } from '../support/servers.ts';
import type { GoldenRecord } from './compare.ts';
import { textsOf } from './databases.ts';
import type { Recording } from './settings.ts';
import { statementsOf } from './statements.ts';

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
  readonly records: ReadonlyMap<Recording, readonly GoldenRecord[]>;
  /** `end_lsn` of every commit in the stream, and the position of every message outside of a transaction, as pgoutput tells them. */
  readonly ends: readonly bigint[];
}

/** Name of the database in a recording, which is its topic prefix, too. */
const nameOf = ({ name }: Recording) => `zoo_${name}`;

/** Topics whose names are fixed. */
const fixedTopics = (of: Recording) => [`${nameOf(of)}.message`, `${nameOf(of)}.transaction`];

/**
 * The database of some recordings with a pipeline beside it, which has a sink for each: a snapshot, then the stream of the same
 * statements.
 */
export async function replay(
  on: TestServer,
  addresses: readonly string[],
  recordings: readonly Recording[],
): Promise<Replayed> {
  const [{ database: of = 'zoo', withNan }] = recordings as [Recording];
  await forget(addresses[0]!, recordings.flatMap(fixedTopics));
  const { name: database, url } = await createDatabase(on, 'golden');
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const run = async (...texts: readonly string[]) => {
    for (const text of texts) for (const statement of statementsOf(text, 0)) await client.query(statement);
  };
  const texts = await textsOf(of, withNan);
  try {
    await run(...texts.schema.map(withoutPostgis), texts.rows, ...texts.before);
    // Topics of tables have a name of their own, as brokers may be shared.
    const prefix = unique('golden');
    const file = await pipelineFile(`
pipeline: ${database}
source: { plugin: postgres, url: "${url}" }
ddl: follow
sinks:
${recordings.map((each) => sinkOf(each, { addresses, prefix })).join('')}
checkpoint: { plugin: file, path: ./state.json }
`);
    await pgsluice(file);
    await client.query(`SELECT pg_create_logical_replication_slot('${database}_peek', 'pgoutput')`);
    for (const statement of statementsOf(texts.rows, 1000)) await client.query(statement);
    await run(...texts.stream);
    await pgsluice(file);
    const ends = await commitEnds(client, `${database}_peek`);
    return { records: await recordsOf(addresses, { prefix, recordings }), ends };
  } finally {
    await client.end();
  }
}

const topicOf = ({ name, form }: Recording, prefix: string) => `${prefix}_${name}_${form}`;

/** One has a topic for each table; for the others hundreds of topics would be made and read. */
const byTable = ({ name, form }: Recording) => name === 'default' && form === 'json';

function sinkOf(of: Recording, to: { readonly addresses: readonly string[]; readonly prefix: string }): string {
  const options = { ...of.options, key_format: of.form, value_format: of.form };
  return `
  - plugin: kafka
    name: ${of.name}_${of.form}
    brokers: [${to.addresses.map((one) => `"${one}"`).join(', ')}]
    topic: "${topicOf(of, to.prefix)}${byTable(of) ? '.{schema}.{table}' : ''}"
    topic_prefix: ${nameOf(of)}
    partitions: 1
    database: ${nameOf(of)}
    messages: true
    unknown_types: omit
    source_version: ${of.release ?? '3.7.0.Final'}
${Object.entries(options)
  .map(([name, value]) => `    ${name}: ${value}\n`)
  .join('')}`;
}

/** What a run that was killed left on a broker that is shared. */
async function forget(address: string, names: readonly string[]): Promise<void> {
  const admin = testAdmin(address);
  try {
    await admin.connect();
    const there = await admin.listTopics();
    const topics = [...new Set(names)].filter((topic) => there.includes(topic));
    if (topics.length > 0) await admin.deleteTopics({ topics });
  } finally {
    await admin.disconnect();
  }
}

async function pgsluice(file: string): Promise<void> {
  const { code, stderr } = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
  if (code !== 0) throw new Error(`pgsluice ended with ${code}: ${stderr}`);
}

/** What each recording's sink wrote, with the topics of the recording. */
async function recordsOf(
  addresses: readonly string[],
  of: { readonly prefix: string; readonly recordings: readonly Recording[] },
): Promise<ReadonlyMap<Recording, readonly GoldenRecord[]>> {
  const fixed = new Set(of.recordings.flatMap(fixedTopics));
  const all = await readAll(addresses, [...fixed], (name) => name.startsWith(`${of.prefix}_`));
  return new Map(
    of.recordings.map((recording) => {
      const own = topicOf(recording, of.prefix);
      const fixedOfIt = fixedTopics(recording);
      // The sinks of both forms of a recording write messages and transactions to the same topics.
      const ofItsForm = (key: string | null) => key!.startsWith('{"schema":') === (recording.form === 'json_schema');
      const fixedOnes = all.filter(({ topic, key }) => fixedOfIt.includes(topic) && ofItsForm(key));
      const ofTables = byTable(recording)
        ? all.flatMap((each) =>
            each.topic.startsWith(`${own}.`) ? [{ ...each, topic: each.topic.replace(own, nameOf(recording)) }] : [],
          )
        : toTopics(
            all.filter(({ topic }) => topic === own),
            nameOf(recording),
          );
      const named = [...fixedOnes, ...ofTables].map(({ headers, ...rest }) => ({
        topic: rest.topic,
        key: rest.key,
        value: rest.value,
        headers: Object.entries(headers),
      }));
      return [recording, named] as const;
    }),
  );
}

/** Records of all tables, in the order of one topic, as if each table had its own; a tombstone is behind its delete. */
function toTopics(records: readonly ReadRecord[], prefix: string): ReadRecord[] {
  let topic = '';
  return records.map((record) => {
    const [, schema, table] =
      /"schema":("(?:[^"\\]|\\.)*"),"table":("(?:[^"\\]|\\.)*"),"txId"/.exec(record.value ?? '') ?? [];
    if (schema !== undefined) {
      const name = `${JSON.parse(schema)}.${JSON.parse(table!)}`;
      topic = `${prefix}.${name.replace(/[^A-Za-z0-9._-]/g, '_')}`;
    }
    return { ...record, topic };
  });
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
