import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type pg from 'pg';
import { type Live, live, openWriter, randomFrom } from '../support/live.ts';
import { short } from '../support/long.ts';
import { server } from '../support/servers.ts';

await server(14);
await server(17);

/** `big` and `other` are stored out of line; what is left untouched is not sent. `shows`: what the target must hold. */
interface Case {
  readonly table: string;
  readonly identity: string;
  readonly transform: string;
  readonly shows: string;
}
const filter = (where: string) => `plugin: filter\n    where: ${where}`;
const kept = (table: string, where: string) => `SELECT * FROM ${table} WHERE ${where}`;
const pairs = `left(big, 3) || small`;
const summed = `md5(concat(big, '-', other))`;
const cases: readonly Case[] = [
  ...(['DEFAULT', 'USING INDEX filter_index_code', 'FULL'] as const).map((identity) => {
    const table = `filter_${identity.split(' ').at(-1)!.replace('filter_index_code', 'index').toLowerCase()}`;
    const where = `state = 'open' AND n > 8`;
    return { table, identity, transform: filter(where), shows: kept(table, where) };
  }),
  ...(['DEFAULT', 'USING INDEX reads_big_index_code', 'FULL'] as const).map((identity) => {
    const table = `reads_big_${identity.split(' ').at(-1)!.replace('reads_big_index_code', 'index').toLowerCase()}`;
    const where = `length(big) % 2 = 0 AND coalesce(left(other, 2), 'x') <> 'b3'`;
    return { table, identity, transform: filter(where), shows: kept(table, where) };
  }),
  {
    table: 'in_key',
    identity: 'DEFAULT',
    transform: filter('abs(id - 60) < 40'),
    shows: kept('in_key', 'abs(id - 60) < 40'),
  },
  {
    table: 'computed',
    identity: 'DEFAULT',
    transform: `plugin: set\n    columns: { pair: "${pairs}", sum: "${summed}" }`,
    shows: `SELECT *, ${pairs} AS pair, ${summed} AS sum FROM computed`,
  },
  {
    table: 'masked',
    identity: 'USING INDEX masked_code',
    transform: `plugin: mask\n    columns: { big: { partial: { prefix: 3, with: "-" } } }\n  - plugin: set\n    tables: public.masked\n    columns: { other: "${pairs}" }`,
    shows: `SELECT id, code, state, n, CASE WHEN length(big) > 3 THEN left(big, 3) || '-' ELSE CASE WHEN big IS NOT NULL THEN '-' END END AS big,
      left(CASE WHEN length(big) > 3 THEN left(big, 3) || '-' ELSE CASE WHEN big IS NOT NULL THEN '-' END END, 3) || small AS other, small FROM masked`,
  },
  {
    table: 'scripted',
    identity: 'DEFAULT',
    transform: `plugin: script\n    module: ./big.ts\n    add: { sum: integer }`,
    shows: `SELECT *, coalesce(length(big), 0) + coalesce(length(other), 0) AS sum FROM scripted WHERE state = 'open'`,
  },
];

const script = `export default (rows) => rows.filter((row) => row.state === 'open')
  .map((row) => ({ ...row, sum: String((row.big ?? '').length + (row.other ?? '').length) }));`;
const ddl = cases
  .map(
    ({ table, identity }) => `
  CREATE TABLE ${table} (id int PRIMARY KEY, code int NOT NULL, state text, n int, big text, other text, small text);
  ALTER TABLE ${table} ALTER big SET STORAGE EXTERNAL, ALTER other SET STORAGE EXTERNAL;
  CREATE UNIQUE INDEX ${table}_code ON ${table} (code);
  ALTER TABLE ${table} REPLICA IDENTITY ${identity};
  INSERT INTO ${table} SELECT i, 1000 + i, CASE i % 3 WHEN 0 THEN 'open' WHEN 1 THEN 'shut' END, i % 20,
    CASE WHEN i % 5 > 0 THEN repeat('a' || i, 3000) END, repeat('b' || i % 7, 4000), 's' || i FROM generate_series(1, 80) i;`,
  )
  .join('\n');
const yaml = `transforms:\n${cases.map(({ table, transform }) => `  - tables: public.${table}\n    ${transform}\n`).join('')}`;

/** Small changes that leave the large values alone, large ones, keys that move, rows that go and come back under old keys. */
async function write(client: pg.Client, upTo: (below: number) => number): Promise<void> {
  const { table } = cases[upTo(cases.length)]!;
  const id = () => 1 + upTo(110);
  const state = () => ["'open'", "'shut'", 'NULL'][upTo(3)]!;
  const large = () => (upTo(8) === 0 ? 'NULL' : `repeat('${'abc'[upTo(3)]}${upTo(1000)}', 3000)`);
  const one = (): string => {
    switch (upTo(12)) {
      case 0:
        return `INSERT INTO ${table} VALUES (${id()}, ${1000 + id()}, ${state()}, ${upTo(20)}, ${large()}, ${large()}, 'i${upTo(99)}')`;
      case 1:
        return `DELETE FROM ${table} WHERE id = ${id()}`;
      case 2:
        return `UPDATE ${table} SET id = ${id()} WHERE id = ${id()}`;
      case 3:
        return `UPDATE ${table} SET code = ${1000 + id()} WHERE id = ${id()}`;
      case 4:
        return `UPDATE ${table} SET big = ${large()} WHERE id = ${id()}`;
      case 5:
        return `UPDATE ${table} SET other = ${large()} WHERE id = ${id()}`;
      case 6:
      case 7:
        return `UPDATE ${table} SET small = 'u${upTo(999)}' WHERE n = ${upTo(20)}`;
      default:
        return `UPDATE ${table} SET state = ${state()}, n = ${upTo(20)} WHERE id = ${id()}`;
    }
  };
  await client.query('BEGIN');
  for (let i = upTo(4); i >= 0; i--) {
    await client.query('SAVEPOINT s');
    await client.query(one()).catch((error: { code?: string }) => {
      // Keys collide by chance: the statement is taken back, the transaction goes on.
      if (error.code !== '23505') throw error;
      return client.query('ROLLBACK TO s');
    });
  }
  await client.query('COMMIT');
}

