import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { brokers, kafkaAvailable } from '../support/kafka.ts';
import { type ReadRecord, readAll } from '../support/kafka-read.ts';
import { long, short } from '../support/long.ts';
import { database, server, type TestDatabase } from '../support/servers.ts';

interface Row {
  readonly id: number;
  readonly version: number;
}

interface Event {
  readonly op: string;
  readonly before: { readonly id: number } | null;
  readonly after: Row | null;
  readonly source: { readonly snapshot: string; readonly txId: number | null; readonly lsn: number | null };
}

const rows = 4000;
/** How far a row's key goes. */
const away = 10_000;

async function prepared(): Promise<{ source: TestDatabase; file: string }> {
  const source = await database(await server(17), 'reread');
  await source.query(`
    CREATE TABLE t (id int PRIMARY KEY, version int NOT NULL DEFAULT 0, "odd name" text);
    INSERT INTO t SELECT n, 0, 'x' FROM generate_series(1, ${rows}) n;
    CREATE SEQUENCE counter START ${2 * away};
    CREATE TABLE coded (id int PRIMARY KEY, code int NOT NULL UNIQUE, version int NOT NULL DEFAULT 0);
    ALTER TABLE coded REPLICA IDENTITY USING INDEX coded_code_key;
    INSERT INTO coded (id, code) SELECT n, ${rows} + 1 - n FROM generate_series(1, ${rows}) n;
    CREATE TABLE other (id int PRIMARY KEY); CREATE TABLE keyless (id int); ALTER TABLE keyless REPLICA IDENTITY FULL`);
  const file = await pipelineFile(`
pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
sinks:
  - { plugin: kafka, brokers: ["${(await brokers()).join('", "')}"], delivery: exactly_once, partitions: 3 }
checkpoint: { plugin: file }
`);
  return { source, file };
}

async function caughtUp(file: string): Promise<void> {
  const { code, stderr } = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
  assert.equal(code, 0, stderr);
}

/** Writes to rows at random, each time with a higher version, and gives some another key, until it is told to stop. */
function writer(source: TestDatabase): () => Promise<void> {
  let writing = true;
  const done = (async () => {
    while (writing) {
      await source.query(
        `UPDATE t SET version = version + 1 WHERE id IN (SELECT 1 + floor(random() * ${rows})::int FROM generate_series(1, 10));
         UPDATE t SET version = version + 1, id = CASE WHEN id > ${away} THEN id - ${away} ELSE id + ${away} END
         WHERE id % ${away} IN (SELECT 1 + floor(random() * ${rows})::int FROM generate_series(1, 4))`,
      );
      await sleep(10);
    }
  })();
  return async () => {
    writing = false;
    await done;
  };
}

/** Takes rows away, brings others back, and moves some to another primary key, which is not what the server sends of an old row. */
function remover(source: TestDatabase): () => Promise<void> {
  let writing = true;
  const done = (async () => {
    for (let part = 0; writing; part = (part + 1) % 40) {
      await source.query(`DELETE FROM coded WHERE code % 40 = ${part}`);
      await source.query(
        `UPDATE coded SET id = nextval('counter'), version = nextval('counter') WHERE code % 40 = ${(part + 20) % 40}`,
      );
      await source.query(
        `INSERT INTO coded SELECT nextval('counter'), code, nextval('counter') FROM generate_series(1, ${rows}) code
         WHERE code % 40 = ${(part + 39) % 40} ON CONFLICT DO NOTHING`,
      );
    }
  })();
  return async () => {
    writing = false;
    await done;
  };
}

async function eventsOf(source: TestDatabase): Promise<readonly { record: ReadRecord; event: Event }[]> {
  const records = await readAll(await brokers(), [`${source.name}.public.t`]);
  return records.flatMap((record) =>
    record.value === null ? [] : [{ record, event: JSON.parse(record.value) as Event }],
  );
}

/**
 * Per key versions never go back, what is left is the source's rows, and rows were read again exactly where it was asked. A row that goes
 * away and comes back has a higher version by then.
 */
async function verify(source: TestDatabase, asked: (id: number) => boolean): Promise<number> {
  const last = new Map<number, number>();
  const left = new Map<number, number>();
  const again = new Set<number>();
  for (const { event } of await eventsOf(source)) {
    if (event.after === null) {
      left.delete(event.before!.id);
      continue;
    }
    const { id, version } = event.after;
    assert.ok(version >= (last.get(id) ?? 0), `row ${id}: version ${version} after ${last.get(id)}`);
    last.set(id, version);
    left.set(id, version);
    if (event.source.snapshot !== 'incremental') continue;
    assert.deepEqual([event.op, event.source.txId, event.source.lsn], ['r', null, null]);
    assert.ok(asked(id), `row ${id} was not asked for`);
    again.add(id);
  }
  const now = await source.query<Row>('SELECT id, version FROM t');
  for (const { id, version } of now) assert.equal(left.get(id), version, `row ${id}`);
  assert.equal(left.size, now.length, 'no row that is gone was told of again');
  return again.size;
}

