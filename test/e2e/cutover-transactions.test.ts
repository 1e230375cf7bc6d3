import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { CliProcess } from '../support/cli.ts';
import { migration } from '../support/migration.ts';
import { ownServer, server } from '../support/servers.ts';

const fences = ['none', 'auto', 'read_only', 'revoke'] as const;

test('a prepared transaction is waited for and named under every kind of fence, and what it commits arrives', {
  timeout: 900_000,
}, async () => {
  const from = await ownServer(15, { max_prepared_transactions: '10', wal_level: 'logical' });
  const m = await migration({ from, to: await server(17) });
  await m.source.query(`CREATE TABLE item (id int PRIMARY KEY); CREATE TABLE other (id serial PRIMARY KEY);
    INSERT INTO item SELECT generate_series(1, 10)`);
  await m.run();
  await m.source.query(`BEGIN; INSERT INTO item VALUES (11); PREPARE TRANSACTION 'it''s left'`);
  for (const fence of fences) {
    const cut = await m.verb('cutover', '--fence', fence, '--quiet', '10ms', '--wait', '1s', '--verify', 'none');
    assert.equal(cut.code, 1, `${fence}: ${cut.stdout}${cut.stderr}`);
    assert.match(cut.stderr, /PGS7040.*prepared transaction 'it''s left' \(user postgres/, fence);
    assert.match(cut.stderr, /ROLLBACK PREPARED 'it''s left';/, fence);
    assert.doesNotMatch(cut.stdout, /^GO/m, fence);
    // Nothing of the fence is left.
    await m.source.query('INSERT INTO other DEFAULT VALUES; UPDATE item SET id = id WHERE false');
  }
  const cut = new CliProcess(['cutover', m.file, '--quiet', '10ms', '--wait', '60s']);
  while (!cut.stdout.includes('waiting for')) {
    assert.equal(cut.process.exitCode ?? cut.process.signalCode, null, cut.stdout + cut.stderr);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await m.source.query(`COMMIT PREPARED 'it''s left'`);
  const done = await cut.ended;
  assert.equal(done.code, 0, done.stdout + done.stderr);
  const [row] = await m.target.query('SELECT count(*)::int AS n FROM item');
  assert.deepEqual(row, { n: 11 });
});

test('an idle transaction that wrote, in a chosen table or elsewhere, is named with pid, user and application', {
  timeout: 900_000,
}, async () => {
  const from = await server(17);
  const m = await migration({ from, to: await server(17), source: '  tables: { include: [public.item] }' });
  await m.source.query(`CREATE TABLE item (id int PRIMARY KEY); CREATE TABLE aside (id int);
    INSERT INTO item SELECT generate_series(1, 10)`);
  await m.run();
  const client = new pg.Client({ connectionString: m.source.url, application_name: 'billing' });
  client.on('error', () => {});
  await client.connect();
  const [{ pid }] = (await client.query('SELECT pg_backend_pid() AS pid')).rows as [{ pid: number }];
  try {
    for (const table of ['item', 'aside']) {
      await client.query(`BEGIN; INSERT INTO ${table} VALUES (99)`);
      for (const fence of table === 'item' ? (['none', 'auto'] as const) : (['auto'] as const)) {
        const cut = await m.verb('cutover', '--fence', fence, '--quiet', '10ms', '--wait', '1s', '--verify', 'none');
        assert.equal(cut.code, 1, cut.stdout + cut.stderr);
        const named = new RegExp(`PGS7040.*pid ${pid} \\(user postgres, application "billing", idle in transaction`);
        assert.match(cut.stderr, named, `${table} ${fence}`);
        assert.match(cut.stderr, new RegExp(`SELECT pg_terminate_backend\\(${pid}\\);`));
      }
      await client.query('ROLLBACK');
    }
    // One that only reads is nobody to wait for.
    await client.query('BEGIN; SELECT count(*) FROM item');
    const cut = await m.verb('cutover', '--quiet', '10ms', '--wait', '5s');
    assert.equal(cut.code, 0, cut.stdout + cut.stderr);
  } finally {
    await client.end();
  }
});
