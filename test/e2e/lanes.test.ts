import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { type Live, live, openWriter } from '../support/live.ts';
import { onlyLong, short } from '../support/long.ts';
import { database, server } from '../support/servers.ts';

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  for (const deadline = Date.now() + 300_000; !(await holds()); ) {
    assert.ok(Date.now() < deadline, `not in time: ${what}`);
    await sleep(50);
  }
}

async function same(m: Live, ...tables: readonly string[]): Promise<void> {
  for (const table of tables) await m.same(`SELECT * FROM ${table}`, `SELECT * FROM ${table}`);
}

/** Until a session that applies waits for a lock of ours. */
const waits = (m: Live) =>
  until('a lane waits', async () => {
    const found = await m.target.query(
      `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE '%apply' AND datname = current_database()`,
    );
    return found.length > 0;
  });

interface Late {
  readonly by: string;
  /** With dead letters, of which there must be none. */
  readonly letters: boolean;
  readonly owners?: 'target';
  readonly tables: string;
  /** Comes to both sides while lanes stand. */
  readonly constraint: string;
  /** Rows of two lanes, of which the second needs the first. */
  readonly write: string;
  /** Keeps the first from being written for a while. */
  readonly lock: string;
  readonly names: readonly string[];
}

const late: Readonly<Record<string, Late>> = {
  'a foreign key between tables of two lanes': {
    by: 'group',
    letters: true,
    owners: 'target',
    tables: 'CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, a int)',
    constraint: 'ALTER TABLE b ADD FOREIGN KEY (a) REFERENCES a',
    write: 'BEGIN; INSERT INTO a VALUES (1); INSERT INTO b VALUES (1, 1); COMMIT',
    lock: 'LOCK TABLE a IN SHARE MODE',
    names: ['a', 'b'],
  },
  'a unique index over rows of several lanes': {
    by: 'key',
    letters: false,
    tables: 'CREATE TABLE a (id int PRIMARY KEY, v int); INSERT INTO a SELECT i, i FROM generate_series(1, 20) i',
    constraint: 'CREATE UNIQUE INDEX ON a (v)',
    write: 'BEGIN; UPDATE a SET v = -v WHERE id = 1; UPDATE a SET v = v - 1 WHERE id > 1; COMMIT',
    lock: 'SELECT FROM a WHERE id = 1 FOR UPDATE',
    names: ['a'],
  },
};

for (const [what, input] of short(1, Object.entries(late))) {
  test(`${what} that comes later: lanes are made again${input.letters ? ', and no row becomes a dead letter' : ''}`, async () => {
    const m = await live({
      source: input.tables,
      sinkKeys: `    apply: { lanes: 4, by: ${input.by} }`,
      ...(input.owners === undefined ? {} : { owners: input.owners }),
      yaml: input.letters ? 'dead_letter: { file: dead.jsonl, max_failures: 100 }' : '',
    });
    const run = m.start();
    await run.until('lanes');
    await run.until('caught-up');
    await m.source.query(input.constraint);
    await m.target.query(input.constraint);
    const client = await openWriter(m.target.url);
    await client.query(`BEGIN; ${input.lock}`);
    await m.source.query(input.write);
    await waits(m);
    await until('the others are told', () => /PGS3178/.test(run.stdout + run.stderr));
    await client.query('ROLLBACK');
    await client.end();
    await run.until('lanes', 2);
    run.process.kill('SIGTERM');
    const { code, stderr } = await run.ended;
    assert.equal(code, 0, stderr);
    await m.settle();
    await same(m, ...input.names);
    if (input.letters) await assert.rejects(readFile(join(dirname(m.file), 'dead.jsonl')), /ENOENT/);
  });
}

test('tables that come later, are given to lanes, and old ones that may no longer be divided stay whole', {
  timeout: 900_000,
}, async () => {
  const m = await live({
    source: `CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE f (id int PRIMARY KEY, v int);
      ALTER TABLE f REPLICA IDENTITY FULL; INSERT INTO f SELECT i, i FROM generate_series(1, 30) i; INSERT INTO a SELECT i, i FROM generate_series(1, 30) i;
      CREATE TABLE s (id int PRIMARY KEY, u int NOT NULL, v int); INSERT INTO s SELECT i, i, i FROM generate_series(1, 30) i`,
    sinkKeys: '    apply: { lanes: 3, by: key }',
    yaml: 'ddl: follow',
  });
  const run = m.start();
  await run.until('caught-up');
  await m.source.query(`UPDATE f SET v = v + 1; UPDATE f SET id = -id WHERE id < 4; DELETE FROM f WHERE id > 25;
    CREATE UNIQUE INDEX su ON s (u); UPDATE s SET v = 0; ALTER TABLE s REPLICA IDENTITY USING INDEX su; UPDATE s SET v = v + 1; UPDATE s SET u = u + 100 WHERE id < 5`);
  await m.source.query(
    `CREATE TABLE later (id int PRIMARY KEY, b int REFERENCES b); INSERT INTO b VALUES (1); INSERT INTO later VALUES (1, 1)`,
  );
  await m.source.query(
    'TRUNCATE a, later; INSERT INTO a VALUES (1); INSERT INTO later SELECT i, 1 FROM generate_series(1, 50) i; UPDATE later SET id = -id',
  );
  run.process.kill('SIGTERM');
  assert.equal((await run.ended).code, 0, run.stderr);
  await m.settle();
  await same(m, 'a', 'b', 'f', 's', 'later');
  const [stored] = await m.target.query<{ layout: string }>('SELECT layout FROM pgsluice.lanes');
  const { keys } = JSON.parse(stored!.layout) as { keys: Record<string, unknown> };
  assert.deepEqual(Object.keys(keys).sort(), ['public.a', 'public.b', 'public.f', 'public.later']);
});

