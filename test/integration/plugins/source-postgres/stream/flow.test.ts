import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StreamBatch } from '../../../../../core/api/change.ts';
import type { CommitLsn } from '../../../../../core/postgres/lsn.ts';
import { ownServer, server } from '../../../../support/servers.ts';
import { brief, lastBoundary, readAll, Reader, streamSource } from '../../../../support/stream-source.ts';

test('a slow reader: memory stays bounded and the walsender lives longer than wal_sender_timeout', async () => {
  const own = await ownServer(17, { wal_sender_timeout: '2s' });
  const source = await streamSource(own, 'CREATE TABLE t (id int, pad text)');
  // 120 MB in 200 transactions, far more than socket and stream buffers hold.
  await source.db.query(
    `DO $$ BEGIN FOR i IN 1..200 LOOP
       INSERT INTO t SELECT i * 1000 + j, repeat('x', 2000) FROM generate_series(1, 300) j; COMMIT;
     END LOOP; END $$`,
  );
  let buffered = 0;
  const metrics = {
    count: () => {},
    gauge: (_: string, value: number) => {
      buffered = Math.max(buffered, value);
    },
  };
  await using stream = await source.open({
    bufferBytes: 4 << 20,
    batchBytes: 1 << 20,
    statusInterval: 10_000,
    until: await source.position(),
    metrics,
  });
  const reader = new Reader(stream);
  global.gc?.();
  const before = process.memoryUsage();
  const first = await reader.batch();
  await sleep(5000);
  const grown = process.memoryUsage();
  assert.ok(
    grown.external + grown.arrayBuffers - before.external - before.arrayBuffers < 40 << 20,
    JSON.stringify(grown),
  );
  const [row] = await source.db.query<{ active: boolean }>(
    `SELECT active FROM pg_replication_slots WHERE slot_name = '${source.db.name}'`,
  );
  assert.equal(row?.active, true);
  let changes = first?.changes.length ?? 0;
  for (const batch of await reader.rest()) changes += batch.changes.length;
  assert.equal(changes, 60_000);
  assert.ok(buffered > 0 && buffered < 6 << 20, `${buffered} bytes were buffered`);
});

test('a transaction larger than the budget comes in pieces, its boundary with the last', async () => {
  const source = await streamSource(await server(17), 'CREATE TABLE t (id int, pad text)');
  await source.db.query('INSERT INTO t VALUES (0)');
  await source.db.query(`INSERT INTO t SELECT i, repeat('y', 200) FROM generate_series(1, 20000) i`);
  await source.db.query('INSERT INTO t VALUES (-1)');
  await using stream = await source.open({ batchBytes: 256 << 10, until: await source.position() });
  const batches: StreamBatch[] = await new Reader(stream).rest();
  const pieces = batches.filter(({ boundary }) => boundary === null);
  assert.ok(pieces.length >= 15, `${pieces.length} pieces`);
  assert.ok(batches.every(({ bytes }) => bytes < 300 << 10));
  assert.equal(
    batches.reduce((sum, { transactions }) => sum + transactions, 0),
    3,
  );
  const ids = batches.flatMap(({ changes }) =>
    changes.map((c) => (c.kind === 'insert' ? Number(c.after[0]) : Number.NaN)),
  );
  assert.deepEqual(ids, [...Array(20_001).keys(), -1]);
  assert.ok(lastBoundary(batches) > 0n);
});

test('values of many megabytes, and a message larger than the buffer', async () => {
  const source = await streamSource(await server(17), 'CREATE TABLE t (a text, b text)');
  await source.db.query(`INSERT INTO t VALUES (repeat('é', 10000000), repeat('x', 30000000))`);
  const [change] = await readAll(source, { bufferBytes: 1 << 20, batchBytes: 1 << 20 });
  assert.ok(change?.kind === 'insert');
  assert.ok(change.after[0] === 'é'.repeat(10_000_000), 'the first value');
  assert.ok(change.after[1] === 'x'.repeat(30_000_000), 'the second value');
});

