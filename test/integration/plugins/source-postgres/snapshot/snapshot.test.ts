import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { SnapshotQuery } from '../../../../../core/api/plan.ts';
import type { Relation } from '../../../../../core/postgres/relation.ts';
import type { SnapshotSession } from '../../../../../core/api/snapshot.ts';
import type { PostgresSource } from '../../../../../plugins/source-postgres/source.ts';
import { PgsluiceError } from '../../../../../core/base/error.ts';
import { type TestDatabase, database, ownServer, server } from '../../../../support/servers.ts';
import { calm, keepingLog, postgresSource } from '../../../../support/source-context.ts';
import { readCatalog } from '../../../../../core/api/source.ts';

const shared = await server(17);
const crowded = await ownServer(17, {
  max_connections: '12',
  max_wal_senders: '3',
  superuser_reserved_connections: '0',
});
const notLogical = await ownServer(16, { wal_level: 'replica', max_replication_slots: '2' });

interface Setting extends AsyncDisposable {
  readonly db: TestDatabase;
  readonly source: PostgresSource;
  relation(name: string): Promise<Relation>;
}

async function setting(sql: string, workers = 2): Promise<Setting> {
  const db = await database(shared, 'snap');
  await db.query(sql);
  const source = postgresSource({ url: db.url, snapshot: { workers } }, db.name);
  return {
    db,
    source,
    relation: async (name) => (await readCatalog(source, calm)).tables.find((t) => t.relation.name === name)!.relation,
    [Symbol.asyncDispose]: async () => {
      await source.control.cleanup(calm);
      await source[Symbol.asyncDispose]();
    },
  };
}

const rowsTable = `CREATE TABLE big (id int PRIMARY KEY, pad text);
  INSERT INTO big SELECT i, repeat('x', 200) FROM generate_series(1, 20000) i;`;
const all: SnapshotQuery = { select: ['id', 'pad'], where: null, plain: ['id', 'pad'] };

async function ids(session: SnapshotSession, relation: Relation, query: SnapshotQuery = all): Promise<number[]> {
  const found: number[] = [];
  for (const chunk of await session.chunks(relation, 1 << 20)) {
    const { rows } = await session.openRows(chunk, query, calm);
    for await (const batch of rows) for (const row of batch) found.push(Number(row[0]));
  }
  return found.sort((a, b) => a - b);
}

async function walsenders(db: TestDatabase): Promise<number> {
  const rows = await db.query(
    `SELECT FROM pg_stat_activity WHERE datname = '${db.name}' AND application_name LIKE 'pgsluice%'`,
  );
  return rows.length;
}

/** A session that ends is gone from the server's list a moment later. */
async function nobodyLeft(db: TestDatabase): Promise<void> {
  for (let tries = 0; (await walsenders(db)) > 0; tries++) {
    assert.ok(tries < 100, 'connections are left on the source');
    await sleep(50);
  }
}

test('all chunks together are the table as it was, whatever is written meanwhile', async () => {
  await using at = await setting(rowsTable);
  const relation = await at.relation('big');
  const session = await at.source.snapshot.open({ kind: 'new' }, calm);
  assert.equal(session.handoff as bigint, session.exactAt as bigint);
  assert.ok((await session.chunks(relation, 1 << 20)).length >= 4);
  await at.db.query(
    'DELETE FROM big WHERE id % 2 = 0; UPDATE big SET pad = pad || id; INSERT INTO big SELECT i FROM generate_series(20001, 40000) i',
  );
  assert.deepEqual(
    await ids(session, relation),
    Array.from({ length: 20_000 }, (_, i) => i + 1),
  );
  const filtered = { select: ['id', 'upper(pad)'], where: 'id <= 3 OR id IS NULL', plain: null };
  assert.deepEqual(await ids(session, relation, filtered), [1, 2, 3]);
  await session[Symbol.asyncDispose]();
  await nobodyLeft(at.db);
});

