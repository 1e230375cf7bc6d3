import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UNCHANGED } from '../../../../../core/postgres/tuple.ts';
import { PgsluiceError } from '../../../../../core/base/error.ts';
import { Feed, full, key, type LogLine, never, relationOf, sinkFor, textRows } from '../../../../support/apply.ts';
import { database, server } from '../../../../support/servers.ts';

// Here, not in a test: a server started in a test would end with it.
const servers = new Map([14, 15, 17, 18].map((major) => [major, server(major)]));
await Promise.all(servers.values());

const many = (n: number) => Array.from({ length: n }, (_, i) => String(i + 1));

async function setup(sql: string, major = 17) {
  const db = await database((await servers.get(major)) as Awaited<ReturnType<typeof server>>);
  await db.query(sql);
  const rows = (text: string) => textRows(db.url, text);
  return { ...db, rows, relation: (name: string) => relationOf(db.url, 'public', name) };
}

function codeIs(code: string, table: string | null = null) {
  return (error: unknown) => {
    assert.ok(error instanceof PgsluiceError, String(error));
    assert.equal(error.code, code, error.message);
    if (table !== null) assert.equal(error.where.table, table);
    return true;
  };
}

for (const major of [14, 15, 17, 18]) {
  test(`insert, update, delete, few and many, in one transaction with the position (PostgreSQL ${major})`, async () => {
    const db = await setup('CREATE TABLE t (id int PRIMARY KEY, a text, b numeric(10,2), c int[])', major);
    const t = await db.relation('t');
    const feed = new Feed();
    await using sink = sinkFor(db.url);
    assert.equal(await sink.resume(never), null);
    await sink.write(feed.batch(many(50).map((i) => feed.insert(t, [i, `a${i}`, '1.50', '{1,NULL}']))), never);
    await sink.write(
      feed.batch([
        ...many(30).map((i) => feed.update(t, [i, `tab\tnl\n"q"\\${i}`, null, '{{1,2},{3,4}}'])),
        feed.update(t, ['31', UNCHANGED, '7.25', UNCHANGED]),
        ...many(20).map((i) => feed.delete(t, [i, null, null, null])),
        feed.delete(t, ['50', null, null, null]),
        feed.insert(t, ['60', null, null, null]),
      ]),
      never,
    );
    const rows = await db.rows('SELECT * FROM t ORDER BY id');
    assert.equal(rows.length, 30);
    assert.deepEqual(rows[0], ['21', 'tab\tnl\n"q"\\21', null, '{{1,2},{3,4}}']);
    assert.deepEqual(rows[10], ['31', 'a31', '7.25', '{1,NULL}']);
    assert.deepEqual(rows.at(-1), ['60', null, null, null]);
    assert.equal(await sink.flush(never), feed.last);
    assert.equal(await sink.resume(never), feed.last);
  });
}

test('chains on one key: insert-delete, delete-insert, update-update with unsent values, key moved away and back', async () => {
  const db = await setup(`CREATE TABLE t (id int PRIMARY KEY, a text, b text);
    INSERT INTO t SELECT i, 'a' || i, 'b' || i FROM generate_series(1, 40) i`);
  const t = await db.relation('t');
  const feed = new Feed();
  await using sink = sinkFor(db.url);
  await sink.resume(never);
  await sink.write(
    feed.batch([
      feed.insert(t, ['100', 'x', 'y']),
      feed.update(t, ['100', 'z', UNCHANGED]),
      feed.delete(t, ['100', null, null]),
      feed.delete(t, ['1', null, null]),
      feed.insert(t, ['1', 'new', 'new']),
      feed.update(t, ['1', UNCHANGED, 'newer']),
      feed.update(t, ['2', 'u', UNCHANGED]),
      feed.update(t, ['2', UNCHANGED, 'v']),
      // Swap of 3 and 4 through -1.
      feed.update(t, ['-1', 'a3', 'b3'], key('3', null, null)),
      feed.update(t, ['3', 'a4', 'b4'], key('4', null, null)),
      feed.update(t, ['4', 'a3', 'b3'], key('-1', null, null)),
      feed.update(t, ['5', 'a5', 'b5!'], key('5', null, null)),
      feed.update(t, ['66', UNCHANGED, 'b6!'], key('6', null, null)),
      feed.insert(t, ['6', 'six', null]),
    ]),
    never,
  );
  assert.deepEqual(await db.rows('SELECT * FROM t WHERE id < 7 OR id > 40 ORDER BY id'), [
    ['1', 'new', 'newer'],
    ['2', 'u', 'v'],
    ['3', 'a4', 'b4'],
    ['4', 'a3', 'b3'],
    ['5', 'a5', 'b5!'],
    ['6', 'six', null],
    ['66', 'a6', 'b6!'],
  ]);
});

