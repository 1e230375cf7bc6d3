import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { eventsOf, hashes, migration } from '../support/migration.ts';
import { long } from '../support/long.ts';
import { server, type TestDatabase } from '../support/servers.ts';

const [old, recent] = [await server(15), await server(18)];

const tree = `
  CREATE TABLE event (id int, at date, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
  CREATE TABLE event_a PARTITION OF event FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
  CREATE TABLE event_b PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
  INSERT INTO event SELECT i, '2023-06-01'::date + i, 'v' || i FROM generate_series(1, 400) i`;

for (const [what, ddl] of [
  [
    'not partitioned',
    'CREATE TABLE event (id int, at date, v text, PRIMARY KEY (id, at)); INSERT INTO event VALUES (0)',
  ],
  [
    'partitioned otherwise',
    `CREATE TABLE event (id int, at date, v text, PRIMARY KEY (id, at)) PARTITION BY HASH (id);
     CREATE TABLE h0 PARTITION OF event FOR VALUES WITH (MODULUS 1, REMAINDER 0); INSERT INTO event VALUES (0, '2024-01-01')`,
  ],
] as const) {
  test(`partitions of the source and a target that is ${what}: refused by name, nothing is touched`, async () => {
    const run = await migration({ from: old, to: recent, sink: '    schema: existing' });
    await run.source.query(tree);
    await run.target.query(ddl.replace('VALUES (0)', `VALUES (0, '2024-01-01')`));
    const { code, stderr } = await run.verb('run', '--stop-at', 'now', '--log', 'json');
    assert.notEqual(code, 0);
    assert.match(stderr, /no table public\.event_a/);
    assert.deepEqual(await run.target.query('SELECT id FROM event'), [{ id: 0 }]);
    assert.deepEqual(await run.source.query('SELECT 1 FROM pg_publication'), []);
  });
}

test('partitions of the source into the same partitions of an existing target, one of them with an index of its own', async () => {
  const run = await migration({ from: old, to: recent, sink: '    schema: existing' });
  await run.source.query(tree);
  await run.target.query(
    `${tree.split('INSERT')[0]}; CREATE INDEX event_v ON event (v); CREATE INDEX only_a ON event_a (v, id)`,
  );
  await run.run();
  await run.source.query(`INSERT INTO event VALUES (1000, '2023-02-02', 'new'); UPDATE event SET v = 'u' WHERE id % 7 = 0;
    UPDATE event SET at = '2024-12-31' WHERE id = 1; DELETE FROM event WHERE id % 11 = 0; TRUNCATE event_b; INSERT INTO event VALUES (7, '2024-05-05')`);
  await run.run();
  const leaves = ['event_a', 'event_b'];
  assert.deepEqual(await hashes(run.target, leaves), await hashes(run.source, leaves));
  const indexes = await run.target.query(
    `SELECT indexrelid::regclass::text AS i, inhparent::regclass::text AS of, indisvalid AS ok FROM pg_index LEFT JOIN pg_inherits ON inhrelid = indexrelid
     WHERE indrelid IN (SELECT relid FROM pg_partition_tree('event')) ORDER BY 1`,
  );
  assert.deepEqual(indexes, [
    { i: 'event_a_pkey', of: 'event_pkey', ok: true },
    { i: 'event_a_v_idx', of: 'event_v', ok: true },
    { i: 'event_b_pkey', of: 'event_pkey', ok: true },
    { i: 'event_b_v_idx', of: 'event_v', ok: true },
    { i: 'event_pkey', of: null, ok: true },
    { i: 'event_v', of: null, ok: true },
    { i: 'only_a', of: null, ok: true },
  ]);
});

test(`a text of ${long ? 100 : 35} MB through snapshot and stream`, async (t) => {
  const run = await migration({ from: old, to: recent });
  await run.source.query(`CREATE TABLE large (id int PRIMARY KEY, v text); ALTER TABLE large ALTER v SET STORAGE EXTERNAL;
    INSERT INTO large VALUES (1, repeat('é0123456789abcdefghijklmnopq', ${long ? 3_500_000 : 1_200_000}))`);
  const copy = run.start('--stop-at', 'now');
  const copied = await peakMemory(copy.process.pid!, copy.ended);
  assert.equal((await copy.ended).code, 0, copy.stderr);
  assert.deepEqual(await hashesOf(run.target), await hashesOf(run.source));
  await run.source.query(
    `INSERT INTO large SELECT 2, v || 'x' FROM large WHERE id = 1; UPDATE large SET id = 3 WHERE id = 1`,
  );
  const follow = run.start('--stop-at', 'now');
  const followed = await peakMemory(follow.process.pid!, follow.ended);
  assert.equal((await follow.ended).code, 0, follow.stderr);
  assert.deepEqual(await hashesOf(run.target), await hashesOf(run.source));
  t.diagnostic(`resident memory at most: copy ${copied} MB, stream ${followed} MB`);
  assert.ok(copied < 300, `${copied} MB for the copy`);
});

