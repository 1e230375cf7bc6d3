import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { onlyLong } from '../support/long.ts';
import { eventsOf, hashes, type Migration, migration } from '../support/migration.ts';
import { server } from '../support/servers.ts';

const servers = { from: await server(16), to: await server(18) };
const rows = 30_000;
const schema = `
  CREATE TABLE sale (id int PRIMARY KEY, v int NOT NULL DEFAULT 0, pad text NOT NULL); CREATE INDEX sale_v ON sale (v);
  CREATE TABLE paged (n int, pad text NOT NULL); ALTER TABLE paged REPLICA IDENTITY FULL;
  CREATE TABLE small (id int PRIMARY KEY, v int);
  INSERT INTO sale SELECT i, 0, repeat('x', 80) FROM generate_series(1, ${rows}) i;
  INSERT INTO paged SELECT i, repeat('x', 80) FROM generate_series(1, 2000) i;
  INSERT INTO small SELECT i, 0 FROM generate_series(1, 10) i; ANALYZE`;
const tables = ['sale', 'paged', 'small'];

async function begun(more: string): Promise<Migration> {
  const run = await migration({
    ...servers,
    source: '  snapshot: { workers: 2, chunk_size: 64kB, ledger_above: 1MB, max_age: 3s, stream: during }',
    more: `limit: { rate: 400kB/s }\n${more}`,
  });
  await run.source.query(schema);
  return run;
}

/** Changes values, and moves rows to keys far from theirs, until it is told to stop. */
async function write(run: Migration, stop: AbortSignal): Promise<void> {
  const client = new pg.Client({ connectionString: run.source.url });
  await client.connect();
  for (let i = 1; !stop.aborted; i++) {
    const [a, b, c] = [4801, 7919, 6007].map((step) => 1 + ((i * step) % rows));
    await client.query(`BEGIN; UPDATE sale SET v = v + 1 WHERE id IN (${a}, ${b}); UPDATE small SET v = v + 1 WHERE id = ${1 + (i % 10)};
      UPDATE sale SET id = ${b} + 100000 WHERE id = ${b} AND NOT EXISTS (SELECT FROM sale WHERE id = ${b} + 100000);
      UPDATE sale SET id = -${c} WHERE id = ${c} AND NOT EXISTS (SELECT FROM sale WHERE id = -${c});
      DELETE FROM sale WHERE id = ${a} AND v > 2; INSERT INTO sale VALUES (${a}, ${i}, 'again') ON CONFLICT DO NOTHING;
      UPDATE paged SET pad = pad || 'u' WHERE n = ${1 + (i % 2000)}; INSERT INTO paged VALUES (${i}, 'new'); COMMIT`);
    await pause(10);
  }
  await client.end();
}

const confirmed = async (run: Migration): Promise<bigint> => {
  const [row] = await run.source.query<{ at: string }>(
    `SELECT (confirmed_flush_lsn - '0/0')::text AS at FROM pg_replication_slots WHERE database = current_database() AND NOT temporary`,
  );
  return BigInt(row!.at);
};

test('changes reach what is copied while the rest is copied, the slot goes on meanwhile, and all is equal', async () => {
  const run = await begun('ddl: follow');
  const stop = new AbortController();
  const process = run.start();
  await process.until('copy-started');
  const writing = write(run, stop.signal);
  const begin = await confirmed(run);
  await process.until('snapshot-renewed');
  await run.source.query("ALTER TABLE small ADD COLUMN told text DEFAULT 'yes'");
  await process.until('stream-during');
  const seen = () => run.target.query('SELECT FROM small WHERE told IS NOT NULL').catch(() => []);
  while ((await seen()).length === 0) await pause(50);
  assert.equal(process.events('snapshot-finished').length, 0, 'the copy is under way');
  assert.ok((await confirmed(run)) > begin, 'the slot keeps no WAL from before');
  await process.until('snapshot-finished');
  stop.abort();
  await writing;
  process.process.kill('SIGTERM');
  const { code, stderr } = await process.ended;
  assert.equal(code, 0, stderr);
  const last = await run.run();
  assert.deepEqual(await hashes(run.target, tables), await hashes(run.source, tables));
  const verified = await run.verb('verify');
  assert.equal(verified.code, 0, verified.stdout);
  assert.deepEqual(eventsOf(last, 'stream-waits'), []);
});

test('a table that comes meanwhile makes the changes wait for the end of the copy', { skip: onlyLong }, async () => {
  const run = await begun('ddl: follow');
  const stop = new AbortController();
  const process = run.start();
  await process.until('snapshot-renewed');
  const writing = write(run, stop.signal);
  await run.source.query('CREATE TABLE late (id int PRIMARY KEY); INSERT INTO late VALUES (1)');
  await process.until('stream-waits');
  await process.until('snapshot-finished');
  stop.abort();
  await writing;
  process.process.kill('SIGTERM');
  assert.equal((await process.ended).code, 0);
  await run.run();
  const all = [...tables, 'late'];
  assert.deepEqual(await hashes(run.target, all), await hashes(run.source, all));
});
