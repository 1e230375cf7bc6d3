import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RowChange } from '../../../../core/api/change.ts';
import { UNCHANGED } from '../../../../core/postgres/tuple.ts';
import type { RecordLsn } from '../../../../core/postgres/lsn.ts';
import type { Relation } from '../../../../core/postgres/relation.ts';
import type { KafkaOptions } from '../../../../plugins/sink-kafka/options.ts';
import { messageValue } from '../../../../plugins/sink-kafka/records/envelope.ts';
import { changeRecords, type Headers } from '../../../../plugins/sink-kafka/records/events.ts';
import { readValue } from '../../../../plugins/sink-kafka/records/format.ts';
import { processedAt, snapshotMoment, transactionMoment } from '../../../../plugins/sink-kafka/records/moment.ts';
import { TransactionLog } from '../../../../plugins/sink-kafka/records/transactions.ts';
import { topicName } from '../../../../plugins/sink-kafka/routing/topics.ts';
import { settings } from '../../../../plugins/sink-kafka/settings.ts';
import { column, context, kafkaOptionsOf, relation } from '../../../support/kafka-batches.ts';

/** Golden records: byte for byte by the facts on Debezium 3.7's JSON, written down by hand. */
const customers = relation('customers', [
  column('id', 23, { notNull: true, typeName: 'integer' }),
  column('email', 25, { notNull: true }),
  column('price', 1700, { typmod: (10 << 16) + 2 + 4, typeName: 'numeric(10,2)' }),
  column('at', 1184, { typeName: 'timestamp with time zone' }),
  column('d', 1082, { typeName: 'date' }),
  column('ts', 1114, { typeName: 'timestamp without time zone' }),
]);
const full: Relation = { ...customers, identity: { kind: 'full' } };
const tx = {
  xid: 555,
  finalLsn: 24023140n as RecordLsn,
  commitTime: 1_767_323_045_123_456n,
  origin: null,
  previousEnd: 24023119n,
};
const row = ['1', 'a@x', '199.99', '2026-01-02 03:04:05.123456+00', '2026-01-02', '2026-01-02 03:04:05.123456'];
const processed = processedAt(1_767_323_045_201_841n);
const lsn = 24023128n;

const after =
  '{"id":1,"email":"a@x","price":"Th8=","at":"2026-01-02T03:04:05.123456Z","d":20455,"ts":1767323045123456}';
const source =
  '{"version":"3.7.0.Final","connector":"postgresql","name":"app","ts_ms":1767323045123,"snapshot":"false","db":"shop",' +
  '"sequence":"[\\"24023119\\",\\"24023128\\"]","ts_us":1767323045123456,"ts_ns":1767323045123456000,' +
  '"schema":"public","table":"customers","txId":555,"lsn":24023128,"xmin":null,"origin":null,"origin_lsn":null}';
const tail = '"ts_ms":1767323045201,"ts_us":1767323045201841,"ts_ns":1767323045201841000}';
const envelope = (op: string, before: string, now: string) =>
  `{"before":${before},"after":${now},"source":${source},"transaction":null,"op":"${op}",${tail}`;

interface Emitted {
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Headers | null;
}
function records(change: RowChange, options: Partial<KafkaOptions> = {}): Emitted[] {
  const chosen = settings(kafkaOptionsOf({ database: 'shop', ...options }), context('app'));
  const out: Emitted[] = [];
  changeRecords(chosen.formatOf(change.relation, 'stream'), change, {
    place: () => ({ at: transactionMoment(tx, processed), lsn: String(change.lsn), transaction: 'null' }),
    tombstones: chosen.tombstones,
    emit: (key, value, headers) => out.push({ key, value, headers }),
  });
  for (const { value } of out) if (value !== null) JSON.parse(value);
  return out;
}
const insert: RowChange = { kind: 'insert', relation: customers, tx, lsn, after: row };

test('insert', () => {
  assert.deepEqual(records(insert), [{ key: '{"id":1}', value: envelope('c', 'null', after), headers: null }]);
});

test('update without the old row, a large value not sent', () => {
  const change: RowChange = {
    kind: 'update',
    relation: customers,
    tx,
    lsn,
    before: null,
    after: ['1', UNCHANGED, ...row.slice(2)],
  };
  const toast = after.replace('"a@x"', '"__debezium_unavailable_value"');
  assert.deepEqual(records(change), [{ key: '{"id":1}', value: envelope('u', 'null', toast), headers: null }]);
});

test('update under REPLICA IDENTITY FULL has before, and takes what was not sent from it', () => {
  const old = ['1', 'old', null, null, null, null];
  const change: RowChange = {
    kind: 'update',
    relation: full,
    tx,
    lsn,
    before: { image: 'full', tuple: old },
    after: ['1', UNCHANGED, ...row.slice(2)],
  };
  const before = '{"id":1,"email":"old","price":null,"at":null,"d":null,"ts":null}';
  assert.deepEqual(records(change), [
    { key: '{"id":1}', value: envelope('u', before, after.replace('a@x', 'old')), headers: null },
  ]);
});

