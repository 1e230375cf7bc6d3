import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { type CliResult, CliProcess, cli, pipelineFile } from '../support/cli.ts';
import { brokers, kafkaAvailable } from '../support/kafka.ts';
import { readAll } from '../support/kafka-read.ts';
import { ownedBy, targetOwner } from '../support/owners.ts';
import { database, ownServer, server, type TestDatabase } from '../support/servers.ts';
import { caughtUp, standbyOf } from '../support/standby.ts';

const withKafka = await kafkaAvailable();

/**
 * As a managed service gives it: `mover` may replicate and is a member of the tables' owner; the superuser is the service. It has
 * no event triggers, no session_replication_role, not pg_read_all_data, pg_monitor or pg_read_all_settings.
 */
const roles = `CREATE ROLE rds_superuser; CREATE ROLE rdsadmin; CREATE ROLE shop_owner;
  CREATE ROLE mover LOGIN REPLICATION PASSWORD 'local-only'; GRANT shop_owner TO mover`;
const schema = `GRANT CREATE ON DATABASE shop TO mover; GRANT CREATE ON SCHEMA public TO shop_owner;
  CREATE EXTENSION pg_trgm; CREATE SCHEMA cron AUTHORIZATION rdsadmin;
  SET ROLE rdsadmin; CREATE TABLE cron.job (id int PRIMARY KEY); RESET ROLE; SET ROLE shop_owner;
  CREATE TYPE mood AS ENUM ('low', 'high');
  CREATE TABLE customer (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, m mood DEFAULT 'low');
  CREATE TABLE sale (id bigint PRIMARY KEY, customer int NOT NULL REFERENCES customer, pad text NOT NULL);
  CREATE TABLE audit (at bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text);
  CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO public.audit (what) VALUES (tg_op || NEW.id); RETURN NEW; END $$;
  CREATE TRIGGER noted AFTER INSERT ON sale FOR EACH ROW WHEN (NEW.id > 100000) EXECUTE FUNCTION noted();
  CREATE INDEX sale_pad ON sale USING gin (pad gin_trgm_ops);
  INSERT INTO customer (name) SELECT 'c' || g FROM generate_series(1, 500) g;
  INSERT INTO sale SELECT g, 1 + g % 500, repeat('x', 60) || g FROM generate_series(1, 12000) g; ANALYZE`;
const tables = ['customer', 'sale', 'audit'];

async function rows(on: TestDatabase): Promise<string[]> {
  const found: string[] = [];
  for (const table of tables) {
    const [row] = await on.query<{ all: string }>(
      `SELECT count(*) || ' ' || md5(string_agg(to_jsonb(t)::text, ',' ORDER BY to_jsonb(t)::text COLLATE "C")) AS all FROM ${table} t`,
    );
    found.push(`${table} ${row!.all}`);
  }
  return found;
}

/** The run goes on until the target has what the source has. */
async function follows(run: CliProcess, source: TestDatabase, target: TestDatabase): Promise<void> {
  for (;;) {
    const wanted = await rows(source);
    // The target lacks a table or a column for a moment yet.
    const there = await rows(target).catch(() => []);
    if (there.join() === wanted.join()) return;
    assert.equal(run.process.exitCode, null, run.stderr);
  }
}

