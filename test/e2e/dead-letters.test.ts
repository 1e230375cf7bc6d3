import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { cli, pipelineFile } from '../support/cli.ts';
import { ownBroker, ownBrokersAvailable } from '../support/kafka.ts';
import { readAll } from '../support/kafka-read.ts';
import { database, server, type TestDatabase } from '../support/servers.ts';

const postgres = await server(17);

interface Letter {
  readonly sink: string;
  readonly code: string;
  readonly op: string;
  readonly table: string;
  readonly key: readonly string[];
  readonly before: Readonly<Record<string, string | null>> | null;
  readonly after: Readonly<Record<string, string | null>> | null;
}

async function pair(): Promise<{ source: TestDatabase; target: TestDatabase }> {
  const source = await database(postgres, 'dl');
  const target = await database(postgres, 'dl_to');
  await source.query(`
    CREATE TABLE orders (id int PRIMARY KEY, state text NOT NULL, amount numeric(10,2), tags text[], doc jsonb);
    CREATE TABLE lines (id int PRIMARY KEY, orders int, note text);
    INSERT INTO orders SELECT i, 'new', i, '{a,b}', '{"a": 1}' FROM generate_series(1, 20) i`);
  return { source, target };
}

const yaml = (source: TestDatabase, target: TestDatabase, more = '') => `
pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
sinks:
  - { plugin: postgres, name: warehouse, url: "${target.url}" }
${more}`;

async function run(file: string, env: Record<string, string> = {}) {
  return cli(['run', file, '--stop-at', 'now', '--log', 'json'], env);
}

async function lettersOf(file: string): Promise<Letter[]> {
  const path = join(dirname(file), 'dead.jsonl');
  if (!existsSync(path)) return [];
  const text = await readFile(path, 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Letter);
}

/** What docs/dead-letters.md says: values are the server's text, so they are literals of any type. */
function statementOf({ table, op, key, before, after }: Letter): string {
  const literal = (value: string | null) => (value === null ? 'NULL' : `'${value.replaceAll("'", "''")}'`);
  const row = Object.entries(after ?? {});
  const where = key.map((name) => `${name} = ${literal((before ?? after)?.[name] ?? null)}`).join(' AND ');
  if (op === 'insert')
    return `INSERT INTO ${table} (${row.map(([name]) => name).join(',')}) VALUES (${row.map(([, value]) => literal(value)).join(',')})`;
  if (op === 'delete') return `DELETE FROM ${table} WHERE ${where}`;
  return `UPDATE ${table} SET ${row.map(([name, value]) => `${name} = ${literal(value)}`).join(', ')} WHERE ${where}`;
}

