import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CliProcess } from '../support/cli.ts';
import { long, onlyLong } from '../support/long.ts';
import { eventsOf, hashes, migration } from '../support/migration.ts';
import { pgbenchInit, PgbenchWriters } from '../support/pgbench.ts';
import { type TestDatabase, server } from '../support/servers.ts';

interface Verified {
  readonly table: string;
  readonly verdict: 'equal' | 'differs' | 'unknown' | 'not-compared';
  readonly why: string | null;
  readonly since: number;
  readonly parts: number;
  readonly named: readonly { readonly kind: string; readonly key: string }[];
  readonly repaired: number;
}

/** From the run itself: a verb for each look would cost more than the run. */
async function verdicts(run: CliProcess): Promise<ReadonlyMap<string, Verified>> {
  await run.until('http-listening');
  const answer = await fetch(`${String(run.events('http-listening')[0]!['url'])}/status.json`).catch(() => null);
  const status = (await answer?.json()) as { verification?: { tables: readonly Verified[] } | null } | undefined;
  return new Map((status?.verification?.tables ?? []).map((each) => [each.table, each]));
}

async function until(run: CliProcess, what: string, is: (all: ReadonlyMap<string, Verified>) => boolean) {
  for (const deadline = Date.now() + 150_000; ; await sleep(500)) {
    const all = await verdicts(run);
    if (is(all)) return all;
    const seen = () => `${what}: ${JSON.stringify([...all.values()])} ${run.stderr} ${run.stdout.slice(-1500)}`;
    assert.ok(Date.now() < deadline && run.process.exitCode === null, seen());
  }
}

const allEqual = (tables: number) => (all: ReadonlyMap<string, Verified>) =>
  all.size === tables && [...all.values()].every(({ verdict }) => verdict === 'equal');

/** Ages of the oldest snapshot that the pipeline's sessions hold on the source, in seconds, looked at now and then. */
function watchSnapshots(source: TestDatabase) {
  let [oldest, ending] = [0, false];
  const watching = (async () => {
    while (!ending) {
      const [row] = await source.query<{ age: string }>(
        `SELECT coalesce(max(extract(epoch FROM now() - xact_start)), 0)::text AS age FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE 'pgsluice%' AND backend_xmin IS NOT NULL AND backend_type = 'client backend'`,
      );
      oldest = Math.max(oldest, Number(row!.age));
      await sleep(1000);
    }
    return oldest;
  })();
  return () => {
    ending = true;
    return watching;
  };
}

const quietTable = `
  CREATE TABLE quiet (id int PRIMARY KEY, v text);
  INSERT INTO quiet SELECT g, 'v' || g FROM generate_series(1, 1000) g;`;

const pgbench = ['pgbench_accounts', 'pgbench_history', 'pgbench_tellers', 'pgbench_branches'];