test('a second unique key that rotates between many rows is replayed in order and stays right', async () => {
  const db = await setup(`CREATE TABLE t (id int PRIMARY KEY, email text UNIQUE);
    INSERT INTO t SELECT i, 'm' || i FROM generate_series(1, 30) i`);
  const t = await db.relation('t');
  const feed = new Feed();
  const lines: LogLine[] = [];
  await using sink = sinkFor(db.url, { lines });
  await sink.resume(never);
  for (let round = 1; round <= 3; round++) {
    const mail = (i: number) => `m${((i - 1 + round) % 30) + 1}`;
    const moved = [feed.update(t, ['30', 'free'])];
    for (let i = 29; i >= 1; i--) moved.push(feed.update(t, [String(i), mail(i)]));
    moved.push(feed.update(t, ['30', mail(30)]));
    await sink.write(feed.batch(moved), never);
    const rows = await db.rows('SELECT id, email FROM t ORDER BY id');
    assert.deepEqual(
      rows,
      many(30).map((i) => [i, mail(Number(i))]),
    );
  }
  assert.equal(lines.filter((line) => line.event === 'apply-replay').length, 1, 'distrusted after the first');
});

test('truncate is a barrier for several tables, and restarts identities when asked', async () => {
  const db = await setup(`CREATE TABLE p (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text);
    CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p);
    INSERT INTO p (a) SELECT 'x' FROM generate_series(1, 30); INSERT INTO c SELECT i, i FROM generate_series(1, 30) i`);
  const [p, c] = [await db.relation('p'), await db.relation('c')];
  const feed = new Feed();
  await using sink = sinkFor(db.url);
  await sink.resume(never);
  await sink.write(
    feed.batch([
      ...many(30).map((i) => feed.update(c, [i, '1'])),
      feed.insert(p, ['77', 'before']),
      feed.truncate([p, c], true, true),
      ...many(15).map((i) => feed.insert(p, [i, 'after'])),
      feed.insert(c, ['1', '2']),
    ]),
    never,
  );
  assert.deepEqual(await db.rows('SELECT count(*), min(a), max(a) FROM p'), [['15', 'after', 'after']]);
  assert.deepEqual(await db.rows('SELECT * FROM c'), [['1', '2']]);
  await db.query(`DELETE FROM c; DELETE FROM p; INSERT INTO p (a) VALUES ('n')`);
  assert.deepEqual(await db.rows('SELECT id FROM p'), [['1']], 'the sequence began again');
});

test('truncate does not cascade into tables that the stream does not name', async () => {
  const db = await setup(`CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE mine (p int REFERENCES p);
    INSERT INTO p VALUES (1); INSERT INTO mine VALUES (1)`);
  const p = await db.relation('p');
  const feed = new Feed();
  await using sink = sinkFor(db.url);
  await sink.resume(never);
  await assert.rejects(sink.write(feed.batch([feed.truncate([p], false, true)]), never), codeIs('PGS3112', 'public.p'));
  assert.deepEqual(await db.rows('SELECT count(*) FROM mine'), [['1']]);
});

