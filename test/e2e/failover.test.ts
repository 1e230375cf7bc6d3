import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { type Failover, failoverPair, rowsOf, slotInStep, Writer } from '../support/failover.ts';
import { short } from '../support/long.ts';
import { caughtUp, promote } from '../support/standby.ts';

const schema = `CREATE TABLE t (id serial PRIMARY KEY, v text); INSERT INTO t (v) SELECT 'r' || g FROM generate_series(1, 1000) g`;

for (const major of short(1, [18, 17])) {
  test(`${major}: the stream goes on at the standby that was promoted, alive and after a stop`, {
    timeout: 300_000,
  }, async () => {
    const pair = await failoverPair({ major, synced: true, waits: true, schema });
    const { primary, standby, target, file } = pair;
    const run = new CliProcess(['run', file, '--log', 'json']);
    await run.until('caught-up');
    const writer = new Writer([primary, standby], 5);
    await slotInStep(pair);
    const check = await cli(['check', file]);
    assert.match(check.stdout, new RegExp(`ok +failover .*looked at 127.0.0.1:${standby.port}`), check.stdout);
    await sleep(1000);
    await primary.stop('immediate');
    await promote(standby);
    await run.until('source-promoted');
    const before = writer.committed;
    while (writer.committed < before + 50) await sleep(50);
    await writer.stop();
    run.process.kill('SIGINT');
    assert.equal((await run.ended).code, 0, run.stderr);
    const settled = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
    assert.equal(settled.code, 0, settled.stderr);
    assert.equal(await rowsOf(target), await rowsOf(standby, 'shop'));
    const verify = await cli(['verify', file]);
    assert.equal(verify.code, 0, verify.stdout + verify.stderr);
    const gone = await cli(['cleanup', file, '--yes']);
    assert.equal(gone.code, 0, gone.stderr);
    assert.deepEqual(await standby.query('SELECT slot_name FROM pg_replication_slots'), []);
  });
}

test('18: a failover during a cutover: the same command goes on to the GO at the promoted server', {
  timeout: 300_000,
}, async () => {
  const pair = await failoverPair({ major: 18, synced: true, waits: true, schema });
  const { primary, standby, target, file } = pair;
  const run = new CliProcess(['run', file, '--log', 'json']);
  await run.until('caught-up');
  const writer = new Writer([primary], 5);
  await slotInStep(pair);
  await writer.stop();
  const args = ['cutover', file, '--quiet', '1ms'];
  const killed = await cli(args, { PGSLUICE_FAILPOINT: 'cutover-fenced:kill' });
  assert.equal(killed.code, null, killed.stdout + killed.stderr);
  await run.ended;
  await caughtUp(primary, standby);
  await primary.stop('immediate');
  await promote(standby);
  const done = await cli(args);
  assert.equal(done.code, 0, done.stdout + done.stderr);
  assert.match(done.stdout, /GO after/);
  assert.equal(await rowsOf(target), await rowsOf(standby, 'shop'));
  assert.deepEqual(await standby.query(`SELECT FROM pg_replication_slots WHERE slot_type = 'logical'`), []);
});

