import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { short } from '../support/long.ts';
import { fingerprints, pgbenchInit, pgbenchTables, PgbenchWriters } from '../support/pgbench.ts';
import { database, server } from '../support/servers.ts';

async function setUp(from: number, to: number, scale: number) {
  const source = await database(await server(from), 'src');
  const target = await database(await server(to), 'dst');
  await pgbenchInit(source, scale);
  const file = await pipelineFile(`
pipeline: bench_${source.name}
source:
  plugin: postgres
  url: ${source.url}
sinks:
  - plugin: postgres
    url: ${target.url}
`);
  return { source, target, file };
}

for (const [from, to] of short(1, [
  [15, 17],
  [14, 18],
] as const)) {
  test(`pgbench with writers throughout moves from ${from} to ${to} and ends identical`, async () => {
    const { source, target, file } = await setUp(from, to, 2);
    await using writers = new PgbenchWriters(source.url, 2);
    writers.start(3, 3);
    const run = new CliProcess(['run', file, '--log', 'json']);
    await run.until('caught-up');
    await writers.stop();
    run.process.kill('SIGTERM');
    const ended = await run.ended;
    assert.equal(ended.code, 0, ended.stderr);
    const rest = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
    assert.equal(rest.code, 0, rest.stderr);
    assert.ok(writers.transactions > 100, 'the writers wrote during the migration');
    assert.deepEqual(await fingerprints(target, pgbenchTables), await fingerprints(source, pgbenchTables));
    const cut = await cli(['cutover', file]);
    assert.equal(cut.code, 0, cut.stderr);
    const slots = await source.query(`SELECT slot_name FROM pg_replication_slots WHERE database = '${source.name}'`);
    assert.deepEqual(slots, []);
  });
}

test('killed with SIGKILL at random moments and started again, it ends identical', async () => {
  const { source, target, file } = await setUp(17, 17, 3);
  await using writers = new PgbenchWriters(source.url, 3);
  writers.start(3, 3);
  for (let kill = 0; kill < 10; kill++) {
    const run = new CliProcess(['run', file, '--log', 'json']);
    await new Promise((resolve) => setTimeout(resolve, 300 + Math.random() * 1800));
    run.process.kill('SIGKILL');
    const { stderr } = await run.ended;
    assert.equal(stderr, '', 'a killed run had met no error of its own');
  }
  const run = new CliProcess(['run', file, '--log', 'json']);
  await run.until('caught-up');
  await writers.stop();
  run.process.kill('SIGTERM');
  assert.equal((await run.ended).code, 0);
  const rest = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
  assert.equal(rest.code, 0, rest.stderr);
  assert.deepEqual(await fingerprints(target, pgbenchTables), await fingerprints(source, pgbenchTables));
});
