import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { pgbenchInit, PgbenchWriters } from '../support/pgbench.ts';
import { database, server } from '../support/servers.ts';

test('a table is copied again under live writes, a killed copy goes on at the next run', {
  timeout: 900_000,
}, async () => {
  const [source, target] = [await database(await server(16), 'res'), await database(await server(18), 'res')];
  await pgbenchInit(source, 1);
  await source.query('ALTER TABLE pgbench_tellers ADD FOREIGN KEY (bid) REFERENCES pgbench_branches');
  const file = await pipelineFile(`
pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
sinks: [{ plugin: postgres, url: "${target.url}" }]
`);
  await using writers = new PgbenchWriters(source.url, 1);
  const run = new CliProcess(['run', file, '--log', 'json']);
  await run.until('snapshot-finished');
  writers.start(3, 3);
  // Rows that no change will ever mend.
  await target.query('DELETE FROM pgbench_history; UPDATE pgbench_accounts SET filler = NULL WHERE aid % 2 = 0');
  const again = await cli(['resync', file, 'pgbench_accounts', 'pgbench_history', 'pgbench_branches']);
  assert.equal(again.code, 0, again.stdout + again.stderr);
  assert.match(again.stdout, /copied public\.pgbench_accounts: 100000 rows/);
  const verify = await cli(['verify', file]);
  assert.equal(verify.code, 0, verify.stdout + verify.stderr);
  run.process.kill('SIGTERM');
  assert.equal((await run.ended).code, 0, 'the run went on');

  await target.query('DELETE FROM pgbench_tellers');
  const killed = await cli(['resync', file, 'pgbench_tellers'], { PGSLUICE_FAILPOINT: 'resync-published:kill' });
  assert.equal(killed.code, null);
  const refused = await cli(['verify', file]);
  assert.match(refused.stderr, /PGS7004/);
  const goOn = await cli(['run', file, '--stop-at', 'now']);
  assert.equal(goOn.code, 0, goOn.stderr);
  await writers.stop();
  const after = await cli(['verify', file]);
  assert.equal(after.code, 0, after.stdout + after.stderr);
  const cut = await cli(['cutover', file, '--verify', 'none']);
  assert.equal(cut.code, 0, cut.stdout + cut.stderr);
  const keys = await target.query(`SELECT conname FROM pg_constraint WHERE contype = 'f' AND convalidated`);
  assert.equal(keys.length, 1, 'the foreign key is back');
});

test('a table added to the file is copied by the next run or by resync, one made later is taken along, and all are followed; one taken out is refused', {
  timeout: 900_000,
}, async () => {
  const [source, target] = [await database(await server(17), 'add'), await database(await server(17), 'add')];
  await source.query(`CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1);
    CREATE TABLE b (id serial PRIMARY KEY, v text DEFAULT 'x'); INSERT INTO b (v) SELECT g::text FROM generate_series(1, 500) g; CREATE INDEX b_v ON b (v)`);
  const file = await pipelineFile(`
pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}", tables: { include: [a] } }
sinks: [{ plugin: postgres, url: "${target.url}" }]
`);
  assert.equal((await cli(['run', file, '--stop-at', 'now'])).code, 0);
  const yaml = await readFile(file, 'utf8');
  await writeFile(file, yaml.replace('include: [a]', 'include: [a, b]'));
  const told = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
  assert.equal(told.code, 0, told.stderr);
  assert.match(told.stdout, /source\.tables\.include: a → a, b[^]*the file chooses public\.b, too/);
  await source.query(`CREATE TABLE c1 (id int PRIMARY KEY); INSERT INTO c1 VALUES (1)`);
  await writeFile(file, yaml.replace('include: [a]', 'include: [a, b, "c*"]'));
  const copied = await cli(['resync', file]);
  assert.match(copied.stdout, /copied public\.c1: 1 rows/);
  await source.query(`CREATE TABLE c2 (id int PRIMARY KEY); INSERT INTO c2 VALUES (1), (2)`);
  const later = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
  assert.equal(later.code, 0, later.stderr);
  assert.match(later.stdout, /new on the source: public\.c2/);
  assert.deepEqual(await target.query('SELECT id FROM c2 ORDER BY 1'), [{ id: 1 }, { id: 2 }]);
  await source.query(
    `INSERT INTO b (v) VALUES ('later'); UPDATE b SET v = 'changed' WHERE id = 7; INSERT INTO a VALUES (2)`,
  );
  assert.equal((await cli(['run', file, '--stop-at', 'now'])).code, 0);
  const verify = await cli(['verify', file]);
  assert.equal(verify.code, 0, verify.stdout + verify.stderr);
  const [made] = await target.query<{ n: string; index: string | null }>(
    `SELECT (SELECT count(*) FROM b)::text AS n, to_regclass('public.b_v')::text AS index`,
  );
  assert.deepEqual(made, { n: '501', index: 'b_v' });
  assert.match((await cli(['resync', file])).stdout, /no table that the pipeline does not have/);
  const unknown = await cli(['resync', file, 'public.nope']);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /PGS7008/);
  await writeFile(file, yaml.replace('include: [a]', 'include: [b]'));
  const refused = await cli(['run', file, '--stop-at', 'now']);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /PGS6008 the file no longer chooses public\.a/);
});
