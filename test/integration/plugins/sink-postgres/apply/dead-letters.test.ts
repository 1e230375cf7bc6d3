import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UNCHANGED } from '../../../../../core/postgres/tuple.ts';
import type { DeadLetters, Refused } from '../../../../../core/api/dead-letter.ts';
import { Feed, full, never, relationOf, sinkFor, textRows } from '../../../../support/apply.ts';
import { database, server } from '../../../../support/servers.ts';

const postgres = await server(17);
const many = (n: number) => Array.from({ length: n }, (_, i) => String(i + 1));

async function setup(sql: string) {
  const db = await database(postgres);
  await db.query(sql);
  const rows = (text: string) => textRows(db.url, text);
  return { ...db, rows, relation: (name: string) => relationOf(db.url, 'public', name) };
}

/** Notes what is refused and what passes; `before` runs when letters are given. */
class Noted implements DeadLetters {
  readonly refused: Refused[] = [];
  count = 0;
  before: () => Promise<void> = async () => {};

  passed(count: number): void {
    this.count += count;
  }
  async refuse(refused: readonly Refused[]): Promise<void> {
    await this.before();
    this.refused.push(...refused);
  }
  codes(): string[] {
    return this.refused.map(({ error, change }) => `${error.code} ${change.kind} ${change.relation.name}`);
  }
}

const refusals = `
  CREATE TABLE t (id int PRIMARY KEY, a varchar(5), n int NOT NULL, u int UNIQUE, CHECK (n < 100));
  CREATE TABLE log (line text);
  INSERT INTO t VALUES (900, 'own', 1, 900), (901, 'two', 1, 901)`;

test('each change that the target refuses is taken out alone, the rest of its transaction is applied, in order', async () => {
  const db = await setup(refusals);
  const [t, log] = [await db.relation('t'), await db.relation('log')];
  const letters = new Noted();
  const feed = new Feed();
  await using sink = sinkFor(db.url, { deadLetters: letters });
  await sink.resume(never);
  const changes = [
    ...many(100).map((i) => feed.insert(t, [i, 'a', '1', i])),
    feed.insert(t, ['101', 'a', null, '101']),
    feed.insert(t, ['102', 'a', '100', '102']),
    feed.insert(t, ['103', 'too long', '1', '103']),
    feed.insert(t, ['104', 'a', 'no number', '104']),
    feed.insert(t, ['105', 'a\0b', '1', '105']),
    feed.insert(t, ['900', 'a', '1', '107']),
    feed.insert(t, ['108', 'a', '1', '900']),
    feed.update(t, ['500', 'b', '1', '500']),
    feed.delete(t, ['501', null, null, null]),
    feed.update(t, ['1', UNCHANGED, '2', '901']),
    feed.update(t, ['101', 'b', '2', '101']),
    feed.insert(log, ['last']),
    ...many(100).map((i) => feed.update(t, [i, 'b', '3', UNCHANGED])),
  ];
  await sink.write(feed.batch(changes), never);
  assert.deepEqual(letters.codes(), [
    'PGS3104 insert t',
    'PGS3104 insert t',
    'PGS3103 insert t',
    'PGS3103 insert t',
    'PGS3103 insert t',
    'PGS3102 insert t',
    'PGS3102 insert t',
    'PGS3101 update t',
    'PGS3101 delete t',
    'PGS3102 update t',
    'PGS3101 update t',
  ]);
  assert.deepEqual(
    letters.refused.map(({ change }) => change),
    changes.slice(100, 111),
  );
  assert.equal(letters.count, changes.length - 11);
  assert.deepEqual(await db.rows('SELECT count(*), min(a), min(n), max(n) FROM t WHERE id <= 100'), [
    ['100', 'b', '3', '3'],
  ]);
  assert.deepEqual(await db.rows('SELECT count(*) FROM t'), [['102']]);
  assert.deepEqual(await db.rows('SELECT line FROM log'), [['last']]);
  await sink.write(feed.batch([feed.insert(t, ['200', 'c', '1', '200'])]), never);
  assert.equal(await sink.flush(never), feed.last);
  assert.equal(await sink.resume(never), feed.last);
});