test('17: what the sinks have and the promoted standby never had is a gap, told and not passed over', {
  timeout: 300_000,
}, async () => {
  const pair = await failoverPair({ major: 17, synced: true, waits: false, schema });
  const { primary, standby, target, file } = pair;
  const loose = `host=127.0.0.1 port=${primary.port} user=postgres password=local-only application_name=standby`;
  const settings = [`primary_conninfo = '${loose}'`, `primary_slot_name = ''`, 'hot_standby_feedback = off'];
  for (const setting of settings) await standby.query(`ALTER SYSTEM SET ${setting}`);
  await standby.query('SELECT pg_reload_conf()');
  while ((await standby.query<{ slot: string }>(`SELECT current_setting('primary_slot_name') AS slot`))[0]!.slot !== '')
    await sleep(50);
  const lacking = await cli(['check', file]);
  for (const setting of settings) await standby.query(`ALTER SYSTEM RESET ${setting.split(' ')[0]}`);
  await standby.query('SELECT pg_reload_conf()');
  assert.match(lacking.stdout, /hot_standby_feedback is off.*\n.*ALTER SYSTEM SET hot_standby_feedback = on;/);
  assert.match(lacking.stdout, /primary_slot_name is empty.*\n.*ALTER SYSTEM SET primary_slot_name = 'standby';/);
  assert.match(lacking.stdout, /primary_conninfo has no dbname\n.*ALTER SYSTEM SET primary_conninfo/);
  assert.ok(!lacking.stdout.includes('local-only'), 'a password');
  const active = `SELECT FROM pg_replication_slots WHERE slot_name = 'standby' AND active`;
  while ((await primary.query(active)).length === 0) await sleep(50);
  const check = await cli(['check', file]);
  const server = `standby 127.0.0.1:${standby.port}`;
  assert.match(check.stdout, /failover .*is empty.*\n.*ALTER SYSTEM SET synchronized_standby_slots = 'standby';/);
  assert.match(check.stdout, /sync_replication_slots is off\n.*ALTER SYSTEM SET sync_replication_slots = on;/);
  assert.ok(check.stdout.includes(server), check.stdout);
  const run = new CliProcess(['run', file, '--log', 'json']);
  await run.until('caught-up');
  const writer = new Writer([primary], 5);
  await slotInStep(pair);
  await standby.query(`ALTER SYSTEM SET primary_conninfo = ''`);
  await standby.query('SELECT pg_reload_conf()');
  while ((await standby.query('SELECT FROM pg_stat_wal_receiver')).length > 0) await sleep(50);
  const beyond = writer.committed;
  while (writer.committed < beyond + 50) await sleep(50);
  await writer.stop();
  while ((await rowsOf(target)) !== (await rowsOf(primary, 'shop'))) await sleep(50);
  await primary.stop('immediate');
  await promote(standby);
  // New rows on the positions of those that are lost.
  await standby.query(`INSERT INTO t (v) SELECT 'new' || g FROM generate_series(1, 500) g`, 'shop');
  const ended = await run.ended;
  assert.equal(ended.code, 1, ended.stderr);
  assert.match(ended.stderr, /^PGS2196 .*everything up to [0-9A-F]+\/[0-9A-F]+ only.*resync FILE --verify-first/m);
  const before = await rowsOf(target);
  const again = await cli(['run', file, '--log', 'json']);
  assert.equal(again.code, 1, again.stdout);
  assert.match(again.stderr, /^PGS2196 /m);
  assert.equal(await rowsOf(target), before, 'nothing was applied');
  for (const failpoint of ['verify-first-slot', 'verify-first-compared']) {
    const killed = await cli(['resync', file, '--verify-first'], { PGSLUICE_FAILPOINT: `${failpoint}:kill` });
    assert.equal(killed.code, null, killed.stderr);
    const lost = await cli(['run', file, '--log', 'json']);
    assert.match(lost.stderr, /^PGS2196 /m, failpoint);
  }
  // The one that was killed behind its comparison had repaired them.
  await goesOn(pair, /public\.t agrees in postgres/);
});

/** Compared and repaired, then followed as ever. */
async function goesOn({ standby, target, file }: Failover, says: RegExp): Promise<void> {
  const repaired = await cli(['resync', file, '--verify-first']);
  assert.equal(repaired.code, 0, repaired.stderr);
  assert.match(repaired.stdout, /a new slot begins at/);
  assert.match(repaired.stdout, says);
  await standby.query(`INSERT INTO t (v) VALUES ('after'); UPDATE t SET v = 'first' WHERE id = 1`, 'shop');
  const run = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
  assert.equal(run.code, 0, run.stderr);
  assert.equal(await rowsOf(target), await rowsOf(standby, 'shop'));
  // Nothing is lost now: the same words compare, and leave everything as it is.
  const again = await cli(['resync', file, '--verify-first']);
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stdout, /public\.t agrees in postgres/);
  assert.doesNotMatch(again.stdout, /new slot/);
}