test('the whole story without a superuser on either side: standbys, workers, lanes, DDL by looking, repair, Kafka, the cutover and back', {
  timeout: 400_000,
}, async () => {
  const primary = await ownServer(17);
  await primary.query(roles);
  await primary.query('CREATE DATABASE shop');
  await primary.query(schema, 'shop');
  const standby = await standbyOf(primary, { hot_standby_feedback: 'on' });
  await caughtUp(primary, standby);
  const on = await server(17);
  const target = await ownedBy(await database(on, 'dst'), `${targetOwner} REPLICATION`);
  await on.query('CREATE EXTENSION pg_trgm', target.name);
  // The owner of the source's tables writes, and is no superuser either.
  await primary.query(`CREATE ROLE app LOGIN PASSWORD 'local-only'; GRANT shop_owner TO app`);
  const asApp: TestDatabase['query'] = (sql) =>
    primary.query(`SET SESSION AUTHORIZATION app; SET ROLE shop_owner; ${sql}`, 'shop');
  const source: TestDatabase = { name: 'shop', url: primary.url('shop'), server: primary, query: asApp };
  const url = (of: typeof primary) => of.url('shop', 'mover', 'local-only');
  const file = await pipelineFile(`pipeline: hosted_${target.name}
source:
  plugin: postgres
  url: "${url(primary)}"
  tables: { exclude: ["cron.*"] }
  snapshot: { workers: 2, from: ["${url(standby)}"], chunk_size: 64kB, ledger_above: 256kB }
sinks:
  - { plugin: postgres, url: "${target.url}", owners: skip, apply: { lanes: 3, by: group } }
ddl: follow
`);
  const verb = (...words: readonly string[]) => cli([words[0]!, file, ...words.slice(1)]);
  const good = ({ code, stdout, stderr }: CliResult): string => {
    assert.equal(code, 0, stdout + stderr);
    return stdout;
  };

  const lacking = await verb('check');
  assert.equal(lacking.code, 3, lacking.stdout + lacking.stderr);
  const grant = /GRANT EXECUTE ON FUNCTION pg_wal_replay_pause\(\), pg_wal_replay_resume\(\) TO "?mover"?;/.exec(
    lacking.stdout,
  );
  assert.ok(grant !== null, lacking.stdout);
  await primary.query(grant[0], 'shop');
  await caughtUp(primary, standby);
  const check = good(await verb('check'));
  assert.match(check, /service .*Amazon RDS/);
  assert.match(check, /event-triggers? .*/);
  assert.match(good(await verb('plan')), /public\.sale/);
  const assessed = await verb('assess', '--for', '1s');
  assert.ok(assessed.code === 0 || assessed.code === 3, assessed.stderr);
  assert.match(assessed.stdout, /GO/);

  const worker = new CliProcess(['work', file, '--log', 'json']);
  await worker.until('work-started');
  const run = new CliProcess(['run', file, '--log', 'json']);
  await run.until('caught-up');
  worker.process.kill('SIGINT');
  await worker.ended;
  for (const sql of [
    `INSERT INTO sale SELECT g, 1 + g % 500, 'new' || g FROM generate_series(100001, 100400) g`,
    `UPDATE customer SET name = name || '!' WHERE id % 3 = 0; DELETE FROM sale WHERE id % 11 = 0`,
    `ALTER TABLE customer ADD city text NOT NULL DEFAULT 'Rome'; ALTER TYPE mood ADD VALUE 'middle'`,
  ])
    await asApp(sql);
  await follows(run, source, target);
  await asApp(`UPDATE customer SET city = 'Oslo', m = 'middle' WHERE id < 100`);
  await follows(run, source, target);
  assert.deepEqual(await source.query('SELECT FROM pg_event_trigger'), []);
  good(await verb('verify'));
  good(await verb('resync', 'public.customer'));
  await follows(run, source, target);
  run.process.kill('SIGINT');
  assert.equal((await run.ended).code, 0, run.stderr);

  await target.query(`UPDATE sale SET pad = 'spoilt' WHERE id IN (5, 500, 5000); DELETE FROM sale WHERE id = 7`);
  const differs = await verb('verify');
  assert.equal(differs.code, 4, differs.stdout + differs.stderr);
  // It ends with 4, as it compared before it repaired.
  const repaired = await verb('verify', '--repair');
  assert.equal(repaired.code, 4, repaired.stdout + repaired.stderr);
  good(await verb('verify'));
  // Rows of somebody's own would go along.
  await target.query(
    `CREATE TABLE mine (c int REFERENCES customer ON DELETE CASCADE); INSERT INTO mine VALUES (5); UPDATE customer SET name = 'spoilt' WHERE id = 5`,
  );
  const kept = await verb('verify', '--repair');
  assert.match(kept.stderr, /^PGS3024 .*resync the table/m, kept.stdout);
  assert.equal((await target.query('SELECT FROM mine')).length, 1);
  await target.query('DROP TABLE mine');
  assert.equal((await verb('verify', '--repair')).code, 4);
  good(await verb('verify'));
  assert.deepEqual(await rows(target), await rows(source));

  if (withKafka) {
    const name = `records_${target.name}`;
    const topics = await pipelineFile(`pipeline: ${name}
source: { plugin: postgres, url: "${url(primary)}", tables: { include: [public.customer] } }
sinks: [{ plugin: kafka, brokers: ${JSON.stringify(await brokers())}, partitions: 1 }]
checkpoint: { plugin: file }
ddl: follow
`);
    good(await cli(['run', topics, '--stop-at', 'now']));
    await asApp(`ALTER TABLE customer ADD zip text; UPDATE customer SET zip = '1' WHERE id = 1`);
    // A row that came before the catalog was looked at: records of a new shape are told, once.
    const told = await cli(['run', topics, '--stop-at', 'now']);
    assert.match(told.stderr, /^PGS4012 .*new column zip.*run again when their readers are ready/m);
    good(await cli(['run', topics, '--stop-at', 'now']));
    const values = (await readAll(await brokers(), [`${name}.public.customer`])).map(({ value }) => value as string);
    assert.equal(values.length, 501);
    assert.match(values.at(-1)!, /"zip":"1"/);
    good(await cli(['cleanup', topics, '--yes']));
    good(await verb('run', '--stop-at', 'now'));
  }

  const back = join(dirname(file), 'back.yaml');
  const first = await verb('cutover', '--quiet', '100ms', '--way-back', back);
  const [, list = ''] = /--accept (.*)$/m.exec(first.stdout) ?? [];
  const accepted = [...list.matchAll(/'([^']*)'/g)].map(([, name]) => name!);
  if (first.code !== 0) {
    assert.equal(first.code, 4, first.stdout + first.stderr);
    // Roles stay behind, and what belongs to the service.
    for (const line of first.stdout.match(/^ +MISSING .*$/gm) ?? [])
      assert.match(line, /^ +MISSING +(schema public .*acl|role |schema cron|extension )/);
    assert.match(good(await verb('cutover', '--quiet', '100ms', '--way-back', back, '--accept', ...accepted)), /GO/);
  }
  assert.deepEqual(await rows(target), await rows(source));
  await target.query(
    `INSERT INTO sale SELECT g, 1 + g % 500, 'back' || g FROM generate_series(200001, 200050) g; DELETE FROM customer WHERE id = 0`,
  );
  good(await cli(['run', back, '--stop-at', 'now']));
  assert.deepEqual(await rows(target), await rows(source));
  good(await cli(['cleanup', back, '--yes']));
  for (const side of [primary, standby])
    assert.deepEqual(await side.query(`SELECT FROM pg_replication_slots WHERE slot_type = 'logical'`), []);
  assert.deepEqual(await primary.query('SELECT FROM pg_publication', 'shop'), []);
});