test('letters are given before the commit: until then the target holds neither rows nor position', async () => {
  const db = await setup(refusals);
  const t = await db.relation('t');
  const letters = new Noted();
  const feed = new Feed();
  await using sink = sinkFor(db.url, { deadLetters: letters });
  await sink.resume(never);
  await sink.write(feed.batch([feed.insert(t, ['1', 'a', '1', '1'])]), never);
  await sink.flush(never);
  const before = feed.last;
  const failing = feed.batch([feed.insert(t, ['2', 'a', '1', '2']), feed.insert(t, ['3', 'a', null, '3'])]);
  letters.before = async () => {
    assert.deepEqual(await db.rows('SELECT id FROM t WHERE id < 900'), [['1']]);
    throw new Error('no room for letters');
  };
  await assert.rejects(sink.write(failing, never), /no room for letters/);
  assert.equal(await sink.resume(never), before, 'nothing moved past the change');
  letters.before = async () => {};
  await sink.write(failing, never);
  assert.deepEqual(letters.codes(), ['PGS3104 insert t']);
  assert.deepEqual(await db.rows('SELECT id FROM t WHERE id < 900 ORDER BY id'), [['1'], ['2']]);
});

test('a transaction in several batches, and what came in it before, stays whole around a refused change', async () => {
  const db = await setup(refusals);
  const t = await db.relation('t');
  const letters = new Noted();
  const feed = new Feed();
  await using sink = sinkFor(db.url, { deadLetters: letters });
  await sink.resume(never);
  await sink.write(feed.batch([feed.insert(t, ['1', 'a', '1', '1'])], true), never);
  await sink.write(
    feed.batch([feed.insert(t, ['2', 'a', '999', '2']), feed.insert(t, ['3', 'a', '1', '3'])], true),
    never,
  );
  assert.deepEqual(await db.rows('SELECT id FROM t WHERE id < 900'), []);
  await sink.write(
    feed.batch([feed.insert(t, ['4', 'too long', '1', '4']), feed.insert(t, ['5', 'a', '1', '5'])]),
    never,
  );
  assert.deepEqual(letters.codes(), ['PGS3104 insert t', 'PGS3103 insert t']);
  assert.deepEqual(await db.rows('SELECT id FROM t WHERE id < 900 ORDER BY id'), [['1'], ['3'], ['5']]);
});

test('what is not the fault of the change stops as without dead letters: a missing table or column, TRUNCATE', async () => {
  const db = await setup(`${refusals}; CREATE TABLE gone (id int PRIMARY KEY); CREATE TABLE kept (id int PRIMARY KEY);
    CREATE TABLE child (id int PRIMARY KEY REFERENCES kept)`);
  const [t, gone, kept] = [await db.relation('t'), await db.relation('gone'), await db.relation('kept')];
  await db.query('DROP TABLE gone; ALTER TABLE t DROP COLUMN a');
  const letters = new Noted();
  await using sink = sinkFor(db.url, { deadLetters: letters });
  const feed = new Feed();
  const truncate = { ...feed.insert(kept, ['1']), kind: 'truncate', relations: [kept] } as const;
  for (const [change, code] of [
    [feed.insert(gone, ['1']), 'PGS3105'],
    [feed.insert(t, ['1', 'a', '1', '1']), 'PGS3105'],
    [{ ...truncate, cascade: false, restartIdentity: false }, 'PGS3112'],
  ] as const) {
    await sink.resume(never);
    await assert.rejects(sink.write(feed.batch([change]), never), { code });
  }
  assert.deepEqual(letters.codes(), []);
});

test('without a key: a row that is not there is refused, its twin is not', async () => {
  const db = await setup("CREATE TABLE l (line text); INSERT INTO l VALUES ('a'), ('a'), ('b')");
  const l = await relationOf(db.url, 'public', 'l', { kind: 'full' });
  const letters = new Noted();
  await using sink = sinkFor(db.url, { deadLetters: letters });
  await sink.resume(never);
  const feed = new Feed();
  await sink.write(
    feed.batch([feed.delete(l, ['a'], 'full'), feed.delete(l, ['none'], 'full'), feed.update(l, ['c'], full('b'))]),
    never,
  );
  assert.deepEqual(letters.codes(), ['PGS3101 delete l']);
  assert.deepEqual(await db.rows('SELECT line FROM l ORDER BY 1'), [['a'], ['c']]);
});

test('with on_missing: warn a missing row is told as before; other refusals go to the letters', async () => {
  const db = await setup(refusals);
  const t = await db.relation('t');
  const letters = new Noted();
  await using sink = sinkFor(db.url, { deadLetters: letters, onMissing: 'warn' });
  await sink.resume(never);
  const feed = new Feed();
  const changes = [feed.update(t, ['500', 'b', '1', '1']), feed.insert(t, ['1', 'a', null, '1'])];
  await sink.write(feed.batch(changes), never);
  assert.deepEqual(letters.codes(), ['PGS3104 insert t']);
});
