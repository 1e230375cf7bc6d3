import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { PgsluiceError } from '../../../../../core/base/error.ts';
import type { Change } from '../../../../../core/api/change.ts';
import type { CommitLsn } from '../../../../../core/postgres/lsn.ts';
import { server } from '../../../../support/servers.ts';
import {
  brief,
  lastBoundary,
  readAll,
  Reader,
  type StreamSource,
  streamSource,
} from '../../../../support/stream-source.ts';

async function session(source: StreamSource): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: source.db.url });
  await client.connect();
  return client;
}

for (const major of [14, 15, 18]) {
  test(`PostgreSQL ${major}: of two commits back to back, the second still comes after the first was acknowledged`, async () => {
    const source = await streamSource(await server(major), 'CREATE TABLE t (id int PRIMARY KEY)');
    const [one, two] = [await session(source), await session(source)];
    try {
      let from = source.from as bigint;
      // Now and then the server writes a record of its own between the two; then the case is made again.
      for (let id = 1, adjacent = false; !adjacent; id += 2) {
        assert.ok(id < 20, 'the second commit record never began where the first ended');
        await one.query(`BEGIN; INSERT INTO t VALUES (${id})`);
        await two.query(`BEGIN; INSERT INTO t VALUES (${id + 1})`);
        await one.query('COMMIT');
        const { seen, end } = await firstBatches(source, 1, from);
        assert.deepEqual(seen, [`insert t ${id}`]);
        assert.equal(await source.confirmed(), end, 'exactly the end of the commit record');
        await two.query('COMMIT');
        const rest = await firstBatches(source, 1, end);
        assert.deepEqual(rest.seen, [`insert t ${id + 1}`]);
        adjacent = (rest.begun as bigint) === end;
        from = rest.end;
      }
    } finally {
      await one.end();
      await two.end();
    }
  });
}

test('transactions whose BEGIN and COMMIT orders differ come in commit order, each once over a reconnect', async () => {
  const source = await streamSource(await server(17), 'CREATE TABLE t (id int PRIMARY KEY)');
  const clients = await Promise.all([1, 2, 3].map(() => session(source)));
  try {
    for (const [i, client] of clients.entries()) await client.query(`BEGIN; INSERT INTO t VALUES (${i + 1})`);
    await clients[2]?.query('COMMIT');
    await clients[0]?.query('COMMIT');
    const first = await firstBatches(source, 2);
    assert.deepEqual(first.seen, ['insert t 3', 'insert t 1']);
    await clients[1]?.query('COMMIT');
    assert.deepEqual((await readAll(source, { from: first.end })).map(brief), ['insert t 2']);
  } finally {
    for (const client of clients) await client.end();
  }
});

/** Reads until `changes` are there, confirms, closes. `begun`: where the last one's commit record starts. */
async function firstBatches(source: StreamSource, changes: number, from?: bigint) {
  await using stream = await source.open(from === undefined ? {} : { from });
  const reader = new Reader(stream);
  const all: Change[] = [];
  let end = source.from as bigint as CommitLsn;
  while (all.length < changes) {
    const batch = await reader.batch();
    all.push(...(batch?.changes ?? []));
    end = batch?.boundary ?? end;
  }
  stream.confirm(end);
  await stream.flushConfirmed();
  return { seen: all.map(brief), end, begun: all.at(-1)?.tx.finalLsn };
}

test('nothing is acknowledged that was not confirmed, however long the stream runs and whatever was read', async () => {
  const source = await streamSource(await server(17), 'CREATE TABLE t (id int PRIMARY KEY)');
  await source.db.query('INSERT INTO t VALUES (1)');
  await source.db.query('INSERT INTO t VALUES (2)');
  const before = await source.confirmed();
  {
    await using stream = await source.open({ statusInterval: 20 });
    await new Reader(stream).batch();
    await sleep(300);
    assert.equal(await source.confirmed(), before);
  }
  assert.equal((await readAll(source)).length, 2, 'all of it comes again');
});

test('a confirmation reaches the slot by itself, and one beyond what was handed out is refused', async () => {
  const source = await streamSource(await server(17), 'CREATE TABLE t (id int PRIMARY KEY)');
  await source.db.query('INSERT INTO t VALUES (1)');
  await using stream = await source.open({ statusInterval: 60_000 });
  const boundary = (await new Reader(stream).batch())?.boundary as CommitLsn;
  assert.throws(
    () => stream.confirm((boundary + 1n) as CommitLsn),
    (error) => error instanceof PgsluiceError && error.code === 'PGS2167',
  );
  stream.confirm(boundary);
  while ((await source.confirmed()) !== boundary) await sleep(5);
});

for (const major of [14, 18]) {
  test(`PostgreSQL ${major}: between the pieces of a transaction all that commits before it may be confirmed, and it comes again as a whole`, async () => {
    const source = await streamSource(await server(major), 'CREATE TABLE t (id int PRIMARY KEY, v text)');
    await source.db.query('INSERT INTO t VALUES (0)');
    await source.db.query("INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 500) i");
    await source.db.query('INSERT INTO t VALUES (501)');
    const begun = await confirmedInPieces(source);
    assert.equal(await source.confirmed(), begun);
    const again = await readAll(source, { from: begun, acknowledged: begun });
    const keys = again.map((change) => brief(change).split(',')[0]);
    assert.deepEqual(
      keys,
      Array.from({ length: 501 }, (_, i) => `insert t ${i + 1}`),
    );
  });
}