test('without a key one source row is one target row, also among duplicates and for types without equality', async () => {
  const db = await setup(`CREATE TABLE t (j json, x xml, p point, n numeric, c char(4), i inet, b bool, s text);
    INSERT INTO t SELECT '{"a": 1,"a":2}', '<a/>', '(1,2)', '1.0', 'ab', '10.0.0.1', true, NULL FROM generate_series(1, 3);
    INSERT INTO t SELECT '{"a": 1,"a":2}', '<a/>', '(1,2)', '1.00', 'ab', '10.0.0.1', true, NULL FROM generate_series(1, 2);
    INSERT INTO t SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM generate_series(1, 2)`);
  const t = await db.relation('t');
  const feed = new Feed();
  const row = (n: string) => ['{"a": 1,"a":2}', '<a/>', '(1,2)', n, 'ab  ', '10.0.0.1', 't', null] as const;
  const nulls = [null, null, null, null, null, null, null, null] as const;
  await using sink = sinkFor(db.url);
  await sink.resume(never);
  await sink.write(
    feed.batch([
      feed.delete(t, row('1.0'), 'full'),
      feed.update(t, [...row('1.00').slice(0, 7), "it's"], full(...row('1.00'))),
      feed.delete(t, nulls, 'full'),
      ...many(20).map((i) => feed.insert(t, ['1', '<b/>', '(0,0)', i, 'x', '::1', 'f', i])),
      feed.delete(t, ['1', '<b/>', '(0,0)', '20', 'x   ', '::1', 'f', '20'], 'full'),
    ]),
    never,
  );
  assert.deepEqual(
    await db.rows('SELECT n, s, count(*) FROM t WHERE b IS NOT FALSE GROUP BY n::text, n, s ORDER BY n::text, s'),
    [
      ['1.0', null, '2'],
      ['1.00', "it's", '1'],
      ['1.00', null, '1'],
      [null, null, '1'],
    ],
  );
  assert.deepEqual(await db.rows('SELECT count(*) FROM t WHERE NOT b'), [['19']]);
  await assert.rejects(
    sink.write(feed.batch([feed.delete(t, row('1.000'), 'full')]), never),
    codeIs('PGS3101', 'public.t'),
  );
});

test('identity full with a primary key finds rows by the key', async () => {
  const db = await setup(
    `CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'changed here'), (2, 'b')`,
  );
  const t = await relationOf(db.url, 'public', 't', { kind: 'full' });
  const feed = new Feed();
  await using sink = sinkFor(db.url);
  await sink.resume(never);
  await sink.write(
    feed.batch([feed.update(t, ['1', 'z'], full('1', 'a')), feed.update(t, ['3', UNCHANGED], full('2', 'b'))]),
    never,
  );
  assert.deepEqual(await db.rows('SELECT * FROM t ORDER BY id'), [
    ['1', 'z'],
    ['3', 'b'],
  ]);
});

test('names that need quotes, a table without columns, generated and identity columns', async () => {
  const db =
    await setup(`CREATE SCHEMA "S.1"; CREATE TABLE "S.1"."T ""q"" 'x'" ("select" int PRIMARY KEY, "A""b" text, "é" text);
    CREATE TABLE none (); CREATE TABLE g (a int, id int GENERATED ALWAYS AS IDENTITY UNIQUE, d int GENERATED ALWAYS AS (a * 2) STORED, k int PRIMARY KEY);
    INSERT INTO g (a, k) VALUES (5, 1)`);
  const odd = await relationOf(db.url, 'S.1', `T "q" 'x'`);
  const none = await db.relation('none');
  const g = await db.relation('g');
  const feed = new Feed();
  await using sink = sinkFor(db.url);
  await sink.resume(never);
  await sink.write(
    feed.batch([
      ...many(20).map((i) => feed.insert(odd, [i, 'ü', '\u{1F600}'])),
      feed.insert(none, []),
      feed.insert(none, []),
      feed.delete(none, [], 'full'),
      ...many(20).map((i) => feed.insert(g, [i, String(100 + Number(i)), String(10 + Number(i))])),
      feed.update(g, ['6', '9', '1']),
      feed.update(g, ['7', UNCHANGED, '11']),
    ]),
    never,
  );
  await sink.write(feed.batch(many(20).map((i) => feed.update(odd, [i, null, UNCHANGED]))), never);
  assert.deepEqual(await db.rows(`SELECT count(*), max("é"), max("A""b") FROM "S.1"."T ""q"" 'x'"`), [
    ['20', '\u{1F600}', null],
  ]);
  assert.deepEqual(await db.rows('SELECT count(*) FROM none'), [['1']]);
  assert.deepEqual(await db.rows('SELECT a, id, d, k FROM g WHERE k IN (1, 11) ORDER BY k'), [
    ['6', '9', '12', '1'],
    ['7', '101', '14', '11'],
  ]);
});

