import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DigestQuery, DigestSession } from '../../../../core/postgres/digest-query.ts';
import { connect } from '../../../../core/postgres/connect.ts';
import { PostgresDigests } from '../../../../core/postgres/digest.ts';
import { type TestDatabase, database, server } from '../../../support/servers.ts';
import { calm } from '../../../support/source-context.ts';

const [old, recent] = [await server(14), await server(18)];

function digests(db: TestDatabase): PostgresDigests {
  return new PostgresDigests(() => connect({ url: db.url }, { name: 'digest', applicationName: 'test' }), 'digest');
}

function ask(columns: readonly string[], more: Partial<DigestQuery> = {}): DigestQuery {
  return { schema: 'public', table: 't', only: true, columns, where: null, key: [], after: null, upTo: null, ...more };
}

const wide = `CREATE TABLE t (id int PRIMARY KEY, c text, n numeric, f float8, ts timestamptz, i interval, b bytea, j jsonb, a text[], ok bool, u uuid, r int4range, ch char(5));
  INSERT INTO t SELECT g, nullif('é' || g % 7, 'é3'), g / 7.0, g / 7.0::float8, 'epoch'::timestamptz + g * interval '1.000001 s',
    g * interval '1 day 1 us', decode(md5(g::text), 'hex'), jsonb_build_object('k', g, 'x', 'é'), ARRAY['a,b', NULL, g::text], g % 2 = 0,
    md5(g::text)::uuid, int4range(g, g + 5), g FROM generate_series(1, 5000) g`;
const columns = ['id', 'c', 'n', 'f', 'ts', 'i', 'b', 'j', 'a', 'ok', 'u', 'r', 'ch'];

test('14 and 18 hash the same rows to the same 128 bits, in any order of insertion', async () => {
  const [a, b] = [await database(old, 'dig'), await database(recent, 'dig')];
  await a.query(wide);
  await b.query(`${wide} ORDER BY g DESC`);
  const [x, y] = [await digests(a).open(calm), await digests(b).open(calm)];
  const query = ask(columns, { key: ['id'] });
  const whole = await x.digest(query, calm);
  assert.equal(whole.rows, 5000n);
  assert.deepEqual(await y.digest(query, calm), whole);
  const bounds = await x.bounds(query, 1000, calm);
  assert.deepEqual(bounds, [['1000'], ['2000'], ['3000'], ['4000'], ['5000']]);
  assert.deepEqual(
    await y.rows({ ...query, after: ['4998'] }, calm),
    await x.rows({ ...query, after: ['4998'] }, calm),
  );
  let [rows, high] = [0n, 0n];
  for (const [after, upTo] of [
    [null, ['1000']],
    [['1000'], ['4000']],
    [['4000'], null],
  ] as const) {
    const part = await x.digest({ ...query, after, upTo }, calm);
    rows += part.rows;
    high += BigInt(part.high);
  }
  assert.deepEqual([rows, high], [5000n, BigInt(whole.high)]);
  await x[Symbol.asyncDispose]();
  await y[Symbol.asyncDispose]();
});

/** Pairs of contents that must never hash alike. */
const different: Readonly<Record<string, readonly [string, string]>> = {
  'one changed byte': [`('a', 'b')`, `('a', 'c')`],
  'a missing row': [`('a', 'b'), ('c', 'd')`, `('a', 'b')`],
  'a duplicate': [`('a', 'b'), ('a', 'b')`, `('a', 'b'), ('a', 'b'), ('a', 'b')`],
  'one duplicate for another': [
    `('a', 'b'), ('a', 'b'), ('c', 'd'), ('c', 'd')`,
    `('a', 'b'), ('c', 'd'), ('e', 'f'), ('e', 'f')`,
  ],
  'a value swapped between two rows': [`('a', 'b'), ('c', 'd')`, `('a', 'd'), ('c', 'b')`],
  'NULL against empty': [`('a', NULL)`, `('a', '')`],
  'NULL against its word': [`('a', NULL)`, `('a', 'NULL')`],
  'text that moves over the border of columns': [`('ab', 'c')`, `('a', 'bc')`],
  'a comma and quotes': [`('a,', 'b')`, `('a', ',b')`],
  'two columns swapped': [`('a', 'b')`, `('b', 'a')`],
};

for (const [name, [one, two]] of Object.entries(different)) {
  test(`differs: ${name}`, async () => {
    const db = await database(recent, 'dig');
    await db.query(
      `CREATE TABLE t (x text, y text); INSERT INTO t VALUES ${one}; CREATE TABLE s (x text, y text); INSERT INTO s VALUES ${two}`,
    );
    const session = await digests(db).open(calm);
    const query = ask(['x', 'y']);
    assert.notDeepEqual(await session.digest(query, calm), await session.digest({ ...query, table: 's' }, calm));
    const fast = { ...query, fast: true };
    assert.notDeepEqual(await session.digest(fast, calm), await session.digest({ ...fast, table: 's' }, calm));
    assert.notDeepEqual(await session.rows(query, calm), await session.rows({ ...query, table: 's' }, calm));
    await session[Symbol.asyncDispose]();
  });
}