if (await kafkaAvailable()) {
  test('rows are read again beside the stream, and no older value comes after a newer one', async () => {
    const { source, file } = await prepared();
    const run = new CliProcess(['run', file, '--log', 'json']);
    await run.until('caught-up');
    const stop = writer(source);
    const { code, stdout, stderr } = await cli(['resync', file, 't', '--where', 'id > 100']);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /read \d{4} rows of public\.t again/);
    await stop();
    run.process.kill('SIGTERM');
    assert.equal((await run.ended).code, 0);
    await caughtUp(file);
    // Rows that the writer touched while their chunk was read came by the stream instead.
    const again = await verify(source, (id) => id > 100);
    assert.ok(again > rows / 10, `${again} rows were read again`);
    await refusals(file);
  });

  test('rows that go away meanwhile are not told of again, where the identity is another index than the primary key', async () => {
    const { source, file } = await prepared();
    const run = new CliProcess(['run', file, '--log', 'json']);
    await run.until('caught-up');
    const stop = remover(source);
    const asked = await cli(['resync', file, 'coded', '--where', 'version >= 0']);
    assert.equal(asked.code, 0, asked.stderr);
    await stop();
    run.process.kill('SIGTERM');
    assert.equal((await run.ended).code, 0);
    await caughtUp(file);
    const last = new Map<string, { readonly version: number; readonly gone: boolean }>();
    let again = 0;
    for (const { key, value } of await readAll(await brokers(), [`${source.name}.public.coded`])) {
      if (value === null) continue;
      const { op, after } = JSON.parse(value) as Event;
      const before = last.get(key!);
      if (after === null) {
        last.set(key!, { version: before!.version, gone: true });
        continue;
      }
      const known = before?.version ?? -1;
      assert.ok(before?.gone ? after.version > known : after.version >= known, `${key}: ${op} of ${after.version}`);
      last.set(key!, { version: after.version, gone: false });
      if (op === 'r') again++;
    }
    const now = await source.query<{ code: number; version: number }>('SELECT code, version FROM coded');
    for (const { code, version } of now) assert.deepEqual(last.get(`{"code":${code}}`), { version, gone: false });
    assert.equal([...last.values()].filter(({ gone }) => !gone).length, now.length);
    assert.ok(again > rows + 100, `${again} rows were read`);
  });

  test('a run that is killed meanwhile goes on where it was; without a run it is noted for the next one', async () => {
    const { source, file } = await prepared();
    await caughtUp(file);
    const noted = await cli(['resync', file, 't', '--where', `"odd name" = 'x' AND id % 2 = 0`]);
    assert.equal(noted.code, 0, noted.stderr);
    assert.match(noted.stdout, /the next run reads rows of public\.t again/);
    const stop = writer(source);
    for (let kill = 0; kill < (long ? 6 : 2); kill++) {
      const run = new CliProcess(['run', file, '--log', 'json']);
      await run.until('caught-up');
      await sleep(Math.random() * 400);
      run.process.kill('SIGKILL');
      await run.ended;
    }
    await stop();
    const run = new CliProcess(['run', file, '--log', 'json']);
    await run.until('caught-up');
    // It waits for what is under way.
    const behind = await cli(['resync', file, 'other', '--where', 'id > 0']);
    assert.equal(behind.code, 0, behind.stderr);
    assert.match(behind.stdout, /read 0 rows of public\.other again/);
    run.process.kill('SIGTERM');
    assert.equal((await run.ended).code, 0);
    assert.ok((await verify(source, (id) => id % 2 === 0)) > rows / 20);
  });
}

/** What cannot be read again. */
async function refusals(file: string): Promise<void> {
  const refused = async (args: readonly string[], expected: RegExp) => {
    const { code, stderr } = await cli(['resync', file, ...args]);
    assert.match(stderr, expected);
    assert.notEqual(code, 0);
  };
  const cases: readonly (readonly [args: readonly string[], expected: RegExp])[] = [
    [['keyless', '--where', 'id > 1'], /^PGS5070 .*no key/],
    [['t', '--where', 'nowhere > 1'], /^PGS5071 [^\n]*nowhere/],
    [['t', '--where', 'pg_sleep(1) IS NULL'], /^PGS5071 /],
    [['nowhere', '--where', 'id > 1'], /^PGS7008 /],
    [['t', '--where', 'id > '], /^PGS5071 /],
    [['t', '--where', 'id'], /^PGS5071 /],
    [['t', '--where', 'id > (SELECT 1)'], /^PGS5071 /],
    [['--where', 'id > 1'], /^PGS5071 /],
  ];
  for (const [args, expected] of short(4, cases)) await refused(args, expected);
}