test('keys whose equality is not that of their text go in order', async () => {
  const db = await setup(`CREATE TABLE t (k numeric PRIMARY KEY, v text); INSERT INTO t VALUES (1.0, 'a'), (2, 'b')`);
  const t = await db.relation('t');
  const feed = new Feed();
  await using sink = sinkFor(db.url);
  await sink.resume(never);
  await sink.write(
    feed.batch([
      feed.update(t, ['1.00', 'c'], key('1.0', null)),
      feed.delete(t, ['1.00', null]),
      feed.insert(t, ['1.000', 'd']),
    ]),
    never,
  );
  assert.deepEqual(await db.rows('SELECT k, v FROM t ORDER BY k'), [
    ['1.000', 'd'],
    ['2', 'b'],
  ]);
});

test('an error names table, code and LSN, no value, and leaves nothing behind', async () => {
  const db = await setup(
    `CREATE TABLE t (id int PRIMARY KEY, v varchar(5) CHECK (v <> 'bad')); INSERT INTO t VALUES (1, 'x')`,
  );
  const t = await db.relation('t');
  const inserts = (feed: Feed) => many(20).map((i) => feed.insert(t, [String(100 + Number(i)), 'ok']));
  const feed = new Feed();
  const cases: [
    string,
    (feed: Feed) => ReturnType<Feed['insert'] | Feed['update'] | Feed['delete']>,
    string | undefined,
  ][] = [
    ['PGS3102', (f) => f.insert(t, ['1', 'y']), '23505'],
    ['PGS3103', (f) => f.insert(t, ['7', 'secret-value']), '22001'],
    ['PGS3104', (f) => f.update(t, ['1', 'bad']), '23514'],
    ['PGS3103', (f) => f.insert(t, ['secret-value', 'y']), '22P02'],
    ['PGS3101', (f) => f.update(t, ['999', 'y']), undefined],
    ['PGS3101', (f) => f.delete(t, ['999', null]), undefined],
    ['PGS3107', (f) => f.delete({ ...t, identity: { kind: 'nothing' }, primaryKey: [] }, ['1', null]), undefined],
  ];
  await using sink = sinkFor(db.url);
  for (const [code, make, state] of cases) {
    assert.equal(await sink.resume(never), null);
    const wrong = make(feed);
    await assert.rejects(sink.write(feed.batch([...inserts(feed), wrong]), never), (error) => {
      codeIs(code, 'public.t')(error);
      const known = error as PgsluiceError;
      assert.equal(known.where.sqlstate, state);
      assert.equal(known.where.lsn, wrong.lsn.toString(16).toUpperCase().padStart(1).replace(/^/, '0/'));
      assert.doesNotMatch(known.message, /secret/);
      return true;
    });
    assert.deepEqual(await db.rows('SELECT * FROM t'), [['1', 'x']]);
    await assert.rejects(sink.write(feed.batch([]), never), codeIs('PGS3113'));
  }
});

test('on_missing warn counts and goes on, upsert inserts', async () => {
  const db = await setup(`CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'x')`);
  const t = await db.relation('t');
  const feed = new Feed();
  const changes = () => [
    ...many(30).map((i) => feed.update(t, [i, 'u'])),
    ...many(5).map((i) => feed.delete(t, [String(100 + Number(i)), null])),
  ];
  const lines: LogLine[] = [];
  await using warn = sinkFor(db.url, { onMissing: 'warn', lines, pipeline: 'w' });
  await warn.resume(never);
  await warn.write(feed.batch(changes()), never);
  assert.deepEqual(
    lines.map((line) => [line.event, line.fields]),
    [['rows-missing', { table: 'public.t', rows: 34 }]],
  );
  assert.deepEqual(await db.rows('SELECT * FROM t'), [['1', 'u']]);
  await using upsert = sinkFor(db.url, { onMissing: 'upsert', pipeline: 'u' });
  await upsert.resume(never);
  await upsert.write(feed.batch(changes()), never);
  assert.deepEqual(await db.rows('SELECT count(*), min(a) FROM t'), [['30', 'u']]);
});

