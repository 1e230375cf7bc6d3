import assert from 'node:assert/strict';
import { test } from 'node:test';
import { live, openWriter } from '../support/live.ts';
import { ownServer, server } from '../support/servers.ts';

await server(18);

/** A slot waits for every transaction of the server that was open when it was begun. */
test('a new partition whose copy waits for a prepared transaction, or for an open one: log and status name it, and it goes on after', {
  timeout: 300_000,
}, async () => {
  const from = await ownServer(17, { max_prepared_transactions: '5' });
  const pipeline = await live({
    on: from,
    to: 18,
    source: `CREATE TABLE p (k int PRIMARY KEY) PARTITION BY RANGE (k); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);
      CREATE TABLE other (id int PRIMARY KEY); INSERT INTO p VALUES (1)`,
  });
  const { source, target } = pipeline;
  await pipeline.settle();
  await source.query(`BEGIN; INSERT INTO other VALUES (1); PREPARE TRANSACTION 'it''s held'`);
  await source.query(`CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (200); INSERT INTO p VALUES (150)`);
  const run = pipeline.start();
  const named = async (whom: RegExp): Promise<void> => {
    const log = new RegExp(`slot-waits.*${whom.source}`);
    for (let tries = 0; ; tries++) {
      const { stdout } = await pipeline.verb('status');
      const json = JSON.parse((await pipeline.verb('status', '--json')).stdout) as { waits: readonly string[] };
      if (run.process.exitCode !== null || tries > 100) assert.fail(`${run.stdout}${run.stderr}${stdout}`);
      if (log.test(run.stdout) && whom.test(stdout) && json.waits.some((line) => whom.test(line))) return;
    }
  };
  const arrived = async (rows: number): Promise<void> => {
    const there = `SELECT count(*)::int AS n FROM p`;
    while ((await target.query<{ n: number }>(there))[0]!.n < rows)
      await new Promise((resolve) => setTimeout(resolve, 200));
  };
  await named(/prepared transaction 'it''s held' of .*COMMIT PREPARED 'it''s held';/);
  await source.query(`COMMIT PREPARED 'it''s held'`);
  await arrived(2);
  const writer = await openWriter(source.url);
  await writer.query(`SET application_name = 'the writer'; BEGIN; INSERT INTO other VALUES (2)`);
  await source.query(`CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (200) TO (300); INSERT INTO p VALUES (250)`);
  await named(/pid \d+ \(the writer, .*idle in transaction/);
  await writer.query('COMMIT');
  await writer.end();
  await arrived(3);
  run.process.kill('SIGTERM');
  assert.equal((await run.ended).code, 0);
  assert.equal(await pipeline.same('SELECT * FROM other', 'SELECT * FROM other'), 2);
});
