import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { cli, pipelineFile } from '../support/cli.ts';
import { pgbouncer, withoutPgbouncer } from '../support/pgbouncer.ts';
import { database, server } from '../support/servers.ts';

const on = await server(17);

async function pair() {
  const [source, target] = [await database(on, 'src'), await database(on, 'dst')];
  await source.query(`CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' FROM generate_series(1, 5000) g;
    CREATE INDEX ON t (v); CREATE TABLE u (id int PRIMARY KEY REFERENCES t)`);
  return { source, target };
}

const fileOf = (name: string, source: string, target: string) =>
  pipelineFile(`pipeline: ${name}
source: { plugin: postgres, url: "${source}" }
sinks: [{ plugin: postgres, url: "${target}" }]
`);

test('a target behind PgBouncer in session mode: the whole story', {
  timeout: 240_000,
  skip: withoutPgbouncer,
}, async () => {
  const { source, target } = await pair();
  const bouncer = await pgbouncer(on.url(), 'session');
  const file = await fileOf(source.name, source.url, `${bouncer}/${target.name}`);
  const first = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
  assert.equal(first.code, 0, first.stderr);
  await source.query(`UPDATE t SET v = 'w' WHERE id <= 100; DELETE FROM t WHERE id > 4990; INSERT INTO u VALUES (1)`);
  for (const words of [
    ['run', file, '--stop-at', 'now'],
    ['verify', file],
    ['cutover', file, '--quiet', '1ms'],
  ]) {
    const { code, stdout, stderr } = await cli(words);
    assert.equal(code, 0, `${words.join(' ')}: ${stdout}${stderr}`);
  }
  const [row] = await target.query<{ n: string }>(
    `SELECT count(*) || ' ' || count(*) FILTER (WHERE v = 'w') AS n FROM t`,
  );
  assert.equal(row!.n, '4990 100');
});

for (const mode of ['transaction', 'statement'] as const) {
  test(`PgBouncer in ${mode} mode is refused, and its sessions are left as they were`, {
    timeout: 120_000,
    skip: withoutPgbouncer,
  }, async () => {
    const { source, target } = await pair();
    const bouncer = await pgbouncer(on.url(), mode);
    const file = await fileOf(source.name, source.url, `${bouncer}/${target.name}`);
    const before = await cli(['run', file, '--log', 'json']);
    assert.equal(before.code, 1, before.stdout);
    assert.match(before.stderr, /^PGS2096 .*pool_mode=transaction.*pool_mode=session/m);
    assert.deepEqual(
      await source.query('SELECT slot_name FROM pg_replication_slots WHERE database = current_database()'),
      [],
    );
    const client = new pg.Client({ connectionString: `${bouncer}/${target.name}` });
    await client.connect();
    const { rows } = await client.query<{ search_path: string }>('SHOW search_path');
    await client.end();
    assert.equal(rows[0]!.search_path, '"$user", public');
  });
}

test('a source behind PgBouncer is refused by check', { timeout: 120_000, skip: withoutPgbouncer }, async () => {
  const { source, target } = await pair();
  const bouncer = await pgbouncer(on.url(), 'session');
  const file = await fileOf(source.name, `${bouncer}/${source.name}`, target.url);
  const check = await cli(['check', file]);
  assert.equal(check.code, 3, check.stdout + check.stderr);
  assert.match(check.stdout, /error +pooler /);
});