/** Reads up to a piece of a transaction, confirms to the start of its commit record, and is refused one byte beyond it. */
async function confirmedInPieces(source: StreamSource): Promise<CommitLsn> {
  await using stream = await source.open({ batchBytes: 64 << 10 });
  const reader = new Reader(stream);
  for (;;) {
    const batch = await reader.batch();
    assert.ok(batch !== null, 'no transaction came in pieces');
    if (batch.boundary !== null) continue;
    const begun = batch.changes.at(-1)?.tx.finalLsn as bigint as CommitLsn;
    assert.throws(() => stream.confirm((begun + 1n) as CommitLsn), { code: 'PGS2167' });
    stream.confirm(begun);
    await stream.flushConfirmed();
    return begun;
  }
}

for (const major of [14, 17]) {
  test(`PostgreSQL ${major}: WAL that does not concern the tables moves the slot through idle positions`, async () => {
    const source = await streamSource(
      await server(major),
      'CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE other (a int)',
      'FOR TABLE t',
    );
    await source.db.query('INSERT INTO t VALUES (1)');
    await using stream = await source.open({ statusInterval: 100 });
    const reader = new Reader(stream);
    const batch = await reader.batch();
    stream.confirm(batch?.boundary as CommitLsn);
    await source.db.query('INSERT INTO other SELECT generate_series(1, 1000)');
    const target = await source.position();
    let at = 0n;
    while (at < target) {
      const item = await reader.item();
      assert.ok(item?.kind === 'idle', 'no batch comes of it');
      assert.ok(item.at > at, 'idle positions grow');
      at = item.at;
      stream.confirm(item.at);
    }
    await stream.flushConfirmed();
    while ((await source.confirmed()) < target) await sleep(5);
    await source.db.query('INSERT INTO t VALUES (2)');
    assert.deepEqual((await reader.batch())?.changes.map(brief), ['insert t 2']);
  });
}

test('a slot that idle positions moved beyond the last commit may be resumed by who noted them, and by no other', async () => {
  const source = await streamSource(
    await server(17),
    'CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE o (a int)',
    'FOR TABLE t',
  );
  await source.db.query('INSERT INTO o VALUES (1)');
  let idle = 0n;
  {
    await using stream = await source.open({ statusInterval: 50 });
    const item = await new Reader(stream).item();
    assert.ok(item?.kind === 'idle');
    idle = item.at;
    stream.confirm(item.at);
    await stream.flushConfirmed();
  }
  await source.db.query('INSERT INTO t VALUES (7)');
  await assert.rejects(source.open(), (error) => error instanceof PgsluiceError && error.code === 'PGS2156');
  assert.deepEqual((await readAll(source, { acknowledged: idle })).map(brief), ['insert t 7']);
});

for (const major of [14, 18]) {
  test(`PostgreSQL ${major}: until: everything up to the position, nothing after it, then the end`, async () => {
    const source = await streamSource(await server(major), 'CREATE TABLE t (id int PRIMARY KEY)');
    await source.db.query('INSERT INTO t VALUES (1)');
    const until = await source.position();
    await source.db.query('INSERT INTO t VALUES (2)');
    await using early = await source.open({ until });
    const reader = new Reader(early);
    const batches = await reader.rest();
    assert.deepEqual(
      batches.flatMap(({ changes }) => changes.map(brief)),
      ['insert t 1'],
    );
    assert.equal(await reader.item(), null, 'it stays at its end');
    early.confirm(lastBoundary(batches));
    await early.flushConfirmed();
    while ((await source.confirmed()) !== lastBoundary(batches)) await sleep(5);
    await early[Symbol.asyncDispose]();
    // Exactly at a commit's end, and one byte before it.
    const all = await readWithBoundaries(source, lastBoundary(batches));
    const [end] = all.slice(-1);
    assert.ok(end !== undefined);
    assert.equal((await readAll(source, { from: lastBoundary(batches), until: end })).length, 1);
    assert.equal((await readAll(source, { from: lastBoundary(batches), until: end - 1n })).length, 0);
  });
}

async function readWithBoundaries(source: StreamSource, from: bigint): Promise<bigint[]> {
  await using stream = await source.open({ from, until: await source.position() });
  return (await new Reader(stream).rest()).map(({ boundary }) => boundary as bigint);
}

test('until lies ahead: the stream waits for it on an idle server', async () => {
  const source = await streamSource(await server(17), 'CREATE TABLE t (id int PRIMARY KEY)');
  const until = (await source.position()) + 5000n;
  await using stream = await source.open({ until });
  const end = new Reader(stream).rest();
  for (let i = 1; (await source.position()) <= until; i++) await source.db.query(`INSERT INTO t VALUES (${i})`);
  await source.db.query('INSERT INTO t VALUES (0)');
  const batches = await end;
  assert.ok(batches.length > 0);
  assert.ok(lastBoundary(batches) <= until);
});
