import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StreamBatch } from '../../../../../core/api/change.ts';
import type { Relation } from '../../../../../core/postgres/relation.ts';
import { Feed, never, relationOf, sinkFor, textRows } from '../../../../support/apply.ts';
import { database, server } from '../../../../support/servers.ts';

/** Rows whose cells are the bytes of send functions, as they come where the stream was asked for binary. */
const on = await server(17);

const int8 = (value: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes.toString('latin1');
};
const float8 = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes.toString('latin1');
};
const bytes = (batch: StreamBatch): StreamBatch => ({ ...batch, values: 'binary' });

async function table(columns: string, major?: 15) {
  const db = await database(major === undefined ? on : await server(major), 'bytes');
  await db.query(`CREATE TABLE t (${columns})`);
  const found = await relationOf(db.url, 'public', 't');
  const relation: Relation = { ...found, columns: found.columns.map((column) => ({ ...column, binarySafe: true })) };
  const sink = sinkFor(db.url);
  await sink.resume(never);
  return { db, relation, sink, feed: new Feed() };
}

const rows = (feed: Feed, relation: Relation, from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => feed.insert(relation, [int8(BigInt(from + i)), float8(from + i)]));

test('a column that the target alters to a type as wide is never filled with bytes of the old one', async () => {
  const { db, relation, sink, feed } = await table('id int8 PRIMARY KEY, v float8');
  await using _ = sink;
  await sink.write(bytes(feed.batch(rows(feed, relation, 0, 20))), never);
  await db.query('ALTER TABLE t ALTER v TYPE int8');
  // One row is a statement of its own, whose parameter keeps its type.
  await sink.write(bytes(feed.batch(rows(feed, relation, 20, 21))), never);
  const many = bytes(feed.batch(rows(feed, relation, 21, 41)));
  await assert.rejects(sink.write(many, never), { code: 'PGS3115', retry: 'text' });
  assert.deepEqual(await textRows(db.url, 'SELECT count(*), sum(v) FROM t'), [['21', '210']]);
});

test('negative and large keys, and NULLs, go through arrays and COPY', async () => {
  const { db, relation, sink, feed } = await table('id int8 PRIMARY KEY, v float8');
  await using _ = sink;
  const ids = [
    -(2n ** 63n),
    -1n,
    0n,
    2n ** 31n,
    2n ** 63n - 1n,
    ...Array.from({ length: 20 }, (_, i) => BigInt(-50 + i)),
  ];
  await sink.write(bytes(feed.batch(ids.map((id) => feed.insert(relation, [int8(id), null])))), never);
  await sink.write(bytes(feed.batch(ids.map((id) => feed.update(relation, [int8(id), float8(-0.5)])))), never);
  assert.deepEqual(await textRows(db.url, 'SELECT count(*), sum(v), min(id), max(id) FROM t'), [
    ['25', '-12.5', '-9223372036854775808', '9223372036854775807'],
  ]);
  const gone = ids.map((id) => feed.delete(relation, [int8(id), null]));
  await sink.write(bytes(feed.batch(gone)), never);
  assert.deepEqual(await textRows(db.url, 'SELECT count(*) FROM t'), [['0']]);
});

test('a target that knows no infinite interval takes intervals as text', async () => {
  const { db, relation, sink, feed } = await table('id int8 PRIMARY KEY, v interval', 15);
  await using _ = sink;
  const infinity = '\x7f\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff\x7f\xff\xff\xff';
  const change = feed.insert(relation, [int8(1n), infinity]);
  await assert.rejects(sink.write(bytes(feed.batch([change])), never), { code: 'PGS3115', retry: 'text' });
  assert.deepEqual(await textRows(db.url, 'SELECT * FROM t'), []);
});
