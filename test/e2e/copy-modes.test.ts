import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CliProcess } from '../support/cli.ts';
import { eventsOf, hashes, migration } from '../support/migration.ts';
import { database, ownServer, server } from '../support/servers.ts';

/** `snapshot.mode` other than the default, on sources that allow no more than they need. */
const poor = await ownServer(15, {
  wal_level: 'replica',
  max_replication_slots: '0',
  max_wal_senders: '0',
  // ANALYZE takes transaction ids, by which a source that stands still is known.
  autovacuum: 'off',
});
const recent = await server(17);
const older = await server(15);
const only = '  snapshot: { mode: initial_only }';

const tables = `
  CREATE TABLE customer (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);
  CREATE TABLE orders (id serial PRIMARY KEY, customer int NOT NULL REFERENCES customer, total numeric);
  CREATE TABLE no_key (v text);
  CREATE UNLOGGED TABLE scratch (v int);
  INSERT INTO customer (name) SELECT 'n' || i FROM generate_series(1, 100) i;
  INSERT INTO orders (customer, total) SELECT i, i * 1.5 FROM generate_series(1, 100) i;
  INSERT INTO no_key SELECT 'v' FROM generate_series(1, 10);
  INSERT INTO scratch SELECT 1;
  CREATE MATERIALIZED VIEW sums AS SELECT customer, sum(total) AS total FROM orders GROUP BY 1`;
const names = ['customer', 'orders', 'no_key', 'scratch', 'sums'];

test('initial_only needs no logical WAL, slot, publication or replica identity, and leaves nothing on the source', async () => {
  const databases = { source: await database(poor, 'only'), target: await database(recent, 'only') };
  const { source, target, verb } = await migration({ from: poor, to: recent, source: only, databases });
  await source.query(tables);
  await source.query(`CREATE ROLE copier LOGIN PASSWORD 'c'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO copier`);
  const check = await verb('check');
  assert.equal(check.code, 0, check.stdout);
  const run = await verb('run', '--log', 'json');
  assert.equal(run.code, 0, run.stderr);
  assert.deepEqual(await hashes(target, names), await hashes(source, names));
  assert.deepEqual(await source.query('SELECT 1 FROM pg_publication UNION ALL SELECT 1 FROM pg_replication_slots'), []);
  const [next] = await target.query(`SELECT nextval('orders_id_seq')::int AS n`);
  assert.deepEqual(next, { n: 101 });
  const inserted = await target.query(`INSERT INTO customer (name) VALUES ('next') RETURNING id`);
  assert.deepEqual(inserted, [{ id: 101 }]);
  const second = await verb('run', '--log', 'json');
  assert.equal(second.code, 0, second.stderr);
  assert.equal(eventsOf(second, 'copy-started').length, 0);
});

test('initial_only goes on after a kill: tables are kept while the source stands still, copied again once it was written', async () => {
  const databases = { source: await database(poor, 'only'), target: await database(recent, 'only') };
  const { source, target, verb, file } = await migration({ from: poor, to: recent, source: only, databases });
  await source.query(tables);
  const kill = async () => {
    const run = new CliProcess(['run', file, '--log', 'json'], { PGSLUICE_FAILPOINT: 'foreign-keys-done:kill' });
    await run.ended;
    assert.equal(run.process.signalCode, 'SIGKILL');
    return run.events('table-copied').length;
  };
  assert.equal(await kill(), 4);
  assert.equal(await kill(), 0);
  await source.query(`INSERT INTO customer (name) VALUES ('late'); INSERT INTO orders (customer, total) VALUES (101, 7);
    SELECT 1; REFRESH MATERIALIZED VIEW sums`);
  const last = await verb('run', '--log', 'json');
  assert.equal(last.code, 0, last.stderr);
  assert.equal(eventsOf(last, 'copied-again').length, 1);
  assert.equal(eventsOf(last, 'table-copied').length, 4);
  assert.deepEqual(await hashes(target, names), await hashes(source, names));
  const invalid = await target.query('SELECT conname FROM pg_constraint WHERE NOT convalidated');
  assert.deepEqual(invalid, []);
});

test('initial_only as a role that may only read', async () => {
  const user = 'only_reads';
  await older.query(
    `DO $$ BEGIN CREATE ROLE ${user} LOGIN PASSWORD 'r'; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
  );
  const { source, target, verb } = await migration({
    from: older,
    to: recent,
    source: only,
    sink: '    owners: skip',
    sourceUrl: (name) => older.url(name, user, 'r'),
  });
  await source.query(tables);
  await source.query(
    `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${user}; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO ${user}`,
  );
  const check = await verb('check');
  assert.equal(check.code, 0, check.stdout);
  const run = await verb('run', '--log', 'json');
  assert.equal(run.code, 0, run.stderr);
  assert.deepEqual(await hashes(target, names), await hashes(source, names));
  await source.query(`DROP OWNED BY ${user}`);
});

test('never: no row is copied, what is written from the start on is followed', async () => {
  const { source, target, run } = await migration({ from: older, to: recent, source: '  snapshot: { mode: never }' });
  for (const db of [source, target])
    await db.query('CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1)');
  await target.query('INSERT INTO t VALUES (9)');
  await run();
  await source.query('INSERT INTO t VALUES (2)');
  await run();
  assert.deepEqual(await target.query('SELECT id FROM t ORDER BY 1'), [{ id: 1 }, { id: 2 }, { id: 9 }]);
});

test('never on a slot that is there already: it starts where the slot stands', async () => {
  const { source, target, run, verb } = await migration({
    from: older,
    to: recent,
    source: '  snapshot: { mode: never }',
  });
  for (const db of [source, target]) await db.query('CREATE TABLE t (id int PRIMARY KEY, v text)');
  await source.query(`CREATE PUBLICATION pgsluice_${source.name} FOR TABLE t`);
  await source.query(`SELECT pg_create_logical_replication_slot('pgsluice_${source.name}', 'pgoutput')`);
  await source.query('INSERT INTO t VALUES (1)');
  await run();
  assert.deepEqual(await target.query('SELECT id FROM t ORDER BY 1'), [{ id: 1 }]);
  assert.equal((await verb('cleanup', '--yes')).code, 0);
});

for (const major of [15, 18] as const) {
  test(`never on a slot that is older than any publication is refused, on ${major}: what was written meanwhile would not come`, async () => {
    const { source, target, run, verb } = await migration({
      from: await server(major),
      to: recent,
      source: '  snapshot: { mode: never }',
    });
    for (const db of [source, target]) await db.query('CREATE TABLE t (id int PRIMARY KEY, v text)');
    await source.query(`SELECT pg_create_logical_replication_slot('pgsluice_${source.name}', 'pgoutput')`);
    await source.query('INSERT INTO t VALUES (1)');
    const refused = await verb('run', '--log', 'json');
    assert.equal(refused.code, 3, refused.stderr);
    assert.match(refused.stderr, /^PGS2190 .*pg_drop_replication_slot/);
    await source.query(`SELECT pg_drop_replication_slot('pgsluice_${source.name}')`);
    await run();
    await source.query('INSERT INTO t VALUES (2)');
    await run();
    assert.deepEqual(await target.query('SELECT id FROM t ORDER BY 1'), [{ id: 2 }]);
  });
}