test('dead letters of several lanes at once are whole lines, each row once', { skip: onlyLong }, async () => {
  const tables = ['d1', 'd2', 'd3', 'd4'];
  const m = await live({
    source: tables.map((t) => `CREATE TABLE ${t} (id int PRIMARY KEY, v text, pad text)`).join(';'),
    sinkKeys: '    apply: { lanes: 4 }',
    yaml: 'dead_letter: { file: dead.jsonl, max_failures: 1000, window: 1000 }',
  });
  await m.settle();
  await m.target.query(tables.map((t) => `ALTER TABLE ${t} ADD CHECK (v <> 'bad')`).join(';'));
  await m.source.query(
    tables
      .map(
        (t) =>
          `INSERT INTO ${t} SELECT i, CASE WHEN i % 10 = 0 THEN 'bad' ELSE 'good' END, repeat('x', 40000) FROM generate_series(1, 100) i`,
      )
      .join(';'),
  );
  await m.settle();
  for (const t of tables) await m.same(`SELECT id, v FROM ${t} WHERE v <> 'bad'`, `SELECT id, v FROM ${t}`);
  const lines = (await readFile(join(dirname(m.file), 'dead.jsonl'), 'utf8')).trimEnd().split('\n');
  const told = lines.map((line) => JSON.parse(line) as { table: string; after: { id: string } });
  const names = told.map(({ table, after }) => `${table} ${after.id}`);
  const wanted = tables.flatMap((t) => Array.from({ length: 10 }, (_, i) => `${t} ${10 * (i + 1)}`));
  assert.deepEqual(names.sort(), wanted.sort());
});

test('two sinks with lanes, of which one loses sessions; a table copied again beside lanes; another number of them; the cutover', {
  timeout: 900_000,
  skip: onlyLong,
}, async () => {
  const on = await server(17);
  const [source, one, two] = [await database(on, 'ln'), await database(on, 'ln1'), await database(on, 'ln2')];
  await source.query(`CREATE TABLE p (id int PRIMARY KEY, v int); CREATE TABLE c (id serial PRIMARY KEY, p int NOT NULL REFERENCES p, v text);
    CREATE TABLE k (n int, v text); ALTER TABLE k REPLICA IDENTITY FULL; INSERT INTO p SELECT i, 0 FROM generate_series(1, 100) i`);
  const file = await pipelineFile(`
pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
sinks:
  - { plugin: postgres, name: one, url: "${one.url}", apply: { lanes: 3, by: key } }
  - { plugin: postgres, name: two, url: "${two.url}", apply: { lanes: 2 } }
`);
  const run = new CliProcess(['run', file, '--log', 'json']);
  await run.until('caught-up');
  let stop = false;
  const writer = await openWriter(source.url);
  const writing = (async () => {
    for (let i = 1; !stop; i++) {
      await writer.query(`BEGIN; UPDATE p SET v = v + 1 WHERE id % 10 = ${i % 10}; INSERT INTO c (p, v) VALUES (${1 + (i % 100)}, 'x');
        INSERT INTO k VALUES (${i % 3}, 'same'), (${i % 3}, 'same'); DELETE FROM c WHERE id % 7 = ${i % 7} AND id < ${i}; COMMIT`);
      await sleep(5);
    }
  })();
  const end = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%apply' AND datname = current_database()`;
  await one.query(`${end} AND pid % 2 = 0`);
  await one.query(`UPDATE c SET v = 'damaged'; UPDATE p SET v = -1 WHERE id % 2 = 0`);
  const planned = await cli(['plan', file]);
  assert.match(
    planned.stdout,
    /lanes: 3 by key\n  whole in one lane: public\.k \(no primary key\)\n  foreign keys: made at the cutover/,
  );
  assert.match(planned.stdout, /lanes: 2 by group\n(?:.*of the writes: .*\n)*.*public\.c, public\.p\n/);
  const valid = `SELECT FROM pg_constraint WHERE contype = 'f'`;
  assert.deepEqual(
    [await one.query(valid), await two.query(valid)].map((keys) => keys.length),
    [0, 1],
  );
  const again = await cli(['resync', file, 'p', 'c']);
  assert.equal(again.code, 0, again.stdout + again.stderr);
  await two.query(end);
  await until('status shows lanes', async () => {
    assert.equal(run.process.exitCode, null, run.stderr);
    return /3 lanes, durable up to [^]*2 lanes, durable/.test((await cli(['status', file])).stdout);
  });
  run.process.kill('SIGTERM');
  assert.equal((await run.ended).code, 0, run.stderr);
  const yaml = await readFile(file, 'utf8');
  const other = await pipelineFile(
    yaml.replace('lanes: 3, by: key', 'lanes: 5, by: table').replace('lanes: 2', 'lanes: 1'),
  );
  const next = new CliProcess(['run', other, '--log', 'json']);
  await next.until('stream-started');
  const cut = new CliProcess(['cutover', other, '--quiet', '300ms']);
  await until('ready', () => cut.stdout.includes('ready:') || cut.process.exitCode !== null);
  stop = true;
  await writing;
  await writer.end();
  const ended = await cut.ended;
  assert.equal(ended.code, 0, ended.stdout + ended.stderr);
  assert.equal((await next.ended).code, 0, next.stderr);
  for (const target of [one, two]) {
    for (const table of ['p', 'c', 'k']) {
      const sql = `SELECT count(*), md5(string_agg(x::text, ',' ORDER BY x::text)) FROM ${table} x`;
      assert.deepEqual(await target.query(sql), await source.query(sql), table);
    }
    const keys = await target.query(`SELECT FROM pg_constraint WHERE contype = 'f' AND convalidated`);
    assert.equal(keys.length, 1);
  }
});
