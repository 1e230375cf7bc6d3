import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { brokers, kafkaAvailable, unique } from '../support/kafka.ts';
import { onlyLong } from '../support/long.ts';
import { database, server, type TestDatabase } from '../support/servers.ts';

const tables = (schema: string) => `
  CREATE SCHEMA IF NOT EXISTS ${schema};
  CREATE TABLE ${schema}.account (id serial PRIMARY KEY, name text, balance numeric(12,2));
  CREATE TABLE entry (account int, amount numeric, note text); ALTER TABLE entry REPLICA IDENTITY FULL;
  CREATE TABLE one (id int PRIMARY KEY, n int); CREATE TABLE two (id int PRIMARY KEY, n int);
  CREATE TABLE three (id int PRIMARY KEY, n int); CREATE TABLE four (id int PRIMARY KEY, n int)`;

const rows = `
  INSERT INTO account (name, balance) SELECT 'n' || i, i FROM generate_series(1, 500) i;
  INSERT INTO account (name, balance) SELECT 'closed', 0 FROM generate_series(1, 20);
  INSERT INTO entry SELECT i % 500, i, 'first' FROM generate_series(1, 2000) i;
  INSERT INTO one SELECT i, 0 FROM generate_series(1, 100) i; INSERT INTO two TABLE one; INSERT INTO three TABLE one; INSERT INTO four TABLE one`;

/** Several sessions, each writing in many tables in a transaction, until told to stop. */
class Writers {
  #stop = false;
  readonly #done: Promise<unknown>;
  committed = 0;

  constructor(url: string) {
    this.#done = Promise.all([0, 1].map((at) => this.#write(url, at)));
  }

  stop(): Promise<unknown> {
    this.#stop = true;
    return this.#done;
  }

  async #write(url: string, at: number): Promise<void> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    for (let i = 0; !this.#stop; i++) {
      await client.query(`BEGIN;
        UPDATE account SET balance = balance + 1 WHERE id % 2 = ${at} AND id % 50 = ${(i * 2 + at) % 50};
        INSERT INTO account (name, balance) VALUES ('${at}-${i}', ${i});
        INSERT INTO entry VALUES (${i}, 1, 'more'); DELETE FROM entry WHERE note = 'more' AND account = ${i - 40};
        UPDATE ${['one', 'two', 'three', 'four'][i % 4]} SET n = n + 1 WHERE id % 2 = ${at} AND id < 40; COMMIT`);
      this.committed++;
      await sleep(10);
    }
    await client.end();
  }
}

/** The rows that the target shall have, by SQL on each side. */
async function rowsOf(of: TestDatabase, account: string): Promise<unknown> {
  const [found] = await of.query(`SELECT
    (SELECT string_agg(a::text, E'\\n' ORDER BY id) FROM ${account} a WHERE name <> 'closed') AS account,
    (SELECT string_agg(e::text, E'\\n' ORDER BY e::text COLLATE "C") FROM entry e) AS entry,
    (SELECT string_agg(t::text, E'\\n' ORDER BY id) FROM one t) AS one, (SELECT string_agg(t::text, E'\\n' ORDER BY id) FROM two t) AS two,
    (SELECT string_agg(t::text, E'\\n' ORDER BY id) FROM three t) AS three, (SELECT string_agg(t::text, E'\\n' ORDER BY id) FROM four t) AS four`);
  return found;
}

