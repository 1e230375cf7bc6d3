import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { live, randomFrom } from '../support/live.ts';
import { long } from '../support/long.ts';
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
  const rounds = long ? 6 : 3;
  let interrupted = 0;
  for (let round = 0; round < rounds; round++) {
    const run = pipeline.start();
    await run.until(round === 0 ? 'run-started' : 'copy-started');
    await sleep(random(1200));
    run.process.kill('SIGINT');
    const ended = await run.ended;
    assert.equal(ended.code, 0, `round ${round}: ${ended.stderr}`);
    if (!run.stdout.includes('snapshot-finished')) interrupted++;
  }
  assert.ok(interrupted >= rounds / 2, `${interrupted}`);
  await pipeline.settle();
  assert.equal(await pipeline.same('SELECT id, lower(v) AS v FROM a', 'SELECT * FROM a'), 40_000);
  assert.equal(await pipeline.same('SELECT * FROM b', 'SELECT * FROM b'), 40_000);
});

test('SIGINT while the transaction in hand waits, and its session in the target is ended: 0, and the next run has it', async () => {
  const pipeline = await live({
    source: 'CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a VALUES (1, $$x$$)',
  });
  const run = pipeline.start();
  await run.until('caught-up');
  const lock = new pg.Client({ connectionString: pipeline.target.url });
  await lock.connect();
  await lock.query('BEGIN; LOCK TABLE a IN ACCESS EXCLUSIVE MODE');
  await pipeline.source.query('INSERT INTO a VALUES (2, $$y$$)');
  const waits = `FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
  while ((await pipeline.target.query(`SELECT 1 ${waits}`)).length === 0) await sleep(20);
  run.process.kill('SIGINT');
  while (!run.stderr.includes('stopping')) await sleep(20);
  await lock.query(`SELECT pg_terminate_backend(pid) ${waits}`);
  await lock.end();
  const ended = await run.ended;
  assert.equal(ended.code, 0, ended.stderr);
  assert.match(ended.stdout, /"event":"stream-retry"/);
  await pipeline.settle();
  assert.equal(await pipeline.same('SELECT * FROM a', 'SELECT * FROM a'), 2);
});