const hashesOf = (db: TestDatabase) => db.query('SELECT id, octet_length(v) AS n, md5(v) AS h FROM large ORDER BY id');

/** VmHWM of a process in MB, looked at until it ends. */
async function peakMemory(pid: number, ended: Promise<unknown>): Promise<number> {
  let peak = 0;
  let over = false;
  void ended.then(() => (over = true));
  while (!over) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return Math.round(peak);
}

const owned = (
  role: string,
) => `CREATE SCHEMA s AUTHORIZATION ${role}; CREATE TABLE s.t (id int PRIMARY KEY, v text); ALTER TABLE s.t OWNER TO ${role};
  GRANT SELECT (v), INSERT ON s.t TO PUBLIC; CREATE VIEW s.v AS SELECT * FROM s.t; ALTER VIEW s.v OWNER TO ${role}; INSERT INTO s.t VALUES (1)`;
const rights = (db: TestDatabase) =>
  db.query(
    `SELECT relname, pg_get_userbyid(relowner) AS owner, replace(relacl::text, 'xtm', 'xt') AS relacl FROM pg_class WHERE relnamespace = 's'::regnamespace AND relkind IN ('r', 'v') ORDER BY 1`,
  );

test('owners: keep carries owners and grants, and refuses a role that is missing before anything is made; skip leaves them out', async () => {
  const role = `owner_${process.pid}`;
  await old.query(`CREATE ROLE ${role}`);
  const strict = await migration({ from: old, to: recent, sink: '    owners: keep' });
  const { source, target } = strict;
  await source.query(owned(role));
  const refused = await strict.verb('run', '--stop-at', 'now', '--log', 'json');
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, new RegExp(`^PGS\\d{4} .*${role}`));
  assert.deepEqual(await target.query(`SELECT 1 FROM pg_namespace WHERE nspname IN ('s', 'pgsluice')`), []);
  const open = await migration({ from: old, to: recent });
  await open.source.query(owned(role));
  const warned = eventsOf(await open.run(), 'owners-skipped');
  assert.equal(warned.length, 1);
  await recent.query(`CREATE ROLE ${role}`);
  await strict.run();
  assert.deepEqual(await rights(target), await rights(source));
  const skip = await migration({ from: old, to: recent, sink: '    owners: skip' });
  await skip.source.query(owned(role));
  assert.equal(eventsOf(await skip.run(), 'owners-skipped').length, 0);
  assert.deepEqual(
    (await rights(skip.target)).map((row) => row['relacl']),
    [null, null],
  );
  assert.deepEqual(await hashes(skip.target, ['s.t']), await hashes(skip.source, ['s.t']));
  for (const db of [source, target, open.source, skip.source]) await db.query(`DROP OWNED BY ${role} CASCADE`);
  for (const on of [old, recent]) await on.query(`DROP ROLE ${role}`);
});

test('a type that the target lacks: a column that takes its text holds it, one that does not refuses the copy by name', async () => {
  const run = await migration({ from: old, to: recent, sink: '    schema: existing' });
  const { source, target } = run;
  await source.query(`CREATE TYPE mood AS ENUM ('glad', 'secretly sad'); CREATE TABLE t (id int PRIMARY KEY, m mood);
    INSERT INTO t VALUES (1, 'glad'), (2, 'secretly sad'), (3, NULL)`);
  await target.query('CREATE TABLE t (id int PRIMARY KEY, m int)');
  const { code, stderr } = await run.verb('run', '--stop-at', 'now', '--log', 'json');
  assert.equal(code, 1);
  assert.match(stderr, /^PGS3010 .*column m.*table public\.t, SQLSTATE 22P02, chunk public\.t#0/);
  assert.doesNotMatch(stderr, /glad|secretly/);
  assert.deepEqual(await target.query('SELECT 1 FROM t'), []);
  await target.query('ALTER TABLE t ALTER COLUMN m TYPE text USING m::text');
  await run.run();
  await source.query(
    `INSERT INTO t VALUES (4, 'glad'); UPDATE t SET m = 'secretly sad' WHERE id = 1; UPDATE t SET m = 'glad' WHERE m IS NULL`,
  );
  await run.run();
  const rows = 'SELECT id, m::text AS m FROM t ORDER BY id';
  assert.deepEqual(await target.query(rows), await source.query(rows));
});
