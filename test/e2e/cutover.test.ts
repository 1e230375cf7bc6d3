import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cli, CliProcess } from '../support/cli.ts';
import { leftovers, shop } from '../support/shop.ts';

const scale = 0.005;

test('with a run in another process and writers that stop when asked: everything is in the target, the run ends with 0', async () => {
  const { source, target, file, writers } = await shop({ from: 15, to: 17, scale });
  await using writing = writers();
  const run = new CliProcess(['run', file, '--log', 'json']);
  await run.until('snapshot-finished');
  writing.start(2);
  const cut = new CliProcess(['cutover', file, '--quiet', '300ms']);
  while (!cut.stdout.includes('ready:')) {
    assert.equal(cut.process.exitCode, null, cut.stdout + cut.stderr);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await writing.stop();
  const ended = await cut.ended;
  assert.equal(ended.code, 0, ended.stdout + ended.stderr);
  assert.match(
    ended.stdout,
    /writers going on: all agree[^]*GO after [^]*dropped replication slot[^]*dropped publication/,
  );
  assert.equal((await run.ended).code, 0);
  assert.deepEqual(await leftovers(source), []);
  const verify = await cli(['verify', file]);
  assert.equal(verify.code, 0, verify.stdout + verify.stderr);
  // Sequences, identity columns among them: an insert on the target takes the next value.
  const [next] = await target.query<{ id: string }>(
    `INSERT INTO shop.customer (mail, name) VALUES ('a@b', 'x') RETURNING id::text AS id`,
  );
  const [last] = await source.query<{ id: string }>('SELECT max(id)::text AS id FROM shop.customer');
  assert.ok(BigInt(next!.id) > BigInt(last!.id));
  const again = await cli(['cutover', file]);
  assert.equal(again.code, 0);
  assert.match(again.stdout, /already cut over/);
});
