import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { pgbenchInit, PgbenchWriters } from '../support/pgbench.ts';
import { database, server } from '../support/servers.ts';

async function pair(from: number, to: number) {
  const [source, target] = [await database(await server(from), 'ver'), await database(await server(to), 'ver')];
  const file = await pipelineFile(`
pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
sinks: [{ plugin: postgres, url: "${target.url}" }]
`);
  return { source, target, file };
}

interface Report {
  readonly equal: boolean;
  readonly tables: readonly {
    readonly table: string;
    readonly comparison: {
      readonly equal: boolean;
      readonly differences: readonly { kind: string; key: string }[];
      readonly seen: { readonly first: { readonly position: string }; readonly last: { readonly position: string } };
    };
  }[];
}

async function verify(
  file: string,
  ...more: string[]
): Promise<{ code: number | null; report: Report; stderr: string }> {
  const { code, stdout, stderr } = await cli(['verify', file, '--json', ...more]);
  assert.notEqual(stdout, '', stderr);
  return { code, stderr, report: JSON.parse(stdout) as Report };
}

test('every planted difference is found and named, and repaired when asked for', { timeout: 240_000 }, async () => {
  const { source, target, file } = await pair(14, 18);
  await source.query(`
    CREATE TABLE keyed (id int PRIMARY KEY, a text, b text UNIQUE, j jsonb, at timestamptz);
    INSERT INTO keyed SELECT g, 'a' || g, 'b' || g, jsonb_build_object('k', g), 'epoch'::timestamptz + g * interval '1 s' FROM generate_series(1, 60000) g;
    CREATE TABLE worded (word text PRIMARY KEY, n bigint GENERATED ALWAYS AS IDENTITY);
    INSERT INTO worded (word) SELECT md5(g::text) || 'é' FROM generate_series(1, 2000) g;
    CREATE TABLE keyless (a int, b text); ALTER TABLE keyless REPLICA IDENTITY FULL;
    INSERT INTO keyless SELECT g % 50, 'x' FROM generate_series(1, 1000) g;
    CREATE TABLE pairs (a int, b int, v text, PRIMARY KEY (a, b));
    INSERT INTO pairs SELECT g / 10, g % 10, NULL FROM generate_series(0, 999) g;`);
  assert.equal((await cli(['run', file, '--stop-at', 'now'])).code, 0);
  const clean = await verify(file);
  assert.deepEqual([clean.code, clean.report.equal], [0, true], clean.stderr);
  await target.query(`SET session_replication_role = replica;
    UPDATE keyed SET a = 'a10_' WHERE id = 10;
    DELETE FROM keyed WHERE id = 20000;
    INSERT INTO keyed VALUES (-5, 'extra', 'extra', '{}', now());
    UPDATE keyed SET b = 'tmp' WHERE id = 31; UPDATE keyed SET b = 'b31' WHERE id = 32; UPDATE keyed SET b = 'b32' WHERE id = 31;
    UPDATE keyed SET at = at + interval '1 us' WHERE id = 60000;
    DELETE FROM worded WHERE word = (SELECT max(word) FROM worded);
    INSERT INTO keyless SELECT * FROM keyless WHERE a = 7 LIMIT 1;
    UPDATE pairs SET v = '' WHERE (a, b) = (3, 4);`);
  const found = await verify(file);
  assert.equal(found.code, 4);
  const byTable = new Map(found.report.tables.map(({ table, comparison }) => [table, comparison]));
  const named = (table: string) =>
    byTable
      .get(table)!
      .differences.map(({ kind, key }) => `${kind} ${key}`)
      .sort();
  assert.deepEqual(named('public.keyed'), [
    'differs 10',
    'differs 31',
    'differs 32',
    'differs 60000',
    'extra -5',
    'missing 20000',
  ]);
  assert.equal(byTable.get('public.worded')!.differences.length, 1);
  assert.deepEqual(named('public.pairs'), ['differs (3,4)']);
  const [duplicate] = byTable.get('public.keyless')!.differences;
  assert.equal(duplicate!.kind, 'extra');
  const text = await cli(['verify', file, '--table', 'public.keyed']);
  assert.equal(text.code, 4);
  assert.match(
    text.stdout,
    /DIFFERS {2}public\.keyed {2}60000 rows in the source, 60000 in the target[^]*missing {2}20000/,
  );
  const cut = await cli(['cutover', file]);
  assert.equal(cut.code, 4, cut.stdout + cut.stderr);
  // What the source changes after the repair's position must not be lost by it.
  await source.query(`UPDATE keyed SET a = 'later' WHERE id = 10`);
  const repair = await cli(['verify', file, '--repair']);
  assert.equal(repair.code, 4, repair.stderr);
  assert.match(repair.stdout, /rows copied again/);
  await source.query(`UPDATE keyed SET a = 'last' WHERE id IN (10, 20000)`);
  const after = await verify(file);
  assert.deepEqual([after.code, after.report.equal], [0, true], JSON.stringify(after.report.tables));
  await source.query('ALTER TABLE pairs ADD COLUMN w int DEFAULT 5');
  const other = await cli(['verify', file, '--schema']);
  assert.equal(other.code, 4, other.stderr);
  assert.match(other.stderr, /^PGS7057 .*"w" does not exist.*verify FILE --schema/m);
  const [statement] =
    /ALTER TABLE "?public"?\."?pairs"? ADD COLUMN [^;]*;/.exec(other.stdout) ?? assert.fail(other.stdout);
  await target.query(statement);
  assert.equal((await verify(file)).code, 0);
});