for (const major of short(1, [16, 14])) {
  test(`${major}: without a failover slot the run says what is lost; it is compared, repaired and followed`, {
    timeout: 300_000,
  }, async () => {
    const large = `CREATE TABLE large (id int PRIMARY KEY, v int); INSERT INTO large SELECT g, g FROM generate_series(1, 30000) g;
      CREATE TABLE same (id int PRIMARY KEY); INSERT INTO same SELECT generate_series(1, 100)`;
    const pair = await failoverPair({ major, synced: false, waits: false, schema: `${schema}; ${large}` });
    const { primary, standby, file } = pair;
    const text = await readFile(file, 'utf8');
    const asking = await pipelineFile(text.replace('sinks:', '  slot: { failover: true }\nsinks:'));
    const check = await cli(['check', asking]);
    assert.equal(check.code, 3, check.stdout);
    assert.match(check.stdout, new RegExp(`error +failover .*needs PostgreSQL 17 or later.*this is ${major}`));
    const run = new CliProcess(['run', file, '--log', 'json']);
    await run.until('caught-up');
    const writer = new Writer([primary, standby], 5);
    await sleep(500);
    await primary.stop('immediate');
    await promote(standby);
    const ended = await run.ended;
    await writer.stop();
    assert.equal(ended.code, 1, ended.stderr);
    assert.match(ended.stderr, /^PGS219[67] /m);
    await standby.query('UPDATE large SET v = -v', 'shop');
    await goesOn(pair, /public\.same agrees in postgres[^]*copied public\.large: 30000 rows/);
  });
}

test('16: a failover in the first copy: what was copied is compared and repaired, and the copy goes on', {
  timeout: 300_000,
}, async () => {
  const many = [1, 2, 3, 4, 5].map(
    (i) => `CREATE TABLE m${i} AS SELECT g AS id, repeat('v', ${i} * 100) AS v FROM generate_series(1, 20000) g;
      ALTER TABLE m${i} ADD PRIMARY KEY (id)`,
  );
  const pair = await failoverPair({ major: 16, synced: false, waits: false, schema: `${schema}; ${many.join(';')}` });
  const { primary, standby, target, file } = pair;
  // Some tables are copied, some are not.
  const begun = new CliProcess(['run', file, '--log', 'json']);
  await begun.until('table-copied', 2);
  begun.process.kill('SIGKILL');
  await begun.ended;
  await caughtUp(primary, standby);
  await primary.stop('immediate');
  await promote(standby);
  for (const table of ['t', 'm1', 'm2', 'm3', 'm4', 'm5'])
    await standby.query(
      `DELETE FROM ${table} WHERE id < 10; UPDATE ${table} SET v = 'later' WHERE id BETWEEN 991 AND 1000`,
      'shop',
    );
  const lost = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
  assert.equal(lost.code, 1, lost.stdout);
  assert.match(lost.stderr, /^PGS2197 .*resync FILE --verify-first/m);
  const repaired = await cli(['resync', file, '--verify-first']);
  assert.equal(repaired.code, 0, repaired.stderr);
  assert.match(repaired.stdout, /a new slot begins at/);
  assert.match(repaired.stdout, /rows copied again into postgres/);
  await standby.query(`INSERT INTO t (v) VALUES ('after'); UPDATE m3 SET v = 'first' WHERE id = 20`, 'shop');
  const run = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
  assert.equal(run.code, 0, run.stderr);
  const verify = await cli(['verify', file, '--schema']);
  assert.equal(verify.code, 0, verify.stdout + verify.stderr);
  assert.equal(await rowsOf(target), await rowsOf(standby, 'shop'));
});
