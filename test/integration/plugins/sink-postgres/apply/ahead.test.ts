import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StreamBatch } from '../../../../../core/api/change.ts';
import { UNCHANGED } from '../../../../../core/postgres/tuple.ts';
import { Feed, key, type LogLine, never, relationOf, sinkFor, textRows } from '../../../../support/apply.ts';
import { database, server } from '../../../../support/servers.ts';

// Here, not in a test: a server started in a test would end with it.
const pg = await server(17);

const many = (n: number) => Array.from({ length: n }, (_, i) => String(i + 1));

async function setup(more: { lines?: LogLine[] } = {}) {
  const db = await database(pg);
  await db.query(`CREATE TABLE t (id int PRIMARY KEY, a text, u int UNIQUE);
    INSERT INTO t SELECT i, 'a' || i, i FROM generate_series(1, 40) i`);
  const sink = sinkFor(db.url, more);
  await sink.resume(never);
  const t = await relationOf(db.url, 'public', 't');
  const rows = (where = 'true') => textRows(db.url, `SELECT * FROM t WHERE ${where} ORDER BY id`);
  return { ...db, sink, t, rows, feed: new Feed() };
}

/** Writes one after the other, each prepared while the one before is written. */
async function inTurn({ sink }: Awaited<ReturnType<typeof setup>>, batches: readonly StreamBatch[]): Promise<void> {
  for (const [i, batch] of batches.entries()) {
    const write = sink.write(batch, never);
    const next = batches[i + 1];
    if (next !== undefined) sink.prepare?.(next);
    await write;
  }
}

const replays = (lines: readonly LogLine[]) => lines.filter(({ event }) => event === 'apply-replay');

test('what was prepared is applied once, behind what was written before it', async () => {
  const lines: LogLine[] = [];
  const db = await setup({ lines });
  await using _ = db.sink;
  const { feed, t } = db;
  await inTurn(db, [
    feed.batch(many(40).map((i) => feed.update(t, [i, `b${i}`, UNCHANGED]))),
    // Two that use the same statement for the first time.
    feed.batch([feed.insert(t, ['43', 'x', '43'])]),
    feed.batch([feed.insert(t, ['44', 'x', '44'])]),
    feed.batch([feed.delete(t, ['43', null, null]), feed.delete(t, ['44', null, null])]),
    feed.batch(many(40).map((i) => feed.update(t, [i, `c${i}`, UNCHANGED]))),
    feed.batch([feed.delete(t, ['1', null, null]), feed.insert(t, ['41', 'd41', '41'])]),
    feed.batch([feed.update(t, ['41', 'e41', UNCHANGED]), feed.update(t, ['42', 'a2', '2'], key('2', null, null))]),
    feed.batch([feed.delete(t, ['41', null, null])]),
  ]);
  assert.equal((await db.rows("id BETWEEN 3 AND 40 AND a = 'c' || id")).length, 38);
  assert.deepEqual(await db.rows('id < 3 OR id > 40'), [['42', 'a2', '2']]);
  assert.equal(await db.sink.flush(never), feed.last);
  assert.equal(await db.sink.resume(never), feed.last);
  assert.deepEqual(replays(lines), []);
});

test('a batch that fails set-wise, and statements that it shares with the one prepared behind it', async () => {
  const lines: LogLine[] = [];
  const db = await setup({ lines });
  await using _ = db.sink;
  const { feed, t } = db;
  // Values of the second unique key rotate: as a set they collide, in order they do not.
  const rotate = (): StreamBatch =>
    feed.batch([
      feed.update(t, ['1', 'r', '-1']),
      feed.update(t, ['2', 'r', '1']),
      feed.update(t, ['1', 'r', '2']),
      feed.insert(t, ['50', 'new', '50']),
      feed.delete(t, ['50', null, null]),
    ]);
  const before = rotate();
  const back = feed.batch([
    feed.update(t, ['2', 's', '-1']),
    feed.update(t, ['1', 's', '1']),
    feed.update(t, ['2', 's', '2']),
    feed.insert(t, ['51', 'new', '51']),
  ]);
  await inTurn(db, [before, back, rotate()]);
  assert.deepEqual(await db.rows('id < 3 OR id > 40'), [
    ['1', 'r', '2'],
    ['2', 'r', '1'],
    ['51', 'new', '51'],
  ]);
  assert.equal(replays(lines).length, 1, 'what was prepared for the table as it was trusted is written again');
});

test('a transaction that goes on in what is prepared', async () => {
  const db = await setup();
  await using _ = db.sink;
  const { feed, t } = db;
  await inTurn(db, [
    feed.batch(
      many(20).map((i) => feed.insert(t, [String(100 + Number(i)), 'x', String(100 + Number(i))])),
      true,
    ),
    feed.batch([feed.update(t, ['101', 'y', UNCHANGED])], true),
    feed.batch([feed.delete(t, ['102', null, null])]),
    feed.batch([feed.update(t, ['103', 'z', UNCHANGED])]),
  ]);
  assert.equal((await db.rows('id > 100')).length, 19);
  assert.deepEqual(await db.rows('id IN (101, 102, 103)'), [
    ['101', 'y', '101'],
    ['103', 'z', '103'],
  ]);
});

test('what was prepared and never comes leaves nothing; statements that it noted are made again', async () => {
  const db = await setup();
  await using _ = db.sink;
  const { feed, t } = db;
  const first = feed.batch(many(20).map((i) => feed.update(t, [i, 'first', UNCHANGED])));
  const absent = feed.batch([feed.delete(t, ['1', null, null]), feed.update(t, ['2', 'never', UNCHANGED])]);
  const second = feed.batch([feed.delete(t, ['3', null, null]), feed.update(t, ['4', 'second', UNCHANGED])]);
  const write = db.sink.write(first, never);
  db.sink.prepare?.(absent);
  await write;
  await db.sink.write(second, never);
  assert.deepEqual(await db.rows('id < 5'), [
    ['1', 'first', '1'],
    ['2', 'first', '2'],
    ['4', 'second', '4'],
  ]);
});

test('what cannot be written is told when its turn comes, with what came before it applied', async () => {
  const db = await setup();
  await using _ = db.sink;
  const { feed, t } = db;
  const good = feed.batch(many(20).map((i) => feed.update(t, [i, 'good', UNCHANGED])));
  // A new key without the old row: the row cannot be found.
  const bad = feed.batch([feed.update(t, [UNCHANGED, 'bad', UNCHANGED])]);
  const write = db.sink.write(good, never);
  db.sink.prepare?.(bad);
  await write;
  await assert.rejects(db.sink.write(bad, never), { code: 'PGS3106' });
  assert.equal((await db.rows("a = 'good'")).length, 20);
});