test('a row that the target refuses: stops without dead_letter; with it, it alone is left out, is told, and can be done again', async () => {
  const { source, target } = await pair();
  const file = await pipelineFile(yaml(source, target));
  assert.equal((await run(file)).code, 0);
  await target.query(
    "ALTER TABLE orders ADD CONSTRAINT no_bad CHECK (state <> 'bad'); DELETE FROM orders WHERE id = 20",
  );
  await source.query(`BEGIN;
    INSERT INTO lines VALUES (1, 21, 'before');
    INSERT INTO orders VALUES (21, 'good', 1, '{x}', '{}'), (22, 'bad', 2.50, '{"it''s",NULL}', '{"b": "\\"q\\""}'), (23, 'good', 3, NULL, NULL);
    UPDATE orders SET state = 'bad' WHERE id = 5;
    UPDATE orders SET amount = 7 WHERE id = 22;
    DELETE FROM orders WHERE id = 20;
    INSERT INTO lines VALUES (2, 22, 'behind');
    COMMIT`);
  const stopped = await run(file);
  assert.equal(stopped.code, 1);
  assert.match(stopped.stderr, /^PGS3104 [^\n]*\n$/);
  assert.deepEqual(await target.query('SELECT id FROM lines'), []);

  await writeFile(file, yaml(source, target, 'dead_letter: { file: dead.jsonl }'));
  const killed = await run(file, { PGSLUICE_FAILPOINT: 'dead-letters-recorded:kill' });
  assert.equal(killed.code, null);
  assert.equal((await lettersOf(file)).length, 4, 'recorded before anything of the transaction is there');
  assert.deepEqual(await target.query('SELECT id FROM lines'), []);

  const goesOn = await run(file);
  assert.equal(goesOn.code, 0, goesOn.stderr);
  assert.equal(goesOn.stdout.split('\n').filter((line) => line.includes('"event":"dead-letter"')).length, 4);
  const letters = (await lettersOf(file)).slice(4);
  assert.deepEqual(
    letters.map(({ sink, code, op, table }) => `${sink} ${code} ${op} ${table}`),
    ['PGS3104 insert', 'PGS3104 update', 'PGS3101 update', 'PGS3101 delete'].map((what) => `warehouse ${what} orders`),
  );
  assert.doesNotMatch(goesOn.stdout + goesOn.stderr, /it's/, 'a row is in the letters only');
  assert.deepEqual(await target.query('SELECT id FROM lines ORDER BY 1'), [{ id: 1 }, { id: 2 }]);
  assert.deepEqual(await target.query('SELECT id FROM orders WHERE id > 19 ORDER BY 1'), [{ id: 21 }, { id: 23 }]);
  const told = await cli(['status', file]);
  assert.match(told.stdout, /4 changes are in the dead letters/);
  const status = JSON.parse((await cli(['status', file, '--json'])).stdout) as { sinks: { deadLetters: number }[] };
  assert.equal(status.sinks[0]?.deadLetters, 4);
  assert.equal((await cli(['verify', file])).code, 4, 'the target lacks what is in the letters');

  await target.query('ALTER TABLE orders DROP CONSTRAINT no_bad');
  for (const letter of letters) await target.query(statementOf(letter));
  const verified = await cli(['verify', file]);
  // Equal rows, and letters that nobody has accepted.
  assert.equal(verified.code, 4, verified.stdout);
});

test('more than max_failures in the window stop the run before the change; the rest waits behind the slot', async () => {
  const { source, target } = await pair();
  const limited = (max: number) => `dead_letter: { file: dead.jsonl, max_failures: ${max}, window: 100 }`;
  const file = await pipelineFile(yaml(source, target, limited(2)));
  assert.equal((await run(file)).code, 0);
  await target.query("ALTER TABLE orders ADD CONSTRAINT no_bad CHECK (state <> 'bad')");
  await source.query("INSERT INTO orders SELECT i, 'bad', 1 FROM generate_series(101, 103) i");
  await source.query("INSERT INTO lines VALUES (1, 1, 'behind')");
  const stopped = await run(file);
  assert.equal(stopped.code, 1);
  assert.match(
    stopped.stderr,
    /^PGS6040 more than 2 of the last 100 changes of sink warehouse failed; the last: PGS3104 [^\n]*\n$/,
  );
  assert.deepEqual(await target.query('SELECT id FROM lines'), []);
  assert.deepEqual(await lettersOf(file), []);
  await writeFile(file, yaml(source, target, limited(3)));
  const goesOn = await run(file);
  assert.equal(goesOn.code, 0, goesOn.stderr);
  assert.equal((await lettersOf(file)).length, 3);
  assert.deepEqual(await target.query('SELECT id FROM lines'), [{ id: 1 }]);
});

test('letters that cannot be written let nothing pass', async () => {
  const { source, target } = await pair();
  const file = await pipelineFile(yaml(source, target, 'dead_letter: { file: . }'));
  assert.equal((await run(file)).code, 0);
  await target.query("ALTER TABLE orders ADD CONSTRAINT no_bad CHECK (state <> 'bad')");
  await source.query("INSERT INTO orders VALUES (101, 'bad', 1)");
  const stopped = await run(file);
  assert.equal(stopped.code, 1);
  assert.match(stopped.stderr, /^PGS6041 1 dead letters of sink warehouse cannot be recorded: EISDIR[^\n]*\n$/);
  await writeFile(file, yaml(source, target, 'dead_letter: { file: dead.jsonl }'));
  assert.equal((await run(file)).code, 0);
  assert.equal((await lettersOf(file)).length, 1);
});

if (await ownBrokersAvailable()) {
  const broker = await ownBroker();

  test('a topic takes the letters of both sinks: a row that PostgreSQL refuses, and a record too large for its topic', async () => {
    const { source, target } = await pair();
    const file = await pipelineFile(
      yaml(
        source,
        target,
        `
  - plugin: kafka
    name: events
    brokers: ["${broker.address}"]
    partitions: 1
    topic_config: { max.message.bytes: 4000 }
dead_letter: { topic: "${source.name}.dead" }
`,
      ),
    );
    assert.equal((await run(file)).code, 0);
    await target.query("ALTER TABLE orders ADD CONSTRAINT no_bad CHECK (state <> 'bad')");
    await source.query(`BEGIN;
      INSERT INTO orders VALUES (21, 'bad', 1);
      INSERT INTO lines VALUES (1, 1, repeat('x', 5000)), (2, 2, 'small');
      COMMIT`);
    const followed = await run(file);
    assert.equal(followed.code, 0, followed.stderr);
    const records = await readAll([broker.address], [`${source.name}.dead`]);
    const letters = records.map(({ value }) => JSON.parse(value ?? '') as Letter);
    assert.deepEqual(letters.map(({ sink, code, table }) => `${sink} ${code} ${table}`).sort(), [
      'events PGS5010 lines',
      'warehouse PGS3104 orders',
    ]);
    assert.deepEqual(await target.query('SELECT id FROM lines ORDER BY 1'), [{ id: 1 }, { id: 2 }]);
    const rows = await readAll([broker.address], [`${source.name}.public.lines`]);
    assert.deepEqual(
      rows.map(({ key }) => key),
      ['{"id":2}'],
    );
    const events = letters.find(({ sink }) => sink === 'events') as unknown as {
      record: { key: string; value: string }[];
    };
    assert.equal(events.record[0]?.key, '{"id":1}');
    assert.match(events.record[0]?.value ?? '', /"note":"x{5000}"/);
  });
}