/** TRUNCATE takes rows out of snapshots: source and target see them go at different times. Fewer times than make a verification give up. */
function cutNowAndThen(source: { readonly query: (sql: string) => Promise<unknown> }) {
  let ending = false;
  const cutting = (async () => {
    let times = 0;
    while (!ending && times < 6) {
      await sleep(400);
      await source.query(`BEGIN; TRUNCATE cut; INSERT INTO cut SELECT g FROM generate_series(1, 100) g; COMMIT`);
      times++;
    }
    return times;
  })();
  return {
    end: () => {
      ending = true;
      return cutting;
    },
  };
}

test('under heavy live writes, with a run in another process and without one, both sides agree', {
  timeout: 300_000,
}, async () => {
  const { source, target, file } = await pair(15, 17);
  await pgbenchInit(source, 1);
  await source.query('CREATE TABLE cut (id int PRIMARY KEY)');
  await using writers = new PgbenchWriters(source.url, 1);
  writers.start(2, 2);
  const run = new CliProcess(['run', file, '--log', 'json']);
  await run.until('snapshot-finished');
  const cut = cutNowAndThen(source);
  const short = await verify(file, '--snapshot-age', '1ms', '--range-rows', '40000', '--workers', '2');
  assert.ok((await cut.end()) > 0);
  assert.equal(short.code, 0, `${short.stderr} ${JSON.stringify(short.report.tables, null, 1)}`);
  const accounts = short.report.tables.find(({ table }) => table === 'public.pgbench_accounts')!.comparison.seen;
  assert.notEqual(
    accounts.first.position,
    accounts.last.position,
    'its ranges were compared at positions of their own',
  );
  // A difference is told from changes that are under way.
  await target.query('DELETE FROM pgbench_history WHERE ctid = (SELECT min(ctid) FROM pgbench_history)');
  const found = await verify(file);
  assert.equal(found.code, 4, found.stderr);
  assert.deepEqual(
    found.report.tables.filter(({ comparison }) => !comparison.equal).map(({ table }) => table),
    ['public.pgbench_history'],
  );
  const refused = await cli(['verify', file, '--repair']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /PGS7006/);
  run.process.kill('SIGTERM');
  assert.equal((await run.ended).code, 0);
  const repaired = await cli(['verify', file, '--repair']);
  assert.equal(repaired.code, 4, repaired.stderr);
  const alone = await verify(file);
  assert.equal(alone.code, 0, alone.stderr);
});