test('delete by key: NOT NULL columns get Debezium’s fallback, then a tombstone', () => {
  const change: RowChange = {
    kind: 'delete',
    relation: customers,
    tx,
    lsn,
    before: { image: 'key', tuple: ['1', null, null, null, null, null] },
  };
  const before = '{"id":1,"email":"","price":null,"at":null,"d":null,"ts":null}';
  assert.deepEqual(records(change), [
    { key: '{"id":1}', value: envelope('d', before, 'null'), headers: null },
    { key: '{"id":1}', value: null, headers: null },
  ]);
  assert.equal(records(change, { tombstones: false }).length, 1);
  assert.equal(
    records(change, { delete_before: 'nulls' })[0]?.value,
    envelope('d', before.replace('""', 'null'), 'null'),
  );
});

test('a key that changes: delete, tombstone, create, with the two headers', () => {
  const change: RowChange = {
    kind: 'update',
    relation: customers,
    tx,
    lsn,
    before: { image: 'key', tuple: ['1', null, null, null, null, null] },
    after: ['2', ...row.slice(1)],
  };
  const before = '{"id":1,"email":"","price":null,"at":null,"d":null,"ts":null}';
  assert.deepEqual(records(change), [
    { key: '{"id":1}', value: envelope('d', before, 'null'), headers: { '__debezium.newkey': '{"id":2}' } },
    { key: '{"id":1}', value: null, headers: { '__debezium.newkey': '{"id":2}' } },
    {
      key: '{"id":2}',
      value: envelope('c', 'null', after.replace('"id":1', '"id":2')),
      headers: { '__debezium.oldkey': '{"id":1}' },
    },
  ]);
});

test('a key value that was not sent comes from the old key; without one it is an error', () => {
  const change: RowChange = {
    kind: 'update',
    relation: customers,
    tx,
    lsn,
    before: { image: 'key', tuple: ['1', null, null, null, null, null] },
    after: [UNCHANGED, ...row.slice(1)],
  };
  const before = '{"id":1,"email":"","price":null,"at":null,"d":null,"ts":null}';
  assert.deepEqual(records(change), [{ key: '{"id":1}', value: envelope('u', before, after), headers: null }]);
  assert.throws(() => records({ ...change, before: null }), { code: 'PGS5008' });
});

test('a table without a key has null keys, and tombstones as well', () => {
  const keyless: Relation = { ...full, primaryKey: [] };
  const change: RowChange = { kind: 'delete', relation: keyless, tx, lsn, before: { image: 'full', tuple: row } };
  assert.deepEqual(records(change), [
    { key: null, value: envelope('d', after, 'null'), headers: null },
    { key: null, value: null, headers: null },
  ]);
});

test('key columns of the file must be in what the server sends of the old row', () => {
  const key = { 'public.*': ['email'] };
  assert.throws(() => records(insert, { key }), { code: 'PGS5008' });
  assert.throws(() => records(insert, { key: { customers: ['nope'] } }), { code: 'PGS5008' });
  assert.equal(records({ ...insert, relation: full }, { key })[0]?.key, '{"email":"a@x"}');
});

test('the key of a multi-column primary key is in key order, also where the identity lists table order', () => {
  const two = relation('two', [column('a', 23), column('b', 25)], {
    primaryKey: [1, 0],
    identity: { kind: 'key', positions: [0, 1] },
  });
  assert.equal(records({ ...insert, relation: two, after: ['1', 'x'] })[0]?.key, '{"b":"x","a":1}');
});

test('truncate and snapshot rows', () => {
  const format = settings(kafkaOptionsOf({ database: 'shop' }), context('app')).formatOf(customers, 'snapshot');
  const at = transactionMoment(tx, processed);
  assert.equal(format.truncate({ at, lsn: '24023128', transaction: 'null' }), envelope('t', 'null', 'null'));
  const read = readValue(format, row, {
    at: snapshotMoment({ takenAt: 1_767_323_045_123_456n, lsn: 24023128n, xid: 554 }, processed, 'true'),
    lsn: '24023128',
    transaction: 'null',
  });
  const wanted = envelope('r', 'null', after)
    .replace('"snapshot":"false"', '"snapshot":"true"')
    .replace('[\\"24023119\\",', '[null,')
    .replace('"txId":555', '"txId":554');
  assert.equal(read, wanted);
});

