import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { database, server, type TestDatabase } from '../support/servers.ts';
import { leftovers } from '../support/shop.ts';

async function pair(): Promise<{ source: TestDatabase; target: TestDatabase; file: string }> {
  const [source, target] = [await database(await server(17), 'cln'), await database(await server(17), 'cln')];
  await source.query(`CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)`);
  const file = await pipelineFile(`
pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
sinks: [{ plugin: postgres, url: "${target.url}" }]
`);
  return { source, target, file };
}

async function stateSchema(target: TestDatabase): Promise<boolean> {
  const rows = await target.query(`SELECT FROM pg_namespace WHERE nspname = 'pgsluice'`);
  return rows.length > 0;
}

test('everything of a pipeline goes, rows stay, and it may be repeated', { timeout: 120_000 }, async () => {
  const { source, target, file } = await pair();
  const asked = await cli(['cleanup', file]);
  assert.equal(asked.code, 2);
  assert.match(asked.stderr, /PGS6011/);
  const nothing = await cli(['cleanup', file, '--yes']);
  assert.equal(nothing.code, 0, nothing.stderr);
  assert.match(nothing.stdout, /nothing of this pipeline/);
  const run = new CliProcess(['run', file, '--log', 'json']);
  await run.until('stream-started');
  const refused = await cli(['cleanup', file, '--yes']);
  assert.equal(refused.code, 1, refused.stdout);
  const pulled = await cli(['cleanup', file, '--yes', '--source-only']);
  assert.match(pulled.stderr, /PGS6016/);
  run.process.kill('SIGTERM');
  assert.equal((await run.ended).code, 0);
  await source.query(`SELECT pg_create_logical_replication_slot('left_${source.name}', 'pgoutput')`);
  const done = await cli(['cleanup', file, '--yes']);
  assert.equal(done.code, 0, done.stderr);
  assert.match(
    done.stdout,
    /replication slot[^]*publication[^]*state of pipeline[^]*left as they are[^]*read by nobody/,
  );
  await source.query(`SELECT pg_drop_replication_slot('left_${source.name}')`);
  assert.deepEqual(await leftovers(source), []);
  assert.equal(await stateSchema(target), false);
  assert.equal((await target.query('SELECT id FROM t')).length, 2);
  const again = await cli(['cleanup', file, '--yes']);
  assert.equal(again.code, 0, again.stderr);
});

/** What a crash between two steps of a run or of a cleanup may leave. */
const halves: Readonly<Record<string, (of: { source: TestDatabase; target: TestDatabase }) => Promise<unknown>>> = {
  'slot and publication without state': ({ target }) => target.query('DROP SCHEMA pgsluice CASCADE'),
  'state without slot': ({ source }) =>
    source.query(
      'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()',
    ),
  'publication only': async ({ source, target }) => {
    await source.query(
      'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()',
    );
    await target.query('DROP SCHEMA pgsluice CASCADE');
  },
  'state schema without the checkpoint of core': ({ target }) => target.query('DELETE FROM pgsluice.checkpoint'),
};

for (const [what, spoil] of Object.entries(halves)) {
  test(`cleans up ${what}`, { timeout: 120_000 }, async () => {
    const { source, target, file } = await pair();
    const run = await cli(['run', file, '--stop-at', 'now']);
    assert.equal(run.code, 0, run.stderr);
    await spoil({ source, target });
    const done = await cli(['cleanup', file, '--yes']);
    assert.equal(done.code, 0, done.stdout + done.stderr);
    assert.deepEqual(await leftovers(source), []);
    assert.equal(await stateSchema(target), false);
  });
}

test('without a target that can be reached the source alone is cleaned', { timeout: 120_000 }, async () => {
  const { source, target, file } = await pair();
  const run = await cli(['run', file, '--stop-at', 'now']);
  assert.equal(run.code, 0, run.stderr);
  await target.server.query(`ALTER DATABASE ${target.name} RENAME TO ${target.name}_gone`);
  const done = await cli(['cleanup', file, '--yes', '--source-only']);
  await target.server.query(`ALTER DATABASE ${target.name}_gone RENAME TO ${target.name}`);
  assert.equal(done.code, 0, done.stdout + done.stderr);
  assert.deepEqual(await leftovers(source), []);
});

test("what a user made in the target's schema pgsluice, or on what is in it, stays", { timeout: 120_000 }, async () => {
  const { target, file } = await pair();
  const run = await cli(['run', file, '--stop-at', 'now']);
  assert.equal(run.code, 0, run.stderr);
  await target.query(`CREATE TABLE pgsluice.theirs (pipeline text); INSERT INTO pgsluice.theirs SELECT current_database();
    INSERT INTO pgsluice.theirs SELECT pipeline FROM pgsluice.position;
    CREATE VIEW lag AS SELECT lsn FROM pgsluice.position`);
  const done = await cli(['cleanup', file, '--yes']);
  assert.equal(done.code, 0, done.stdout + done.stderr);
  assert.equal((await target.query('SELECT FROM pgsluice.theirs')).length, 2);
  assert.deepEqual(await target.query('SELECT * FROM lag'), []);
});