for (const major of [14, 15, 16, 18]) {
  test(`PostgreSQL ${major}: transactions streamed in progress come out as without streaming`, async () => {
    const own = await server(major);
    const source = await streamSource(own, 'CREATE TABLE t (id int PRIMARY KEY, a text)');
    await source.db.query(`ALTER DATABASE ${source.db.name} SET logical_decoding_work_mem = '64kB'`);
    const rows = (from: number, to: number) =>
      `INSERT INTO t SELECT i, repeat('é', 100) FROM generate_series(${from}, ${to}) i;`;
    await source.db.query(
      `BEGIN; ${rows(1, 2000)} SAVEPOINT a; ${rows(2001, 4000)} SAVEPOINT b; ${rows(4001, 6000)}
       RELEASE b; ${rows(6001, 6100)} ROLLBACK TO a; ALTER TABLE t ADD c int DEFAULT 5;
       SAVEPOINT d; ALTER TABLE t ADD x int; INSERT INTO t SELECT i, 'x', 1, 2 FROM generate_series(90001, 92000) i;
       ROLLBACK TO d; INSERT INTO t SELECT i, 'after', 6 FROM generate_series(7001, 9000) i;
       SELECT pg_logical_emit_message(true, 'pgsluice', 'inside'); COMMIT`,
    );
    await source.db.query(`BEGIN; ${rows(20001, 24000)} ROLLBACK`);
    await source.db.query(
      `BEGIN; ${rows(30001, 34000)} UPDATE t SET id = -id WHERE id < 3; DELETE FROM t WHERE id = 3; COMMIT`,
    );
    await source.db.query('TRUNCATE t; INSERT INTO t VALUES (1)');
    const plain = await readAll(source);
    let messages = 0;
    const streamed = await readAll(source, {
      streaming: true,
      metrics: { count: (name, by) => void (name === 'source_changes' && (messages += by)), gauge: () => {} },
    });
    assert.equal(messages, plain.length);
    const shown = (changes: typeof plain) =>
      changes.map((change) => `${brief(change)} ${change.tx.xid} ${change.tx.finalLsn} ${change.tx.commitTime}`);
    assert.ok(plain.length > 8000);
    assert.deepEqual(shown(streamed), shown(plain));
    const [spilled] = await source.db.query<{ txns: string }>(
      `SELECT stream_txns AS txns FROM pg_stat_replication_slots WHERE slot_name = '${source.db.name}'`,
    );
    assert.ok(Number(spilled?.txns) > 0, 'the server streamed');
  });
}

test('streaming: what was in progress at a broken connection comes whole after it, though idle positions went beyond', async () => {
  const source = await streamSource(await server(17), 'CREATE TABLE t (id int); CREATE TABLE o (a int)', 'FOR TABLE t');
  await source.db.query(`ALTER DATABASE ${source.db.name} SET logical_decoding_work_mem = '64kB'`);
  const { default: pg } = await import('pg');
  const writer = new pg.Client({ connectionString: source.db.url });
  await writer.connect();
  await writer.query('BEGIN; INSERT INTO t SELECT generate_series(1, 5000)');
  await source.db.query('INSERT INTO o SELECT generate_series(1, 100)');
  const target = await source.position();
  let idle = 0n;
  {
    await using stream = await source.open({ streaming: true, statusInterval: 50 });
    const reader = new Reader(stream);
    while (idle < target) {
      const item = await reader.item();
      assert.ok(item?.kind === 'idle');
      idle = item.at;
      stream.confirm(item.at);
    }
    await stream.flushConfirmed();
  }
  await writer.query('COMMIT');
  await writer.end();
  const all = await readAll(source, { streaming: true, acknowledged: idle, from: idle as CommitLsn });
  assert.equal(all.length, 5000);
});