test('flat: the row, members as asked for, a delete as tombstone or rewritten', () => {
  const flat = { format: 'flat', fields: ['op', 'table', 'lsn', 'source_ts_ms', 'deleted'] } as const;
  const value = `${after.slice(0, -1).replace('"Th8="', '"199.99"')},"__deleted":"false","__op":"c","__table":"customers","__lsn":24023128,"__source_ts_ms":1767323045123}`;
  assert.deepEqual(records(insert, flat), [{ key: '{"id":1}', value, headers: null }]);
  assert.equal(records(insert, { format: 'flat' })[0]?.value, after.replace('"Th8="', '"199.99"'));
  const change: RowChange = { kind: 'delete', relation: full, tx, lsn, before: { image: 'full', tuple: row } };
  assert.deepEqual(records(change, flat), [{ key: '{"id":1}', value: null, headers: null }]);
  const [rewritten, tombstone] = records(change, { ...flat, deletes: 'rewrite' });
  assert.equal(rewritten?.value, value.replace('"__deleted":"false","__op":"c"', '"__deleted":"true","__op":"d"'));
  assert.equal(tombstone?.value, null);
});

test('cloudevents', () => {
  const value =
    '{"id":"name:app;lsn:24023128;txId:555;sequence:[\\"24023119\\",\\"24023128\\"]","source":"/debezium/postgresql/app","specversion":"1.0",' +
    '"type":"io.debezium.connector.postgresql.DataChangeEvent","time":"2026-01-02T03:04:05.123Z",' +
    '"datacontenttype":"application/json","iodebeziumop":"c","iodebeziumversion":"3.7.0.Final",' +
    '"iodebeziumconnector":"postgresql","iodebeziumname":"app","iodebeziumtsms":"1767323045123",' +
    '"iodebeziumsnapshot":"false","iodebeziumdb":"shop","iodebeziumsequence":"[\\"24023119\\",\\"24023128\\"]",' +
    '"iodebeziumtsus":"1767323045123456","iodebeziumtsns":"1767323045123456000",' +
    '"iodebeziumschema":"public","iodebeziumtable":"customers","iodebeziumtxId":"555","iodebeziumlsn":"24023128",' +
    '"iodebeziumxmin":null,"iodebeziumorigin":null,"iodebeziumoriginlsn":null,"iodebeziumtxid":null,' +
    `"iodebeziumtxtotalorder":null,"iodebeziumtxdatacollectionorder":null,"data":{"before":null,"after":${after}}}`;
  assert.equal(records(insert, { format: 'cloudevents' })[0]?.value, value);
});

test('logical message', () => {
  const names = { server: 'app', database: 'shop', version: '3.7.0.Final' };
  const at = transactionMoment(tx, processed);
  const block = source.replace('"schema":"public","table":"customers"', '"schema":"","table":""');
  assert.equal(
    messageValue(names, { prefix: 'p', content: 'aGk=' }, { at, lsn: '24023128', transaction: 'null' }),
    `{"op":"m","ts_ms":1767323045201,"source":${block},"transaction":null,"message":{"prefix":"p","content":"aGk="}}`,
  );
});

test('transaction metadata counts per transaction and per table', () => {
  const log = new TransactionLog();
  log.begin(555, 24023128n);
  assert.equal(log.key, '{"id":"555:24023128"}');
  assert.equal(
    log.beginValue('7'),
    '{"status":"BEGIN","id":"555:24023128","event_count":null,"data_collections":null,"ts_ms":7}',
  );
  log.next(customers, 24023128n);
  log.next(relation('other', []), 24023130n);
  assert.equal(log.next(customers, 24023132n), '{"id":"555:24023132","total_order":3,"data_collection_order":2}');
  log.end(24023140n);
  assert.equal(
    log.endValue('8'),
    '{"status":"END","id":"555:24023140","event_count":3,"data_collections":[{"data_collection":"public.other",' +
      '"event_count":1},{"data_collection":"public.customers","event_count":2}],"ts_ms":8}',
  );
});

test('topic names', () => {
  const { topicOf } = settings(kafkaOptionsOf({}), context('app'));
  assert.equal(topicOf({ schema: 'My Schema', name: 'tä$&ble' }), 'app.My_Schema.t___ble');
  assert.throws(() => topicName('x'.repeat(250)), { code: 'PGS5006' });
});

test('options that contradict each other are refused', () => {
  const make = (options: Partial<KafkaOptions>) => () => settings(kafkaOptionsOf(options), context('app'));
  assert.throws(make({ oversize: 'dead_letter' }), { code: 'PGS5018' });
});

test('headers of every record: Debezium’s from 3.0 on in its format, and those of the file', () => {
  const headers = (options: Partial<KafkaOptions>) => settings(kafkaOptionsOf(options), context('app')).headers;
  const extended = {
    '__debezium.context.connectorLogicalName': 'app',
    '__debezium.context.taskId': '0',
    '__debezium.context.connectorName': 'postgresql',
  };
  assert.deepEqual(Object.entries(headers({ headers: { team: 'crm' } }) ?? {}), [
    ...Object.entries(extended),
    ['team', 'crm'],
  ]);
  assert.deepEqual(headers({ format: 'flat', extended_headers: true }), extended);
  for (const without of [{ source_version: '2.7.4.Final' }, { extended_headers: false }, { format: 'flat' }] as const) {
    assert.equal(headers(without), null);
  }
});
