import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reader, readRecordsBatch } from '@platformatic/kafka';
import type { KafkaRecord } from '../../../../plugins/sink-kafka/client/producer.ts';
import { RecordPacker } from '../../../../plugins/sink-kafka/client/record-packer.ts';
import type { EncodedRecord } from '../../../../plugins/sink-kafka/records/row-records.ts';
import { BatchPacker, type PartitionBatch } from '../../../../plugins/sink-kafka/wire/batch-packer.ts';
import { encodeHeaders, noHeaders, RecordBatch } from '../../../../plugins/sink-kafka/wire/record-batch.ts';

const no = new Uint8Array(0);

/** CRC-32C bit by bit, to be independent of the table in use. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  }
  return (crc ^ 0xffff_ffff) >>> 0;
}

function read(batch: RecordBatch) {
  const by = { producerId: 77n, producerEpoch: 3, sequence: 9, transactional: true, codec: 0, crc32c };
  const bytes = batch.seal(by, null);
  const decoded = readRecordsBatch(Reader.from(Buffer.from(bytes)));
  assert.equal(decoded.length, bytes.length - 12);
  assert.equal(decoded.crc, crc32c(bytes.subarray(21)));
  assert.deepEqual(
    [decoded.magic, decoded.attributes, decoded.producerId, decoded.producerEpoch, decoded.firstSequence],
    [2, 0x10, 77n, 3, 9],
  );
  assert.equal(decoded.lastOffsetDelta, batch.count - 1);
  return decoded.records.map((record, i) => {
    assert.equal(record.offsetDelta, i);
    const headers = record.headers.map(([name, value]) => [String(name), String(value)]);
    return { key: record.key?.toString() ?? null, value: record.value?.toString() ?? null, headers };
  });
}

test('values of every length and script come back, also where their size was guessed wrong', () => {
  // Around the borders of the lengths' own lengths: one, two and three bytes.
  const lengths = [0, 1, 20, 40, 41, 42, 43, 50, 60, 61, 62, 63, 64, 65, 126, 127, 128, 8150, 8190, 8191, 8192, 8193];
  for (const text of ['x', 'é', '–', '😀']) {
    const batch = new RecordBatch(64);
    const want = [];
    for (const length of lengths) {
      for (const key of [null, '', `{"id":${length}}`]) {
        const value = text.repeat(length);
        const bytes = Buffer.from(key ?? '');
        batch.append(bytes, key === null ? -1 : bytes.length, value, noHeaders);
        want.push({ key, value, headers: [] });
      }
    }
    assert.deepEqual(read(batch), want);
  }
});

test('tombstones, headers, many records, and a record that is taken back', () => {
  const batch = new RecordBatch(64);
  const headers = encodeHeaders({ '__debezium.newkey': '{"id":"ü"}', team: 'crm' });
  const want = [];
  for (let n = 0; n < 20_000; n++) {
    const key = Buffer.from(String(n));
    const size = batch.append(key, key.length, n % 3 === 0 ? null : `value ${n}`, n % 5 === 0 ? headers : noHeaders);
    if (n % 7 === 0) batch.undo(size);
    else {
      const pairs = [
        ['__debezium.newkey', '{"id":"ü"}'],
        ['team', 'crm'],
      ];
      want.push({
        key: String(n),
        value: n % 3 === 0 ? null : `value ${n}`,
        headers: n % 5 === 0 ? pairs : [],
      });
    }
  }
  assert.deepEqual(read(batch), want);
  batch.clear();
  batch.append(no, -1, 'again', noHeaders);
  assert.deepEqual(read(batch), [{ key: null, value: 'again', headers: [] }]);
});

test('a packer cuts requests where a topic takes no larger batch, refuses what never fits, and keeps order', async () => {
  const sent: PartitionBatch[][] = [];
  const found: (string | null)[] = [];
  const packer = new BatchPacker(10_000, async (requests) => {
    for (const request of requests) {
      assert.equal(new Set(request.map(({ partition }) => partition)).size, request.length, 'one batch per partition');
      for (const { batch } of request) {
        assert.ok(batch.size <= 1000);
        found.push(...read(batch).map(({ value }) => value));
      }
      sent.push([...request]);
    }
  });
  const topic = { name: 't', partitions: 1, maxBytes: 1000 };
  for (let n = 0; n < 30; n++) assert.ok(packer.add(topic, String(n), `${n} ${'v'.repeat(330)}`, null));
  assert.equal(packer.add(topic, 'k', 'x'.repeat(1000), null), false);
  const shipment = packer.take();
  assert.equal(shipment?.records, 30);
  await shipment?.send();
  assert.equal(sent.length, 15, 'three do not fit into a batch, two do: nothing more is cut than must be');
  assert.deepEqual(
    found.map((value) => Number(value?.split(' ')[0])),
    Array.from({ length: 30 }, (_, n) => n),
  );
  assert.equal(packer.take(), null);
});

/** A record as one that is made from rows: bytes of more than that, key and value one behind the other. */
function encoded(key: string | null, value: string): EncodedRecord {
  const keyLength = key === null ? -1 : Buffer.byteLength(key);
  const record = Buffer.from(`${key ?? ''}${value}`);
  return { bytes: Buffer.concat([record, Buffer.from('…')]), keyLength, end: record.length, hasValue: true };
}

test('records that are bytes already go out as those that are text', async () => {
  const topic = { name: 't', partitions: 3, maxBytes: 20_000 };
  const headers = { team: 'crm' };
  const given: (readonly [string | null, string])[] = [];
  for (const length of [0, 1, 40, 41, 62, 63, 64, 127, 128, 8150, 8191, 8192, 12_000]) {
    for (const text of ['x', 'é']) given.push([null, text.repeat(length)], [`{"id":${length}}`, text.repeat(length)]);
  }
  const all = async (add: (packer: BatchPacker, record: (typeof given)[number]) => boolean) => {
    const found: string[] = [];
    const packer = new BatchPacker(1 << 20, async (requests) => {
      for (const { partition, batch } of requests.flat()) found.push(`${partition} ${batch.records().toString('hex')}`);
    });
    const taken = given.map((record) => add(packer, record));
    await packer.take()?.send();
    return { taken, found };
  };
  const asText = await all((packer, [key, value]) => packer.add(topic, key, value, headers));
  const asBytes = await all((packer, [key, value]) => packer.addEncoded(topic, encoded(key, value), headers));
  assert.ok(asText.taken.includes(false) && asText.found.length > 4);
  assert.deepEqual(asBytes, asText);
});

test('for a client that encodes by itself, too', async () => {
  const topic = { name: 't', partitions: 3, maxBytes: 1 << 20 };
  const given = ['', 'é', 'x'.repeat(300_000), 'y'.repeat(700_000)];
  const all = async (add: (packer: RecordPacker, key: string | null, value: string) => boolean) => {
    const found: KafkaRecord[] = [];
    const packer = new RecordPacker(1 << 20, async (records) => void found.push(...records));
    for (const value of given) for (const key of [null, '{"id":1}', 'k'.repeat(270_000)]) add(packer, key, value);
    await packer.take()?.send();
    return found;
  };
  const asText = await all((packer, key, value) => packer.add(topic, key, value, null));
  assert.equal(asText.length, 12);
  assert.deepEqual(await all((packer, key, value) => packer.addEncoded(topic, encoded(key, value), null)), asText);
});
