import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { live, openWriter, randomFrom } from '../support/live.ts';
import { short } from '../support/long.ts';
import { server } from '../support/servers.ts';

await server(14);
await server(17);

/**
 * A table per replica identity and kind of filter. `big`: values that are stored out of line and then left untouched,
 * so that the server does not send them.
 */
interface Case {
  readonly table: string;
  readonly identity: string;
  readonly where: string;
  readonly big: boolean;
}
const pushed = `state = 'open' AND n > 10`;
const ours = `upper(state) LIKE 'OP%' AND coalesce(n, 0) * 2 > 20`;
const cases: readonly Case[] = [
  { table: 'default_key', identity: 'DEFAULT', where: 'id < 60', big: true },
  { table: 'default_key_ours', identity: 'DEFAULT', where: 'abs(id - 60) < 40', big: true },
  { table: 'default_other', identity: 'DEFAULT', where: pushed, big: false },
  { table: 'index_key', identity: 'USING INDEX index_key_code', where: 'code >= 1060', big: true },
  { table: 'index_other', identity: 'USING INDEX index_other_code', where: ours, big: false },
  { table: 'full_key', identity: 'FULL', where: 'id < 60', big: true },
  { table: 'full_other', identity: 'FULL', where: pushed, big: true },
  { table: 'full_other_ours', identity: 'FULL', where: ours, big: true },
  { table: 'full_no_key', identity: 'FULL', where: ours, big: true },
];

const ddl = cases
  .map(
    ({ table, identity }) => `
  CREATE TABLE ${table} (id int ${table === 'full_no_key' ? '' : 'PRIMARY KEY'}, code int NOT NULL, state text, n int, big text, small text);
  ALTER TABLE ${table} ALTER big SET STORAGE EXTERNAL;
  CREATE UNIQUE INDEX ${table}_code ON ${table} (code);
  ALTER TABLE ${table} REPLICA IDENTITY ${identity};
  INSERT INTO ${table} SELECT i, 1000 + i, CASE i % 4 WHEN 0 THEN 'open' WHEN 1 THEN 'shut' WHEN 2 THEN 'opal' END,
    nullif(i % 25, 3), 'start', 's' || i FROM generate_series(1, 80) i;`,
  )
  .join('\n');
const yaml = `transforms:\n${cases
  .map(({ table, where }) => `  - plugin: filter\n    tables: public.${table}\n    where: ${where}\n`)
  .join('')}`;

/** One random transaction over all tables; keys run from 1 to 120, so rows come back under old keys. */
async function write(client: pg.Client, upTo: (below: number) => number): Promise<void> {
  const { table, big } = cases[upTo(cases.length)]!;
  const id = () => 1 + upTo(120);
  const state = () => ["'open'", "'shut'", "'opal'", 'NULL'][upTo(4)]!;
  const n = () => (upTo(6) === 0 ? 'NULL' : String(upTo(25)));
  const value = () => (big && upTo(3) === 0 ? `repeat('b${upTo(1000)} ', 3000)` : `'t${upTo(1000)}'`);
  const one = (): string => {
    switch (upTo(9)) {
      case 0:
      case 1: {
        const key = id();
        return `INSERT INTO ${table} VALUES (${key}, ${1000 + id()}, ${state()}, ${n()}, ${value()}, 'i${upTo(99)}')`;
      }
      case 2:
        return `DELETE FROM ${table} WHERE id = ${id()}`;
      case 3:
        return `UPDATE ${table} SET id = ${id()} WHERE id = ${id()}`;
      case 4:
        return `UPDATE ${table} SET code = ${1000 + id()}, state = ${state()} WHERE id = ${id()}`;
      case 5:
        return `UPDATE ${table} SET big = ${value()} WHERE id = ${id()}`;
      case 6:
        return `UPDATE ${table} SET n = ${n()} WHERE id BETWEEN ${id()} AND ${id()}`;
      case 7:
        return `UPDATE ${table} SET state = ${state()} WHERE id = ${id()}`;
      default:
        return `UPDATE ${table} SET small = 'u${upTo(999)}' WHERE n = ${upTo(25)}`;
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
    if (upTo(10) === 0) await client.query('ROLLBACK TO s');
  }
  await client.query(upTo(12) === 0 ? 'ROLLBACK' : 'COMMIT');
}

for (const [from, to, seed] of short(1, [
  [14, 17, 12],
  [17, 17, 11],
] as const)) {
  test(`rows that move in and out of filters under each replica identity, ${from} to ${to}, seed ${seed}`, async () => {
    const pipeline = await live({ from, to, source: ddl, yaml });
    const upTo = randomFrom(seed);
    const client = await openWriter(pipeline.source.url);
    let writing = true;
    const writes = (async () => {
      while (writing) {
        await write(client, upTo);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    try {
      const run = pipeline.start();
      await run.until('caught-up');
      // Batches of the living stream, and then a backlog that is applied set-wise.
      await new Promise((resolve) => setTimeout(resolve, 1000));
      run.process.kill('SIGTERM');
      assert.equal((await run.ended).code, 0, run.stderr);
      await new Promise((resolve) => setTimeout(resolve, 500));
    } finally {
      writing = false;
      await writes;
      await client.end();
    }
    await pipeline.settle();
    let rows = 0;
    for (const { table, where } of cases) {
      rows += await pipeline.same(`SELECT * FROM ${table} WHERE ${where}`, `SELECT * FROM ${table}`, table);
    }
    assert.ok(rows > 50, `${rows} rows are in the filters`);
    const verified = await pipeline.verb('verify');
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  });
}
