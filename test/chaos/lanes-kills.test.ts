import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CliProcess } from '../support/cli.ts';
import { type Live, live } from '../support/live.ts';
import { short } from '../support/long.ts';

/** How often something is killed for each way of dividing; LANES_KILLS=100 for the long form. */
const kills = Number(process.env['LANES_KILLS'] ?? 4);

const schema = `
  CREATE TABLE parent (id int PRIMARY KEY, v int); CREATE TABLE child (id serial PRIMARY KEY, parent int REFERENCES parent, v text);
  CREATE TABLE lone (id int PRIMARY KEY, v int, pad text); CREATE TABLE keyless (n int, v text);
  ALTER TABLE keyless REPLICA IDENTITY FULL;
  CREATE TABLE two (id int PRIMARY KEY, other int UNIQUE);
  CREATE TABLE emptied (id int PRIMARY KEY); CREATE TABLE emptied_too (id int PRIMARY KEY);
  INSERT INTO parent SELECT i, 0 FROM generate_series(1, 50) i; INSERT INTO lone SELECT i, 0, '' FROM generate_series(1, 500) i;
  INSERT INTO two SELECT i, i FROM generate_series(1, 50) i`;

const tables = ['parent', 'child', 'lone', 'keyless', 'two', 'emptied', 'emptied_too'];

/** One transaction over all groups; now and then one that concerns several lanes, or is large, or rolls a part back. */
function work(i: number): string {
  const usual = `UPDATE parent SET v = v + 1 WHERE id = ${1 + (i % 50)}; INSERT INTO child (parent, v) VALUES (${1 + (i % 50)}, 'c${i}');
    UPDATE lone SET v = v + 1, pad = repeat('x', ${i % 90}) WHERE id % 7 = ${i % 7}; INSERT INTO keyless VALUES (${i % 5}, 'same'), (${i % 5}, 'same');
    DELETE FROM keyless WHERE ctid = (SELECT min(ctid) FROM keyless WHERE n = ${i % 3}); INSERT INTO emptied VALUES (${i}); INSERT INTO emptied_too VALUES (${i});
    UPDATE two SET other = other + 1000 WHERE id = ${1 + (i % 50)};`;
  if (i % 11 === 0) return `BEGIN; ${usual} TRUNCATE emptied, emptied_too; COMMIT`;
  if (i % 13 === 0) return `BEGIN; ${usual} UPDATE lone SET id = -id WHERE id % 50 = ${i % 50}; COMMIT`;
  if (i % 17 === 0) {
    return `BEGIN; INSERT INTO lone SELECT ${i} * 100000 + g, g, repeat('y', 300) FROM generate_series(1, 3000) g;
      SAVEPOINT s; UPDATE parent SET v = -1; ROLLBACK TO s; ${usual} TRUNCATE emptied, emptied_too; COMMIT`;
  }
  return `BEGIN; ${usual} COMMIT`;
}

async function equal(m: Live): Promise<void> {
  for (const table of tables) await m.same(`SELECT * FROM ${table}`, `SELECT * FROM ${table}`);
}

/** Another number of lanes, or another way, for the next run. */
async function set(m: Live, lanes: number, by: string): Promise<void> {
  const yaml = await readFile(m.file, 'utf8');
  await writeFile(m.file, yaml.replace(/apply: .*/, `apply: { lanes: ${lanes}, by: ${by} }`));
}

async function hurt(m: Live, run: CliProcess, n: number): Promise<CliProcess> {
  if (n % 2 === 1) {
    const some = n % 4 === 1 ? '' : 'AND pid % 2 = 0';
    await m.target.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pgsluice%apply' AND datname = current_database() ${some}`,
    );
    return run;
  }
  run.process.kill('SIGKILL');
  await run.ended;
  await set(m, [8, 3, 1, 5][(n / 2) % 4]!, ['group', 'table', 'key'][n % 3]!);
  const next = m.start();
  await next.until('stream-started');
  return next;
}

for (const by of short(1, ['key', 'group', 'table'])) {
  test(`by ${by}: kills of the run and of its sessions, with other lanes in between, lose and double nothing`, {
    timeout: 300_000 + kills * 60_000,
  }, async () => {
    const m = await live({ source: schema, sinkKeys: `    apply: { lanes: 4, by: ${by} }` });
    let run = m.start();
    await run.until('caught-up');
    let stop = false;
    const writing = (async () => {
      for (let i = 1; !stop; i++) {
        await m.source.query(work(i));
        await sleep(10);
      }
    })();
    for (let n = 0; n < kills; n++) {
      await sleep(700);
      run = await hurt(m, run, n);
    }
    await sleep(500);
    stop = true;
    await writing;
    run.process.kill('SIGTERM');
    const { code, stderr } = await run.ended;
    assert.equal(code, 0, stderr);
    await set(m, 4, by);
    await m.settle();
    await equal(m);
    await set(m, 1, by);
    await m.source.query(work(99_999));
    await m.settle();
    await equal(m);
    const rows = await m.target.query(`SELECT sink FROM pgsluice.position`);
    assert.equal(rows.length, 1, 'one lane is left');
  });
}