test('a fault planted in a live target is found, named and repaired, and nothing else is taken for one: under writes, TRUNCATE, DDL and kills', {
  timeout: 400_000,
}, async () => {
  const on = await migration({
    from: await server(15),
    to: await server(17),
    more: `ddl: follow\nhttp: 127.0.0.1:0\nverify: { every: ${long ? 8 : 4}s, repair: true }`,
  });
  const { source, target } = on;
  const tables = ['quiet', 'keyless', 'cut', ...(long ? pgbench : [])];
  if (long) await pgbenchInit(source, 1);
  await source.query(`${quietTable}
    CREATE TABLE keyless (a int, b text); ALTER TABLE keyless REPLICA IDENTITY FULL; INSERT INTO keyless SELECT g % 7, 'x' FROM generate_series(1, 100) g;
    CREATE TABLE cut (id int PRIMARY KEY, v text);`);
  let run = on.start();
  await run.until('snapshot-finished');
  await using writers = new PgbenchWriters(source.url, 1);
  if (long) writers.start(3, 5);
  const oldest = watchSnapshots(source);
  await until(run, 'all equal', allEqual(tables.length));
  for (let i = 0; i < (long ? 5 : 2); i++) {
    await source.query(`TRUNCATE cut; INSERT INTO cut SELECT g, 'r${i}' FROM generate_series(1, 500) g`);
    await source.query(`ALTER TABLE cut ADD COLUMN c${i} int DEFAULT ${i}`);
    await sleep(400);
  }
  await target.query(`SET session_replication_role = replica;
    UPDATE quiet SET v = 'other' WHERE id = 10; DELETE FROM quiet WHERE id = 500; INSERT INTO quiet VALUES (-3, 'extra');
    INSERT INTO keyless SELECT * FROM keyless WHERE a = 3 LIMIT 1;`);
  await run.until('verification-repaired');
  run.process.kill('SIGKILL');
  const first = await run.ended;
  run = on.start();
  // What is changed on the source meanwhile must not be set back by a repair. (A row that is not there ends the run: PGS3101.)
  await source.query(`UPDATE quiet SET v = 'newer' WHERE id = 10`);
  for (const deadline = Date.now() + 120_000; ; await sleep(1000)) {
    const [left] = await target.query<{ n: string }>(
      `SELECT (count(*) FILTER (WHERE v = 'other' OR id = -3) + 1000 - count(*) FILTER (WHERE id > 0))::text AS n FROM quiet`,
    );
    if (left!.n === '0') break;
    assert.ok(
      Date.now() < deadline && run.process.exitCode === null,
      `${left!.n} faults are left: ${run.stderr} ${run.stdout.slice(-1500)}`,
    );
  }
  await until(run, 'all equal again', allEqual(tables.length));
  await writers.stop();
  run.process.kill('SIGTERM');
  const second = await run.ended;
  assert.equal(second.code, 0, second.stderr);
  const differing = [first, second].flatMap((each) => eventsOf(each, 'verification-differs').map(({ table }) => table));
  assert.deepEqual([...new Set(differing)].sort(), ['public.keyless', 'public.quiet']);
  assert.ok((await oldest()) < 60);
  await on.run();
  assert.deepEqual(await hashes(target, tables), await hashes(source, tables));
});

// The test above compares, repairs and is killed in the short form, too.
test('without repair the rows are named in status until somebody mends them; what cannot be compared is named with its reason', {
  skip: onlyLong,
  timeout: 300_000,
}, async () => {
  const on = await migration({
    from: await server(17),
    to: await server(17),
    more: `http: 127.0.0.1:0
verify: { every: 3s }
transforms: [{ plugin: script, tables: public.scripted, module: ./keep.mjs }]`,
  });
  await writeFile(join(dirname(on.file), 'keep.mjs'), 'export default () => (row) => row;\n');
  await on.source.query(`${quietTable} CREATE TABLE scripted (id int PRIMARY KEY)`);
  const run = on.start();
  const first = await until(run, 'all equal', (now) => now.get('public.quiet')?.verdict === 'equal');
  assert.equal(first.get('public.scripted')!.verdict, 'not-compared');
  assert.match(first.get('public.scripted')!.why!, /script/);
  await on.target.query(`UPDATE quiet SET v = 'other' WHERE id = 77`);
  const all = await until(run, 'named', (now) => now.get('public.quiet')?.verdict === 'differs');
  assert.deepEqual(all.get('public.quiet')!.named, [{ kind: 'differs', key: '77' }]);
  const status = await on.verb('status');
  assert.match(status.stdout, /1 DIFFER[^]*public\.quiet DIFFERS in postgres: 1 rows\n {4}differs {2}77/);
  await on.target.query(`UPDATE quiet SET v = 'v77' WHERE id = 77`);
  await until(run, 'mended', (now) => now.get('public.quiet')?.verdict === 'equal');
  run.process.kill('SIGTERM');
  assert.equal((await run.ended).code, 0);
});
