import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PgsluiceError } from '../../../../../core/base/error.ts';
import { Feed, never, relationOf, sinkFor, textRows } from '../../../../support/apply.ts';
import { database, ownServer, server } from '../../../../support/servers.ts';

const shared = await server(17);
const crashing = await ownServer(17, { wal_writer_delay: '10s' });
const many = (n: number, from = 1) => Array.from({ length: n }, (_, i) => String(from + i));

async function setup(sql: string) {
  const db = await database(shared);
  await db.query(sql);
  const rows = (text: string) => textRows(db.url, text);
  return { ...db, rows, relation: (name: string) => relationOf(db.url, 'public', name) };
}
const code = (expected: string) => (error: unknown) => error instanceof PgsluiceError && error.code === expected;

test('a transaction over several batches is invisible until its commit, and gone after a failure', async () => {
  const db = await setup('CREATE TABLE t (id int PRIMARY KEY, a text); CREATE TABLE log (x int)');
  const [t, log] = [await db.relation('t'), await db.relation('log')];
  const feed = new Feed();
  await using sink = sinkFor(db.url);
  await sink.resume(never);
  await sink.write(feed.batch([feed.insert(t, ['1', 'first'])]), never);
  const first = feed.last;
  const part = (from: number) => [
    ...many(20, from).map((i) => feed.insert(t, [i, 'x'])),
    ...many(20, from).map((i) => feed.insert(log, [i])),
  ];
  const receipt = await sink.write(feed.batch(part(100), true), never);
  assert.ok(receipt.status === 'accepted' || receipt.upTo === first);
  await sink.write(feed.batch(part(200), true), never);
  assert.deepEqual(await db.rows('SELECT count(*) FROM t'), [['1']]);
  assert.equal(await sink.flush(never), first, 'flush inside a transaction covers what was committed before it');
  assert.equal(await sink.resume(never), first);
  assert.deepEqual(await db.rows('SELECT count(*) FROM log'), [['0']]);
  // The whole transaction again, a middle part of which needs the replay in order (2 rows swap a unique value).
  await db.query(
    `CREATE UNIQUE INDEX ON t (a) WHERE a <> 'x'; INSERT INTO t SELECT i, 'u' || i FROM generate_series(901, 920) i`,
  );
  await sink.write(feed.batch(part(100), true), never);
  const swap = [feed.update(t, ['901', 'tmp'])];
  for (const i of many(19, 902)) swap.push(feed.update(t, [i, `u${Number(i) - 1}`]));
  swap.push(feed.update(t, ['901', 'u920']));
  await sink.write(feed.batch(swap, true), never);
  await sink.write(feed.batch(part(200), true), never);
  await sink.write(feed.batch([]), never);
  assert.deepEqual(
    await db.rows(`SELECT count(*), max(a) FILTER (WHERE id = 901), max(a) FILTER (WHERE id = 902) FROM t`),
    [['61', 'u920', 'u901']],
  );
  assert.deepEqual(await db.rows('SELECT count(*) FROM log'), [['40']]);
  assert.equal(await sink.flush(never), feed.last);
});

test('a failure late in a split transaction leaves nothing of it', async () => {
  const db = await setup('CREATE TABLE t (id int PRIMARY KEY)');
  const t = await db.relation('t');
  const feed = new Feed();
  await using sink = sinkFor(db.url);
  await sink.resume(never);
  await sink.write(
    feed.batch(
      many(30).map((i) => feed.insert(t, [i])),
      true,
    ),
    never,
  );
  await assert.rejects(sink.write(feed.batch([feed.insert(t, ['1'])]), never), code('PGS3102'));
  assert.equal(await sink.resume(never), null);
  assert.deepEqual(await db.rows('SELECT count(*) FROM t'), [['0']]);
});

test('the same batch is not applied twice, and positions do not go back', async () => {
  const db = await setup('CREATE TABLE t (a int)');
  const t = await db.relation('t');
  const feed = new Feed();
  await using sink = sinkFor(db.url);
  await sink.resume(never);
  const batch = feed.batch([feed.insert(t, ['1'])]);
  await sink.write(batch, never);
  await assert.rejects(sink.write(batch, never), code('PGS3109'));
  assert.equal(await sink.resume(never), batch.boundary);
  // Someone else moves the stored position: the guard in the statement sees it before the commit.
  await db.query(`UPDATE pgsluice.position SET lsn = 'FF/0'`);
  await assert.rejects(sink.write(feed.batch(many(20).map((i) => feed.insert(t, [i]))), never), code('PGS3109'));
  assert.deepEqual(await db.rows('SELECT a FROM t'), [['1']]);
});