for (const columns of ['id int PRIMARY KEY, a text', 'id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text'])
  test(`maybe: an update inserts what is not there, a delete of nothing is nothing; ${columns}`, async () => {
    const maybe = <T extends object>(change: T) => ({ ...change, maybe: true }) as T & { maybe: true };
    for (const together of [true, false]) {
      const db = await setup(
        `CREATE TABLE t (${columns}); INSERT INTO t OVERRIDING SYSTEM VALUE VALUES (1, 'x'), (2, 'x'), (3, 'x')`,
      );
      const t = await db.relation('t');
      const feed = new Feed();
      await using sink = sinkFor(db.url);
      await sink.resume(never);
      const changes = [
        maybe(feed.update(t, ['1', 'u'])),
        maybe(feed.update(t, ['9', 'new'])),
        maybe(feed.delete(t, ['8', null])),
        maybe(feed.delete(t, ['2', null])),
        maybe(feed.update(t, ['30', 'moved'], key('3', null))),
        maybe(feed.update(t, ['31', 'made'], key('7', null))),
      ];
      const batches = together ? [changes] : changes.map((change) => [change]);
      for (const batch of batches) await sink.write(feed.batch(batch), never);
      const expected = [
        ['1', 'u'],
        ['9', 'new'],
        ['30', 'moved'],
        ['31', 'made'],
      ];
      assert.deepEqual(await db.rows('SELECT * FROM t ORDER BY id'), expected, `together: ${together}`);
    }
  });

test('a target that lacks the table or a column, or has it generated, is told with the statement that mends it', async () => {
  const db = await setup('CREATE TABLE t (id int PRIMARY KEY, a text, b int)');
  const t = await db.relation('t');
  await db.query('ALTER TABLE t DROP COLUMN b');
  const feed = new Feed();
  await using sink = sinkFor(db.url);
  await sink.resume(never);
  await assert.rejects(sink.write(feed.batch([feed.insert(t, ['1', 'a', '2'])]), never), (error) => {
    codeIs('PGS3105', 'public.t')(error);
    assert.equal((error as PgsluiceError).remedy, 'ALTER TABLE "public"."t" ADD COLUMN "b" integer;');
    return true;
  });
  await db.query('ALTER TABLE t ADD COLUMN b int GENERATED ALWAYS AS (id + 1) STORED');
  await sink.resume(never);
  await assert.rejects(sink.write(feed.batch([feed.insert(t, ['1', 'a', '2'])]), never), codeIs('PGS3105'));
  await db.query('DROP TABLE t');
  await sink.resume(never);
  await assert.rejects(sink.write(feed.batch([feed.insert(t, ['1', 'a', '2'])]), never), codeIs('PGS3105'));
});

test('the target altered under prepared statements is learnt again', async () => {
  const db = await setup('CREATE TABLE t (id int PRIMARY KEY, a int)');
  const t = await db.relation('t');
  const feed = new Feed();
  await using sink = sinkFor(db.url);
  await sink.resume(never);
  for (let i = 1; i <= 8; i++) await sink.write(feed.batch([feed.insert(t, [String(i), '1'])]), never);
  await db.query('ALTER TABLE t ALTER COLUMN a TYPE text');
  await sink.write(feed.batch([feed.insert(t, ['9', '99999999999']), feed.update(t, ['1', 'now a text'])]), never);
  assert.deepEqual(await db.rows('SELECT a FROM t WHERE id IN (1, 9) ORDER BY id'), [['now a text'], ['99999999999']]);
});
