import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { rowsOf, Writer } from '../support/failover.ts';
import { onlyLong, short } from '../support/long.ts';
import { database, ownServer, server as shared } from '../support/servers.ts';
import { caughtUp, promote, standbyOf } from '../support/standby.ts';

const schema = `CREATE TABLE t (id serial PRIMARY KEY, v text); INSERT INTO t (v) SELECT 'r' || g FROM generate_series(1, 1000) g;
  CREATE TABLE u (id int PRIMARY KEY, v text); INSERT INTO u SELECT g, 'u' FROM generate_series(1, 100) g`;

async function standbySource(major: number, settings: Readonly<Record<string, string>> = {}) {
  const primary = await ownServer(major);
  await primary.query('CREATE DATABASE shop');
  await primary.query(schema, 'shop');
  const standby = await standbyOf(primary, { hot_standby_feedback: 'on', ...settings });
  await caughtUp(primary, standby);
  const target = await database(await shared(major), 'dst');
  const yaml = (more = '') => `pipeline: standby_${major}
source:
  plugin: postgres
  url: "${standby.url('shop')}"
${more}sinks: [{ plugin: postgres, url: "${target.url}" }]
`;
  const file = await pipelineFile(yaml(`  primary: "${primary.url('shop')}"\n`));
  return { primary, standby, target, file, yaml };
}

async function ok(words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cli(words);
  assert.equal(code, 0, `${words.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

for (const major of short(1, [16, 17, 18])) {
  test(`${major}: a standby is copied and followed, verified and cut over; an idle primary holds nothing up`, {
    timeout: 300_000,
  }, async () => {
    const { primary, standby, target, file } = await standbySource(major);
    assert.match(await ok(['check', file]), /ok +standby .*decodes on the standby/);
    await ok(['run', file, '--stop-at', 'now']);
    assert.deepEqual(await primary.query(`SELECT FROM pg_replication_slots WHERE slot_type = 'logical'`), []);
    const run = new CliProcess(['run', file, '--log', 'json']);
    await run.until('caught-up');
    const writer = new Writer([primary], 5);
    await primary.query(`UPDATE u SET v = 'x' WHERE id <= 50; DELETE FROM u WHERE id > 90`, 'shop');
    await ok(['verify', file]);
    await ok(['resync', file, 'public.u']);
    await sleep(500);
    await writer.stop();
    const out = await ok(['cutover', file, '--fence', 'triggers', '--quiet', '100ms']);
    assert.match(out, /GO/);
    await run.ended;
    assert.equal(await rowsOf(target), await rowsOf(primary, 'shop'));
    await assert.rejects(primary.query('INSERT INTO t (v) VALUES ($$no$$)', 'shop'));
    for (const server of [primary, standby])
      assert.deepEqual(await server.query(`SELECT FROM pg_replication_slots WHERE slot_type = 'logical'`), []);
    assert.deepEqual(await primary.query('SELECT FROM pg_publication', 'shop'), []);
  });
}

test('17: a standby that is the source, promoted: its slot stays, and the stream goes on', {
  timeout: 240_000,
}, async () => {
  const { primary, standby, target, file, yaml } = await standbySource(17);
  await ok(['run', file, '--stop-at', 'now']);
  await primary.query(`INSERT INTO t (v) VALUES ('last')`, 'shop');
  await caughtUp(primary, standby);
  await primary.stop('immediate');
  await promote(standby);
  await standby.query(`INSERT INTO t (v) VALUES ('new')`, 'shop');
  // The checkpoint is in the target: another file with the pipeline's name is the same pipeline.
  await ok(['run', await pipelineFile(yaml()), '--stop-at', 'now']);
  assert.equal(await rowsOf(target), await rowsOf(standby, 'shop'));
});

test('check: no primary, too old, no feedback, another system, unlogged tables', { timeout: 240_000 }, async () => {
  const { primary, standby, yaml } = await standbySource(16, { hot_standby_feedback: 'off' });
  const says = async (more: string, what: RegExp) => {
    const check = await cli(['check', await pipelineFile(yaml(more))]);
    assert.equal(check.code, 3, check.stdout + check.stderr);
    assert.match(check.stdout, what);
  };
  await says('', /error +standby .*publications and messages cannot be made there\n.*source\.primary/);
  await says(`  primary: "${standby.url('shop')}"\n`, /error +standby .*source\.primary is a standby, too/);
  await says(`  primary: "${(await shared(17)).url()}"\n`, /error +standby .*another system or database/);
  await primary.query('CREATE UNLOGGED TABLE loose (id int PRIMARY KEY)', 'shop');
  await caughtUp(primary, standby);
  const here = `  primary: "${primary.url('shop')}"\n`;
  await says(
    here,
    /error +standby .*hot_standby_feedback is off.*rows_removed.*\n.*ALTER SYSTEM SET hot_standby_feedback = on;/,
  );
  await says(here, /error +standby .*unlogged tables.*public\.loose/);
  const old = await ownServer(14);
  await old.query('CREATE TABLE t (id int PRIMARY KEY)');
  const before = await standbyOf(old);
  const check = await cli(['check', await pipelineFile(yaml('').replace(standby.url('shop'), before.url()))]);
  assert.match(check.stdout, /error +standby .*decodes from PostgreSQL 16 on/);
});

test('17: a conflict that took the slot is told by its name', { skip: onlyLong, timeout: 240_000 }, async () => {
  const { primary, standby, file } = await standbySource(17);
  await ok(['run', file, '--stop-at', 'now']);
  await primary.query(`ALTER SYSTEM SET wal_level = 'replica'`);
  await primary.restart();
  for (;;) {
    const [row] = await standby.query<{ why: string | null }>(
      'SELECT invalidation_reason AS why FROM pg_replication_slots',
    );
    if (row !== undefined && row.why !== null) break;
    await sleep(100);
  }
  const run = await cli(['run', file, '--log', 'json']);
  assert.equal(run.code, 1, run.stdout);
  assert.match(run.stderr, /^PGS2154 .*wal_level_insufficient/m);
});