test('a session that lost its client is waited for, so a commit on its way is not applied again', async () => {
  // A check makes the batch take a second after its client has gone.
  const db = await setup(`CREATE TABLE t (a int);
    CREATE FUNCTION nap() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN true; END';
    CREATE TABLE slow (a int CHECK (public.nap()))`);
  const [t, slow] = [await db.relation('t'), await db.relation('slow')];
  const feed = new Feed();
  const abort = new AbortController();
  await using lost = sinkFor(db.url);
  await lost.resume(never);
  const write = lost.write(feed.batch([feed.insert(t, ['1']), feed.insert(slow, ['1'])]), abort.signal);
  await new Promise((resolve) => setTimeout(resolve, 300));
  abort.abort();
  await assert.rejects(write, { name: 'AbortError' });
  await using next = sinkFor(db.url);
  const position = await next.resume(never);
  const [[count]] = (await db.rows('SELECT count(*) FROM t')) as [[string]];
  assert.equal(position === null ? '0' : '1', count, 'position and rows tell the same');
  await new Promise((resolve) => setTimeout(resolve, 1200));
  assert.deepEqual(await db.rows('SELECT count(*) FROM t'), [[count]], 'and stay so');
});

test('batches without changes write no transaction each; flush stores their position', async () => {
  const db = await setup('CREATE TABLE t (a int)');
  const feed = new Feed();
  await using sink = sinkFor(db.url);
  await sink.resume(never);
  await sink.write(feed.batch([]), never);
  const xids = async () => Number((await db.rows(`SELECT xmin::text FROM pgsluice.position`))[0]?.[0]);
  const before = await xids();
  for (let i = 0; i < 50; i++) assert.equal((await sink.write(feed.batch([]), never)).status, 'accepted');
  assert.equal(await xids(), before);
  assert.equal(await sink.flush(never), feed.last);
  assert.equal(await sink.resume(never), feed.last);
});

test('what is told durable survives a crash of the target; what is not told may go', async () => {
  await crashing.query('CREATE TABLE t (a int)');
  const url = crashing.url();
  const t = await relationOf(url, 'public', 't');
  const feed = new Feed();
  await using sink = sinkFor(url);
  await sink.resume(never);
  const positions: bigint[] = [];
  let durable = 0n;
  const write = async (n: number) => {
    const receipt = await sink.write(feed.batch(many(n).map((i) => feed.insert(t, [i]))), never);
    positions.push(feed.last);
    if (receipt.status === 'durable') durable = receipt.upTo;
  };
  for (let i = 0; i < 5; i++) await write(50);
  assert.equal(await sink.flush(never), feed.last);
  const flushed = feed.last;
  for (let i = 0; i < 20; i++) await write(50);
  assert.ok(durable >= flushed);
  await crashing.restart('immediate');
  const back = (await sink.resume(never)) as bigint;
  assert.ok(back >= durable && back >= flushed, `${back} after ${durable}`);
  const rows = await textRows(url, 'SELECT count(*) FROM t');
  assert.equal(Number(rows[0]?.[0]), (positions.indexOf(back) + 1) * 50, 'rows and position are of one transaction');
  // Once its WAL is flushed by others, a later receipt tells it without a flush of ours.
  await write(1);
  await crashing.query('CHECKPOINT');
  const receipt = await sink.write(feed.batch([feed.insert(t, ['1'])]), never);
  assert.ok(receipt.status === 'durable' && receipt.upTo >= (positions.at(-1) as bigint));
});

test('a lost connection is an error to try again, and resume goes on', async () => {
  const db = await setup('CREATE TABLE t (a int)');
  const t = await db.relation('t');
  const feed = new Feed();
  await using sink = sinkFor(db.url);
  await sink.resume(never);
  await sink.write(feed.batch([feed.insert(t, ['1'])]), never);
  const first = feed.last;
  await db.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgsluice p apply' AND datname = '${db.name}'`,
  );
  const batch = feed.batch([feed.insert(t, ['2'])]);
  await assert.rejects(
    sink.write(batch, never),
    (error) => error instanceof PgsluiceError && error.retry === 'backoff',
  );
  assert.equal(await sink.resume(never), first);
  await sink.write(batch, never);
  assert.deepEqual(await db.rows('SELECT a FROM t ORDER BY a'), [['1'], ['2']]);
});
