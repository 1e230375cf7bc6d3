import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { CliProcess } from '../support/cli.ts';
import { onlyLong } from '../support/long.ts';
import { hashes, type Migration, migration } from '../support/migration.ts';
import { server } from '../support/servers.ts';

const rows = 12_000;

/** Rows that change, and move between ranges. */
async function write(url: string, stop: AbortSignal): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  for (let i = 1; !stop.aborted; i++) {
    const [a, b] = [(i * 7919) % rows, (i * 4801) % rows];
    await client.query(`BEGIN; UPDATE sale SET v = v + 1 WHERE id = ${a * 10}; UPDATE sale SET id = ${b * 10 + 1 + (i % 9)} WHERE id = ${a * 10 + 10}
      AND NOT EXISTS (SELECT FROM sale WHERE id = ${b * 10 + 1 + (i % 9)}); DELETE FROM sale WHERE id = ${b * 10}; COMMIT`);
    await pause(10);
  }
  await client.end();
}

const worker = ({ file }: Migration) => new CliProcess(['work', file, '--log', 'json']);

async function left({ target }: Migration): Promise<number> {
  const [row] = await target.query<{ n: string }>('SELECT count(*)::text AS n FROM pgsluice.work_range');
  return Number(row!.n);
}

test('other processes share the copy by claims in the target: one that is killed gives its range back, and when the run is killed they go on without it and with the next', async () => {
  const run = await migration({
    from: await server(16),
    to: await server(17),
    source: '  snapshot: { workers: 1, chunk_size: 32kB, ledger_above: 128kB }',
    more: `transforms: [{ plugin: filter, tables: public.sale, where: 'mod(id, 7) <> 3' }]\nlimit: { rate: 20kB/s }`,
  });
  await run.source.query(`CREATE TABLE sale (id bigint PRIMARY KEY, v int NOT NULL DEFAULT 0, pad text NOT NULL);
    INSERT INTO sale SELECT i * 10, 0, repeat('x', 80) FROM generate_series(1, ${rows}) i; CREATE INDEX sale_v ON sale (v); CREATE INDEX sale_pad ON sale (pad, v); ANALYZE`);
  // Before there is anything to do.
  const lasting = worker(run);
  await lasting.until('work-started');
  const stop = new AbortController();
  const writer = write(run.source.url, stop.signal);
  const first = run.start();
  await lasting.until('work');
  const short = worker(run);
  await short.until('work');
  // A worker notes itself a moment after it began.
  const wanted = [lasting.process.pid!, short.process.pid!];
  for (let shown: readonly number[] = []; !wanted.every((pid) => shown.includes(pid)); ) {
    const { stdout } = await run.verb('status', '--json');
    shown = (JSON.parse(stdout) as { workers: { pid: number }[] }).workers.map(({ pid }) => pid);
    assert.equal(first.process.exitCode, null, `${stdout} ${first.stderr}`);
  }
  short.process.kill('SIGKILL');
  first.process.kill('SIGKILL');
  await Promise.all([short.ended, first.ended]);
  const before = await left(run);
  assert.ok(before > 0, 'the copy was through before the run was killed');
  // It goes on under the snapshot that it has joined.
  while ((await left(run)) > Math.max(0, before - 2)) await pause(100);
  assert.equal(lasting.process.exitCode, null);
  // The rate is the run's, for all of them: now it is a higher one.
  const last = run.start('--stop-at', 'now', '--limit', '2MB/s');
  await last.until('table-finished');
  stop.abort();
  await writer;
  assert.equal((await last.ended).code, 0, last.stderr);
  const { code, stderr } = await lasting.ended;
  assert.equal(code, 0, stderr);
  const [end] = lasting.events('work-ended');
  assert.ok(Number(end?.['ranges']) >= 2, JSON.stringify(end));
  const indexes = await run.target.query(`SELECT FROM pg_index WHERE indrelid = 'sale'::regclass AND indisvalid`);
  assert.equal(indexes.length, 3);
  await run.run();
  await run.source.query('DELETE FROM sale WHERE mod(id, 7) = 3');
  assert.deepEqual(await hashes(run.target, ['sale']), await hashes(run.source, ['sale']));
});

test('a worker whose file has other transforms takes no part', { skip: onlyLong }, async () => {
  const input = {
    from: await server(16),
    to: await server(17),
    source: '  snapshot: { workers: 1, chunk_size: 32kB, ledger_above: 64kB }',
  };
  const run = await migration({ ...input, more: 'limit: { rate: 2kB/s }' });
  await run.source.query(
    `CREATE TABLE sale (id int PRIMARY KEY, v int); INSERT INTO sale SELECT i, 0 FROM generate_series(1, 20000) i; ANALYZE`,
  );
  const other = await migration({ ...input, databases: run, more: `transforms: [{ plugin: filter, where: 'v > 0' }]` });
  const going = run.start();
  await going.until('copy-started');
  const refused = await worker(other).ended;
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /PGS3130 public\.sale is planned otherwise here/);
  going.process.kill('SIGTERM');
  assert.equal((await going.ended).code, 0, going.stderr);
});
