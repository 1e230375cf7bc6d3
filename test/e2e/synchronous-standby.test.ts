import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { database, ownServer, server as shared } from '../support/servers.ts';

test('a walsender of ours never becomes a synchronous standby of the source', { timeout: 300_000 }, async () => {
  const server = await ownServer(17, { synchronous_commit: 'local' });
  const source = await database(server, 'src');
  const target = await database(await shared(17), 'dst');
  await source.query('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)');
  const file = await pipelineFile(`pipeline: sync
source: { plugin: postgres, url: "${source.url}" }
sinks: [{ plugin: postgres, url: "${target.url}" }]
`);
  const set = async (value: string) => {
    await server.query(`ALTER SYSTEM SET synchronous_standby_names = '${value}'`);
    await server.query('SELECT pg_reload_conf()');
    for (;;) {
      const [row] = await server.query<{ now: string }>(`SELECT current_setting('synchronous_standby_names') AS now`);
      if (row!.now === value) return;
    }
  };
  await set('ANY 1 (elsewhere, *)');
  const check = await cli(['check', file]);
  assert.equal(check.code, 3, check.stdout);
  assert.match(check.stdout, /error +synchronous-standby .*ANY 1 \(elsewhere, \*\).*commits on the source would wait/);
  const refused = await cli(['run', file, '--skip-check', 'synchronous-standby', '--log', 'json']);
  assert.equal(refused.code, 1, refused.stderr);
  assert.match(refused.stderr, /^PGS2184 /m);
  assert.deepEqual(await source.query('SELECT slot_name FROM pg_replication_slots'), []);
  await set('FIRST 1 (elsewhere)');
  const run = new CliProcess(['run', file, '--log', 'json']);
  await run.until('caught-up');
  await set('*');
  const ended = await run.ended;
  assert.equal(ended.code, 1, ended.stderr);
  assert.match(ended.stderr, /^PGS2184 .*ALTER SYSTEM SET/m);
  await source.query('INSERT INTO t VALUES (2)');
  await set('');
  const settled = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
  assert.equal(settled.code, 0, settled.stderr);
  assert.equal((await target.query('SELECT FROM t')).length, 2);
});
