import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { live, randomFrom } from '../support/live.ts';
import { server } from '../support/servers.ts';

await server(17);

test('SIGINT while chunks are copied ends with 0 every time, and the copy goes on', { timeout: 600_000 }, async () => {
  const pipeline = await live({
    source: `CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY, v jsonb);
      INSERT INTO a SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 40000) i;
      INSERT INTO b SELECT i, jsonb_build_object('v', repeat(md5(i::text), 20)) FROM generate_series(1, 40000) i;`,
    sourceKeys: '  snapshot: { workers: 2, chunk_size: 8MB }',
    yaml: 'transforms: [{ plugin: set, tables: public.a, columns: { v: "lower(v)" } }]\nlimit: { rate: 12MB/s }',
  });
  const random = randomFrom(7);
  let interrupted = 0;
  for (let round = 0; round < 6; round++) {
    const run = pipeline.start();
    await run.until(round === 0 ? 'run-started' : 'copy-started');
    await sleep(random(1200));
    run.process.kill('SIGINT');
    const ended = await run.ended;
    assert.equal(ended.code, 0, `round ${round}: ${ended.stderr}`);
    if (!run.stdout.includes('snapshot-finished')) interrupted++;
  }
  assert.ok(interrupted >= 3, `${interrupted}`);
  await pipeline.settle();
  assert.equal(await pipeline.same('SELECT id, lower(v) AS v FROM a', 'SELECT * FROM a'), 40_000);
  assert.equal(await pipeline.same('SELECT * FROM b', 'SELECT * FROM b'), 40_000);
});