test('a later snapshot is exact at a later position, and its slot goes', async () => {
  await using at = await setting(rowsTable);
  const relation = await at.relation('big');
  const first = await at.source.snapshot.open({ kind: 'new' }, calm);
  await first[Symbol.asyncDispose]();
  await at.db.query('DELETE FROM big WHERE id > 10');
  const again = await at.source.snapshot.open({ kind: 'again', handoff: first.handoff! }, calm);
  assert.equal(again.handoff, first.handoff);
  assert.ok(again.exactAt > first.exactAt);
  assert.deepEqual(await ids(again, relation), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  const slots = await at.db.query<{ slot_name: string }>(
    `SELECT slot_name FROM pg_replication_slots WHERE database = '${at.db.name}'`,
  );
  assert.deepEqual(
    slots.map((slot) => slot.slot_name),
    [`pgsluice_${at.db.name}`],
  );
  await again[Symbol.asyncDispose]();
});

test('raw binary frames are what COPY takes: signature, rows, trailer', async () => {
  await using at = await setting(
    "CREATE TABLE t (id int PRIMARY KEY, b bytea); INSERT INTO t VALUES (1, NULL), (2, decode(repeat('00ff', 100000), 'hex'))",
  );
  const relation = await at.relation('t');
  const session = await at.source.snapshot.open({ kind: 'new' }, calm);
  const [chunk] = await session.chunks(relation, 1 << 30);
  const query = { select: ['id', 'b'], where: null, plain: ['id', 'b'] };
  const raw = await session.openRaw(chunk!, query, 'binary', calm);
  const parts: Uint8Array[] = [];
  for await (const frame of raw.frames) parts.push(Uint8Array.from(frame));
  const bytes = Buffer.concat(parts);
  assert.equal(bytes[0], 0x64);
  assert.equal(bytes.toString('latin1', 5, 15), 'PGCOPY\nÿ\r\n');
  assert.deepEqual(bytes.subarray(-7), Buffer.from([0x64, 0, 0, 0, 6, 0xff, 0xff]));
  assert.ok(bytes.length > 200_000);
  await session[Symbol.asyncDispose]();
});

test('a killed worker fails its chunk as retryable, and the chunk can be read again under the same snapshot', async () => {
  await using at = await setting(rowsTable.replaceAll('20000', '60000'), 1);
  const relation = await at.relation('big');
  const session = await at.source.snapshot.open({ kind: 'new' }, calm);
  await at.db.query('DELETE FROM big');
  const [chunk] = await session.chunks(relation, 1 << 30);
  const { frames } = await session.openRaw(chunk!, all, 'text', calm);
  await assert.rejects(
    async () => {
      let seen = false;
      for await (const _ of frames) {
        if (!seen) {
          const killed = await at.db.query(
            `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${at.db.name}' AND query LIKE '%COPY%' AND application_name LIKE 'pgsluice%'`,
          );
          assert.equal(killed.length, 1);
        }
        seen = true;
      }
    },
    (error: unknown) =>
      error instanceof PgsluiceError && error.retry === 'backoff' && error.where.table === 'public.big',
  );
  assert.equal((await ids(session, relation)).length, 60_000);
  await session[Symbol.asyncDispose]();
});

test('leaving a COPY early, or aborting it, cuts its connection and no other', async () => {
  await using at = await setting(rowsTable.replaceAll('20000', '60000'), 1);
  const relation = await at.relation('big');
  const session = await at.source.snapshot.open({ kind: 'new' }, calm);
  const [chunk] = await session.chunks(relation, 1 << 30);
  const left = await session.openRaw(chunk!, all, 'binary', calm);
  for await (const _ of left.frames) break;
  const controller = new AbortController();
  const aborted = await session.openRows(chunk!, all, controller.signal);
  await assert.rejects(async () => {
    for await (const _ of aborted.rows) controller.abort(new Error('stop now'));
  }, /stop now/);
  const waiting = session.openRaw(chunk!, all, 'binary', AbortSignal.abort(new Error('never')));
  await assert.rejects(waiting, /never/);
  assert.equal((await ids(session, relation)).length, 60_000);
  await session[Symbol.asyncDispose]();
  await nobodyLeft(at.db);
});

test('a table that was rewritten or dropped after the snapshot is an error, never an empty table', async () => {
  await using at = await setting(`${rowsTable} CREATE TABLE gone (id int PRIMARY KEY)`);
  const [relation, gone] = [await at.relation('big'), await at.relation('gone')];
  const session = await at.source.snapshot.open({ kind: 'new' }, calm);
  await at.db.query('ALTER TABLE big ALTER COLUMN id TYPE bigint; DROP TABLE gone');
  await assert.rejects(ids(session, relation), { code: 'PGS2122', retry: 'backoff' });
  await assert.rejects(ids(session, gone, { select: ['id'], where: null, plain: null }), { code: 'PGS2121' });
  await session[Symbol.asyncDispose]();
});

test('a value that a filter cannot read is an error without the value', async () => {
  await using at = await setting(
    `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, '1'), (2, 'top-secret')`,
  );
  const session = await at.source.snapshot.open({ kind: 'new' }, calm);
  const query = { select: ['id'], where: 'v::int > 0', plain: null };
  await assert.rejects(ids(session, await at.relation('t'), query), (error: PgsluiceError) => {
    assert.equal(error.code, 'PGS2121');
    assert.equal(error.where.sqlstate, '22P02');
    assert.doesNotMatch(JSON.stringify([error.message, error.where]), /top-secret/);
    return true;
  });
  await session[Symbol.asyncDispose]();
});

test('inheritance children, generated columns, no columns, row security', async () => {
  await using at = await setting(`CREATE TABLE p (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED);
    CREATE TABLE c () INHERITS (p); CREATE TABLE n (); INSERT INTO p VALUES (1); INSERT INTO c VALUES (2), (3);
    INSERT INTO n DEFAULT VALUES; ALTER TABLE p ENABLE ROW LEVEL SECURITY`);
  const session = await at.source.snapshot.open({ kind: 'new' }, calm);
  const both = { select: ['id', 'twice'], where: null, plain: ['id', 'twice'] };
  assert.deepEqual(await ids(session, await at.relation('p'), both), [1]);
  assert.deepEqual(await ids(session, await at.relation('c'), both), [2, 3]);
  assert.deepEqual(await ids(session, await at.relation('n'), { select: [], where: null, plain: [] }), [Number.NaN]);
  await session[Symbol.asyncDispose]();
});

test('the slot is dropped again when the snapshot cannot be imported', async () => {
  const own = crowded;
  const db = await database(own, 'few');
  await db.query('CREATE TABLE t (id int PRIMARY KEY)');
  const source = postgresSource({ url: db.url, snapshot: { workers: 30 } }, 'few');
  await assert.rejects(source.snapshot.open({ kind: 'new' }, calm), { code: 'PGS2006' });
  assert.deepEqual(await own.query('SELECT slot_name FROM pg_replication_slots'), []);
  await nobodyLeft(db);
});

test('what keeps a slot from being made is told with its remedy', async () => {
  const own = notLogical;
  const db = await database(own, 'level');
  await db.query('CREATE TABLE t (id int PRIMARY KEY)');
  const source = postgresSource({ url: db.url, snapshot: { workers: 1 } }, 'level');
  await assert.rejects(source.snapshot.open({ kind: 'new' }, calm), { code: 'PGS2110', exit: 3 });
  await own.query(`ALTER SYSTEM SET wal_level = 'logical'`);
  await own.restart();
  const session = await source.snapshot.open({ kind: 'new' }, calm);
  await session[Symbol.asyncDispose]();
  await assert.rejects(source.snapshot.open({ kind: 'new' }, calm), { code: 'PGS2113' });
  assert.equal(await source.control.slot.make(calm), null);
  const second = postgresSource({ url: db.url, snapshot: { workers: 1 } }, 'second');
  await assert.rejects(second.snapshot.open({ kind: 'new' }, calm), { code: 'PGS2111' });
  assert.deepEqual(await source.control.cleanup(calm), ['replication slot pgsluice_level']);
  assert.deepEqual(await source.control.cleanup(calm), []);
  assert.equal(typeof (await second.control.slot.make(calm)), 'bigint');
  await own.query(`CREATE ROLE plain LOGIN PASSWORD 'local-only'; GRANT ALL ON DATABASE ${db.name} TO plain`);
  const plain = postgresSource({ url: own.url(db.name, 'plain'), snapshot: { workers: 1 } }, 'plain');
  await assert.rejects(plain.snapshot.open({ kind: 'new' }, calm), { code: 'PGS2114' });
});

test('a slot that waits for a transaction says for which, and abort ends the wait', async () => {
  await using at = await setting(rowsTable, 1);
  const log = keepingLog();
  const source = postgresSource({ url: at.db.url, snapshot: { workers: 1 } }, at.db.name, log);
  const open = at.db.query(`BEGIN; INSERT INTO big VALUES (0); SELECT pg_sleep(30)`).catch(() => {});
  while (
    (await at.db.query(`SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND backend_xid IS NOT NULL`))
      .length === 0
  )
    await sleep(50);
  const controller = new AbortController();
  const made = source.snapshot.open({ kind: 'new' }, controller.signal);
  made.catch(() => {});
  while (!log.lines.some(({ event }) => event === 'slot-waits')) await sleep(100);
  assert.match(log.lines.find(({ event }) => event === 'slot-waits')!.message, /pid \d+/);
  controller.abort(new Error('enough'));
  await assert.rejects(made, /enough/);
  await at.db.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; INSERT INTO big%' AND pid <> pg_backend_pid()`,
  );
  await open;
  await nobodyLeft(at.db);
  assert.equal(await source.control.slot.status(calm), null);
});

test('a connection that is cut while the snapshot is asked for its tables is a lost connection, tried again', async () => {
  await using at = await setting('CREATE TABLE t (id int PRIMARY KEY)');
  await using session = await at.source.snapshot.open({ kind: 'new' }, calm);
  const holder = new pg.Client({ connectionString: at.db.url });
  await holder.connect();
  // Whoever reads which table inherits from which waits here.
  await holder.query('BEGIN; LOCK TABLE pg_inherits IN ACCESS EXCLUSIVE MODE');
  const asked = assert.rejects(session.relations!(), { code: 'PGS2005', retry: 'backoff' });
  const waiting = `SELECT pid FROM pg_locks WHERE relation = 'pg_inherits'::regclass AND NOT granted`;
  let pids: { pid: number }[] = [];
  while (pids.length === 0) pids = (await holder.query<{ pid: number }>(waiting)).rows;
  for (const { pid } of pids) await holder.query(`SELECT pg_terminate_backend(${pid})`);
  await asked;
  await holder.end();
});