async function rewrite(pipeline: Live, change: (text: string) => string): Promise<void> {
  await writeFile(pipeline.file, change(await readFile(pipeline.file, 'utf8')));
}

for (const [from, to, seed] of short(1, [
  [14, 17, 22],
  [17, 17, 21],
] as const)) {
  test(`values that were not sent are fetched, of rows changed and gone since, too: ${from} to ${to}, seed ${seed}`, async () => {
    const pipeline = await live({ from, to, source: ddl, yaml });
    await writeFile(join(dirname(pipeline.file), 'big.ts'), script);
    const upTo = randomFrom(seed);
    const client = await openWriter(pipeline.source.url);
    let writing = true;
    const writes = (async () => {
      while (writing) {
        await write(client, upTo);
        await new Promise((resolve) => setTimeout(resolve, 3));
      }
    })();
    try {
      const run = pipeline.start();
      await run.until('caught-up');
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const verified = await pipeline.verb('verify');
      // The table of the script cannot be compared, and only that keeps the verdict from being all of it.
      assert.equal(verified.code, 4, verified.stdout + verified.stderr);
      assert.match(verified.stdout, /tables compared in .*: all agree, 1 not compared/);
      assert.deepEqual(verified.stdout.match(/MISSING +\S+/g)?.length, 1, verified.stdout);
      assert.match(verified.stdout, /MISSING +public\.scripted/);
      run.process.kill('SIGTERM');
      assert.equal((await run.ended).code, 0, run.stderr);
      // A backlog: what is fetched for its changes is of a later state, or gone.
      await new Promise((resolve) => setTimeout(resolve, 2500));
    } finally {
      writing = false;
      await writes;
      await client.end();
    }
    await pipeline.settle();
    let rows = 0;
    for (const { table, shows } of cases) rows += await pipeline.same(shows, `SELECT * FROM ${table}`, table);
    assert.ok(rows > 100, `${rows} rows are in the target`);
    const verified = await pipeline.verb('verify');
    assert.equal(verified.code, 4, verified.stdout + verified.stderr);
  });
}

test('refetch: false stops the stream before the change, and check warns of it; without it the pipeline goes on', async () => {
  const pipeline = await live({
    source: `CREATE TABLE doc (id int PRIMARY KEY, state text, body text);
      ALTER TABLE doc ALTER body SET STORAGE EXTERNAL;
      INSERT INTO doc SELECT i, 'draft', repeat('x' || i, 9000) FROM generate_series(1, 20) i;`,
    yaml: "transforms:\n  - plugin: filter\n    where: state <> 'draft'\n    refetch: false\n",
  });
  const warned = await pipeline.verb('check');
  assert.match(
    warned.stdout,
    /warning +unsent-values .*stop the stream: public\.doc \(state, body\)\n.*ALTER TABLE "public"\."doc" REPLICA IDENTITY FULL;/,
  );
  await pipeline.settle();
  await pipeline.source.query("UPDATE doc SET state = 'open' WHERE id < 4");
  const stopped = await pipeline.toNow();
  assert.equal(stopped.code, 1, stopped.stderr);
  assert.match(
    stopped.stderr,
    /PGS4010 .*public\.doc.*refetch: false.*ALTER TABLE "public"\."doc" REPLICA IDENTITY FULL/s,
  );
  // The value is no longer the one at the change, one row is gone and one has another key.
  await pipeline.source.query(`UPDATE doc SET body = repeat('later', 3000) WHERE id = 1; DELETE FROM doc WHERE id = 2;
    UPDATE doc SET id = 33 WHERE id = 3`);
  await rewrite(pipeline, (text) => text.replace('\n    refetch: false', ''));
  await pipeline.settle();
  assert.equal(await pipeline.same(`SELECT * FROM doc WHERE state <> 'draft'`, 'SELECT * FROM doc'), 2);
  const [plan, check] = [await pipeline.verb('plan'), await pipeline.verb('check')];
  assert.match(plan.stdout, /fetched from the source/);
  assert.match(check.stdout, /ok +unsent-values .*read from the source.*: public\.doc \(state, body\)/);
});

test('one large transaction of small changes fetches in pieces', async () => {
  const pipeline = await live({
    source: `CREATE TABLE doc (id int PRIMARY KEY, state text, body text);
      ALTER TABLE doc ALTER body SET STORAGE EXTERNAL;
      INSERT INTO doc SELECT i, 'draft', repeat(md5(i::text), 300) FROM generate_series(1, 6000) i;`,
    yaml: "transforms:\n  - plugin: filter\n    where: state <> 'draft'\n",
  });
  await pipeline.settle();
  await pipeline.source.query("UPDATE doc SET state = 'open' WHERE id % 3 > 0");
  await pipeline.settle();
  assert.equal(await pipeline.same(`SELECT * FROM doc WHERE state <> 'draft'`, 'SELECT * FROM doc'), 4000);
});