async function cover(session: DigestSession, query: DigestQuery, per: number): Promise<bigint> {
  const bounds = await session.bounds(query, per, calm);
  assert.ok(bounds.length >= 3);
  let rows = 0n;
  for (let i = 0; i <= bounds.length; i++) {
    rows += (await session.digest({ ...query, after: bounds[i - 1] ?? null, upTo: bounds[i] ?? null }, calm)).rows;
  }
  return rows;
}

test('bounds of composite and text keys cover every row once, whatever the collation', async () => {
  const db = await database(recent, 'dig');
  await db.query(`CREATE COLLATION german (provider = icu, locale = 'de');
    CREATE TABLE t (k text COLLATE german, n int, PRIMARY KEY (k, n));
    INSERT INTO t SELECT chr(65 + g % 57) || chr(228 + g % 5) || '''\\', g FROM generate_series(1, 1000) g`);
  const session = await digests(db).open(calm);
  assert.equal(await cover(session, ask(['k', 'n'], { key: ['k', 'n'] }), 100), 1000n);
  const keys = [...(await session.rows(ask(['k', 'n'], { key: ['k', 'n'], where: 'n = 7' }), calm)).keys()];
  assert.equal(keys.length, 1);
  await session[Symbol.asyncDispose]();
});

test('a session sees one state, its own or a given one', async () => {
  const db = await database(recent, 'dig');
  await db.query('CREATE TABLE t (x int); INSERT INTO t VALUES (1)');
  const session = await digests(db).open(calm);
  const holder = await connect({ url: db.url }, { name: 'h', applicationName: 'test' });
  await holder.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  const { rows } = await holder.query<{ name: string }>('SELECT pg_export_snapshot() AS name');
  await db.query('INSERT INTO t VALUES (2)');
  const same = await digests(db).open(calm, rows[0]!.name);
  for (const at of [session, same]) {
    assert.equal((await at.digest(ask(['x']), calm)).rows, 1n);
    await at[Symbol.asyncDispose]();
  }
  await holder.end();
});

test('the fast hash is the same on every major and in every encoding', async () => {
  const rows = `CREATE TABLE t (id int, c text, n numeric); INSERT INTO t SELECT g, 'é"\\\\,' || repeat('ü', g % 40), g / 7.0 FROM generate_series(1, 3000) g`;
  const found: unknown[] = [];
  const query = ask(['id', 'c', 'n'], { fast: true });
  for (const major of [14, 15, 16, 17, 18]) {
    const on = await server(major);
    for (const encoding of ['UTF8', 'LATIN1']) {
      const db = await database(on, 'fast', encoding === 'UTF8' ? '' : `ENCODING '${encoding}' LOCALE 'C'`);
      await db.query(rows);
      const session = await digests(db).open(calm);
      found.push([session.fast, await session.digest(query, calm)]);
      await session[Symbol.asyncDispose]();
    }
  }
  for (const other of found) assert.deepEqual(other, found[0]);
  assert.equal((found[0] as [string, { rows: bigint }])[1].rows, 3000n);
});

test('workers take part in the scan of a large table and of a range of it', async () => {
  const db = await database(recent, 'par');
  await db.query(
    `CREATE TABLE t (id int PRIMARY KEY, c text); INSERT INTO t SELECT g, repeat('x', 90) FROM generate_series(1, 200000) g`,
  );
  await db.query('VACUUM ANALYZE t');
  const launched = async (): Promise<number> => {
    const sql = `SELECT parallel_workers_launched AS n FROM pg_stat_database WHERE datname = '${db.name}'`;
    return Number((await db.query<{ n: string }>(sql))[0]!.n);
  };
  const query = ask(['id', 'c'], { key: ['id'], fast: true });
  for (const part of [query, { ...query, after: ['20000'], upTo: ['180000'] }]) {
    const before = await launched();
    const session = await digests(db).open(calm);
    await session.digest(part, calm);
    // The statistics are sent when the session ends.
    await session[Symbol.asyncDispose]();
    const deadline = Date.now() + 30_000;
    while ((await launched()) === before) {
      assert.ok(Date.now() < deadline, 'no worker was launched');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
});

test('a table that was truncated or rewritten behind the snapshot is known as gone, others are not', async () => {
  const db = await database(recent, 'gone');
  for (const name of ['kept', 'cut', 'rewritten', 'dropped', 'again'])
    await db.query(`CREATE TABLE ${name} AS SELECT g AS id FROM generate_series(1, 10) g`);
  await using session = await digests(db).open(calm);
  const of = (table: string) => ask(['id'], { table });
  await db.query(`TRUNCATE cut; ALTER TABLE rewritten ALTER id TYPE bigint; DROP TABLE dropped;
    DROP TABLE again; CREATE TABLE again AS SELECT 1 AS id; DELETE FROM kept; ALTER TABLE kept ADD COLUMN more int`);
  // This is what must not be taken for a difference.
  assert.equal((await session.digest(of('cut'), calm)).rows, 0n);
  assert.equal((await session.digest(of('kept'), calm)).rows, 10n);
  const found: string[] = [];
  for (const name of ['kept', 'cut', 'rewritten', 'dropped', 'again'])
    if (await session.gone?.(of(name), calm)) found.push(name);
  assert.deepEqual(found, ['cut', 'rewritten', 'dropped', 'again']);
});