if (await kafkaAvailable()) {
  async function chain() {
    const list = (await brokers()).map((one) => `"${one}"`).join(', ');
    const source = await database(await server(17));
    const target = await database(await server(16));
    await source.query(`${tables('public')}; ${rows}`);
    await target.query(tables('bank'));
    const name = unique('chain');
    const reader = await pipelineFile(`
pipeline: ${name}
source: { plugin: postgres, url: "${source.url}" }
transforms: [{ plugin: rename, tables: account, to: bank.account }]
sinks: [{ plugin: kafka, brokers: [${list}], format: pgsluice, partitions: 6 }]
checkpoint: { plugin: file, path: state.json }
`);
    const applier = await pipelineFile(`
pipeline: ${name}_apply
source:
  plugin: kafka
  brokers: [${list}]
  topics: ["${name}.journal"]
  format: pgsluice
  reader: ${reader}
  tables_from: ${target.url}
transforms: [{ plugin: filter, tables: bank.account, where: name <> 'closed' }]
sinks: [{ plugin: postgres, url: "${target.url}", schema: existing }]
`);
    return { source, target, reader, applier, name };
  }

  test('a cutover through a journal with 4 appliers under writes ends with GO and equal rows', {
    skip: onlyLong,
  }, async () => {
    const of = await chain();
    const start = (file: string) => new CliProcess(['run', file, '--log', 'json']);
    const reader = start(of.reader);
    await using left = new AsyncDisposableStack();
    left.defer(() => void reader.process.kill('SIGKILL'));
    await reader.until('caught-up');
    const running = Array.from({ length: 4 }, () => start(of.applier));
    left.defer(() => running.forEach(({ process }) => process.kill('SIGKILL')));
    await Promise.all(running.map((one) => one.until('stream-started')));
    const writers = new Writers(of.source.url);
    left.defer(async () => void (await writers.stop()));
    const equal = await cli(['verify', of.applier]);
    assert.equal(equal.code, 0, equal.stdout + equal.stderr);
    await of.target.query(`UPDATE one SET n = n - 1 WHERE id = 77`);
    const differs = await cli(['verify', of.applier]);
    assert.equal(differs.code, 4, differs.stdout + differs.stderr);
    assert.match(differs.stdout, /public\.one.*\n.*77/);
    await of.target.query(`UPDATE one SET n = n + 1 WHERE id = 77`);
    const cutover = new CliProcess(['cutover', of.applier]);
    left.defer(() => void cutover.process.kill('SIGKILL'));
    while (!cutover.stdout.includes('stop the writers now') && cutover.process.exitCode === null) await sleep(20);
    const before = writers.committed;
    await sleep(500);
    await writers.stop();
    const { code, stdout, stderr } = await cutover.ended;
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /^GO/m);
    assert.ok(writers.committed > before && before > 0);
    assert.deepEqual(await rowsOf(of.target, 'bank.account'), await rowsOf(of.source, 'account'));
    const next = await of.target.query(
      `INSERT INTO bank.account (name) VALUES ('after') RETURNING id > (SELECT max(id) FROM bank.account) AS ok`,
    );
    assert.equal(String(next[0]!['ok']), 'true');
    assert.equal(
      (await of.source.query(`SELECT FROM pg_replication_slots WHERE database = current_database()`)).length,
      0,
    );
    for (const { process } of running) process.kill('SIGTERM');
    for (const { ended } of running) assert.equal((await ended).code, 0);
  });

  test('verify and cutover apply by themselves where nobody else does, and name what is missing', {
    skip: onlyLong,
  }, async () => {
    const of = await chain();
    const fresh = await cli(['verify', of.applier]);
    assert.match(fresh.stderr, /^PGS70(04|55) /m, fresh.stderr);
    for (const file of [of.reader, of.applier]) {
      const { code, stderr } = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
      assert.equal(code, 0, stderr);
    }
    await of.source.query(`UPDATE two SET n = 5; INSERT INTO entry VALUES (NULL, NULL, NULL)`);
    const equal = await cli(['verify', of.applier]);
    assert.equal(equal.code, 0, equal.stdout + equal.stderr);
    assert.deepEqual(await rowsOf(of.target, 'bank.account'), await rowsOf(of.source, 'account'));
    await of.target.query(`UPDATE two SET n = 6 WHERE id < 50; DELETE FROM entry WHERE account = 7`);
    const again = await cli(['resync', of.reader, 'public.two', 'public.entry']);
    assert.equal(again.code, 0, again.stdout + again.stderr);
    const mended = await cli(['verify', of.applier, '--schema']);
    assert.equal(mended.code, 0, mended.stdout + mended.stderr);
    assert.deepEqual(await rowsOf(of.target, 'bank.account'), await rowsOf(of.source, 'account'));
    const repair = await cli(['verify', of.applier, '--repair']);
    assert.match(repair.stderr, /^PGS7007 /m);
    await of.target.query(`DELETE FROM entry WHERE account IS NULL`);
    const cutover = await cli(['cutover', of.applier, '--quiet', '100ms']);
    assert.equal(cutover.code, 4, cutover.stdout + cutover.stderr);
    assert.match(cutover.stdout, /--accept public\.entry/);
    await of.target.query(`INSERT INTO entry VALUES (NULL, NULL, NULL)`);
    const final = await cli(['cutover', of.applier, '--quiet', '100ms', '--verify', 'final']);
    assert.equal(final.code, 0, final.stdout + final.stderr);
    assert.match(final.stdout, /^GO/m);
  });
}
