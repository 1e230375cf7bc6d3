import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { cli, pipelineFile } from '../support/cli.ts';
import { database, server } from '../support/servers.ts';
import { leftovers } from '../support/shop.ts';

const steps = [
  'cutover-preconditions',
  'cutover-verified',
  'cutover-way-back',
  'cutover-ready',
  'cutover-fence',
  'cutover-fenced',
  'cutover-quiet',
  'cutover-sequences',
  'cutover-durable',
  'cutover-slot-back',
] as const;

test('killed at each step and started again it completes; before the go the pipeline can be run on each time', {
  timeout: 300_000,
}, async () => {
  const [source, target] = [await database(await server(16), 'cut'), await database(await server(17), 'cut')];
  await source.query(`CREATE TABLE item (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, word text);
    INSERT INTO item (word) SELECT 'w' || g FROM generate_series(1, 100) g;
    CREATE MATERIALIZED VIEW words AS SELECT count(*) AS n FROM item`);
  const file = await pipelineFile(`
pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
sinks: [{ plugin: postgres, url: "${target.url}" }]
`);
  const back = join(dirname(file), 'back.yaml');
  const args = ['cutover', file, '--fence', 'read_only', '--way-back', back, '--quiet', '1ms', '--wait', '20s'];
  assert.equal((await cli(['run', file, '--stop-at', 'now'])).code, 0);
  let rows = 100;
  for (const step of steps) {
    const killed = await cli(args, { PGSLUICE_FAILPOINT: `${step}:kill` });
    assert.equal(killed.code, null, `${step}: ${killed.stdout}${killed.stderr}`);
    // What is written between two tries must not be lost, nor come back by the way back's slot; behind the fence none is.
    const write = source.query(`SET TRANSACTION READ WRITE; INSERT INTO item (word) VALUES ('${step}')`);
    if (steps.indexOf(step) >= steps.indexOf('cutover-fenced')) await assert.rejects(write, { code: '25006' }, step);
    else {
      await write;
      rows++;
    }
    if (step !== 'cutover-durable') continue;
    const run = await cli(['run', file, '--stop-at', 'now']);
    assert.equal(run.code, 0, run.stderr);
  }
  for (const step of ['cutover-go', 'cutover-cleaned']) {
    const killed = await cli(args, { PGSLUICE_FAILPOINT: `${step}:kill` });
    assert.equal(killed.code, null, `${step}: ${killed.stdout}${killed.stderr}`);
    const run = await cli(['run', file]);
    assert.equal(run.code, 1, run.stdout);
    assert.match(run.stderr, /PGS60(15|04)/);
  }
  const done = await cli(args);
  assert.equal(done.code, 0, done.stdout + done.stderr);
  assert.deepEqual(await leftovers(source), []);
  assert.ok(existsSync(back));
  const [sums] = await target.query<{ n: string; seen: string }>(
    `SELECT (SELECT count(*) FROM item)::text AS n, (SELECT n FROM words)::text AS seen`,
  );
  assert.deepEqual(sums, { n: String(rows), seen: String(rows) });
  // The target goes on where the source stood, and what is written there goes back, and only that.
  const [made] = await target.query<{ id: string }>(`INSERT INTO item (word) VALUES ('new') RETURNING id::text AS id`);
  assert.equal(made!.id, String(rows + 1));
  const follow = await cli(['run', back, '--stop-at', 'now']);
  assert.equal(follow.code, 0, follow.stdout + follow.stderr);
  const agree = await cli(['verify', back]);
  assert.equal(agree.code, 0, agree.stdout + agree.stderr);
  const [there] = await source.query<{ n: string }>('SELECT count(*)::text AS n FROM item');
  assert.equal(there!.n, String(rows + 1));
});
