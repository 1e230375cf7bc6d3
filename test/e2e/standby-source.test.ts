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

/** The source's role: a superuser makes event triggers, an owner has the catalog looked at; both on the primary. */
for (const [major, how] of short(1, [
  [17, 'event triggers'],
  [18, 'looks at the catalog'],
  [16, 'event triggers'],
  [16, 'looks at the catalog'],
  [17, 'looks at the catalog'],
  [18, 'event triggers'],
] as const)) {
  test(`${major}: ddl: follow from a standby by ${how}`, { timeout: 240_000 }, async () => {
    const { primary, standby, target, yaml } = await standbySource(major);
    const owner = how !== 'event triggers';
    await primary.query(
      `CREATE ROLE mover LOGIN REPLICATION PASSWORD 'local-only'; GRANT CREATE ON DATABASE shop TO mover; GRANT ALL ON SCHEMA public TO mover;
      ALTER TABLE t OWNER TO mover; ALTER TABLE u OWNER TO mover; GRANT EXECUTE ON FUNCTION pg_log_standby_snapshot() TO mover`,
      'shop',
    );
    await caughtUp(primary, standby);
    const as = (text: string) => (owner ? text.replaceAll('postgres:local-only@', 'mover:local-only@') : text);
    const given = yaml(`  primary: "${primary.url('shop')}"\n`).split('sinks:');
    const file = await pipelineFile(
      `${as(given[0]!)}ddl: follow\nsinks:${given[1]!.replace('" }]', '", owners: skip }]')}`,
    );
    const run = new CliProcess(['run', file, '--log', 'json']);
    await run.until('caught-up');
    const triggers = await primary.query('SELECT FROM pg_event_trigger', 'shop');
    assert.equal(triggers.length === 0, owner);
    const same = async (table: string) => {
      const all = `SELECT coalesce(string_agg(to_jsonb(x)::text, ' ' ORDER BY x.id), '') AS all FROM ${table} x`;
      const wanted = (await primary.query<{ all: string }>(all, 'shop'))[0]!.all;
      for (;;) {
        const there = await target.query<{ all: string }>(all).catch(() => []);
        if (there[0]?.all === wanted) return;
        assert.equal(run.process.exitCode, null, run.stderr);
        await sleep(100);
      }
    };
    await primary.query('ALTER TABLE u ADD w int NOT NULL DEFAULT 3; ALTER TABLE t RENAME v TO name', 'shop');
    await same('u');
    await primary.query(
      `UPDATE u SET w = id WHERE id < 20; INSERT INTO t (name) VALUES ('new'); UPDATE t SET name = 'x' WHERE id = 1`,
      'shop',
    );
    await same('t');
    await same('u');
    await primary.query(
      'CREATE TABLE late (id int PRIMARY KEY, v text); INSERT INTO late VALUES (1, $$one$$); ALTER TABLE late OWNER TO mover',
      'shop',
    );
    await same('late');
    await primary.query('ALTER TABLE u ADD r float8 DEFAULT random(); ALTER TABLE u DROP v', 'shop');
    await same('u');
    run.process.kill('SIGINT');
    assert.equal((await run.ended).code, 0, run.stderr);
    await primary.query('ALTER TABLE t ADD after int DEFAULT 9; INSERT INTO t (name) VALUES ($$while down$$)', 'shop');
    await ok(['run', file, '--stop-at', 'now']);
    await ok(['verify', file]);
    await ok(['cleanup', file, '--yes']);
    assert.deepEqual(await primary.query(`SELECT FROM pg_namespace WHERE nspname = 'pgsluice'`, 'shop'), []);
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
