import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Tuple } from '../../../../core/postgres/tuple.ts';
import { viewOf } from '../../../../core/base/byte-writer.ts';
import { WireInsert, WireKind, WireRow, WireUpdate } from '../../../../core/api/wire-change.ts';
import type { KafkaOptions } from '../../../../plugins/sink-kafka/options.ts';
import { CopyLines } from '../../../../plugins/sink-kafka/records/copy-lines.ts';
import { readValue, type RelationFormat } from '../../../../plugins/sink-kafka/records/format.ts';
import { processedAt, snapshotMoment, transactionMoment } from '../../../../plugins/sink-kafka/records/moment.ts';
import { newRowOf, RowRecords } from '../../../../plugins/sink-kafka/records/row-records.ts';
import { templateOf } from '../../../../plugins/sink-kafka/records/template.ts';
import { runsWithLast } from '../../../../plugins/sink-kafka/snapshot-marks.ts';
import { settings } from '../../../../plugins/sink-kafka/settings.ts';
import { column, context, kafkaOptionsOf, notes, relation, transaction } from '../../../support/kafka-batches.ts';

/** Records made from bytes are those made from text, byte for byte: whatever the values, the format and the way in. */
const numeric = (precision: number, scale: number) => (precision << 16) + (scale & 0x7ff) + 4;
const everything = relation(
  'Tisch "é"',
  [
    column('id', 20, { notNull: true, typeName: 'bigint' }),
    column('text é', 25),
    column('flag', 16, { typeName: 'boolean' }),
    column('amount', 1700, { typmod: numeric(12, 2), typeName: 'numeric(12,2)' }),
    column('at', 1184, { typeName: 'timestamp with time zone' }),
    column('at0', 1184, { typmod: 0, typeName: 'timestamp(0) with time zone' }),
    column('pair', 16700, { typeName: 'public.pair', typeKind: 'composite' }),
    column('data', 3802, { typeName: 'jsonb' }),
    column('code', 1043, { notNull: true, typeName: 'character varying(5)' }),
    column('days', 1082, { typeName: 'date' }),
    column('bytes', 17, { typeName: 'bytea' }),
    column('list', 1007, { typeName: 'integer[]' }),
  ],
  { primaryKey: [8, 0] },
);

const texts = ['', 'a', 'ab', 'abc', 'abcd', 'äöü', '😀', 'a"b', 'a\\b', '\t', 'line\nline', '\\N', 'xN\n'];
for (let code = 1; code < 0x80; code++) texts.push(`ab${String.fromCharCode(code)}cd`, String.fromCharCode(code));
for (const length of [4, 5, 7, 8, 63, 300, 5000])
  texts.push('x'.repeat(length), `${'y'.repeat(length)}"`, `\\${'é'.repeat(length)}`);
const values: readonly (readonly string[])[] = [
  ['0', '7', '-1', '9007199254740993', '9223372036854775807', '-9223372036854775808'],
  texts,
  ['t', 'f'],
  ['0.00', '0.01', '-0.01', '1.27', '1.28', '-1.28', '-1.29', '327.67', '327.68', '9999999999.99', '-9999999999.99'],
  [
    '2026-01-02 03:04:05+00',
    '2026-01-02 03:04:05.12+00',
    '2026-01-02 03:04:05.123456+00',
    'infinity',
    '-infinity',
    '0044-03-15 12:00:00+00 BC',
    '12026-01-02 03:04:05+00',
  ],
  ['2026-01-02 03:04:05+00', '0001-01-01 00:00:00+00'],
  ['(1,2)', '("a b",)'],
  ['{"a": "b"}', '[]', '1'],
  texts.filter((text) => text.length < 100),
  ['2026-01-02', '1969-12-31', 'infinity', '0044-03-15 BC'],
  ['\\x', '\\x00ff', `\\x${'ab'.repeat(500)}`],
  ['{1,2,NULL}', '{}'],
];

/** Each value of each column in some row, next to others and to NULL. */
function rows(): Tuple[] {
  const most = Math.max(...values.map((of) => of.length));
  return Array.from({ length: most * 3 }, (_, i) =>
    values.map((of, c) => ((i + c) % 13 === 3 && c !== 0 && c !== 8 ? null : (of[(i + c * 5) % of.length] as string))),
  );
}

function wireRow(row: Tuple): WireRow {
  const parts = row.map((cell) => {
    if (cell === null) return Buffer.of(WireKind.null);
    const text = Buffer.from(cell);
    const head = Buffer.alloc(5);
    head[0] = WireKind.text;
    head.writeInt32BE(text.length, 1);
    return Buffer.concat([head, text]);
  });
  // Nothing behind it: whoever reads too far is found out.
  const buffer = Buffer.concat([Buffer.from('xyz'), ...parts]);
  return new WireRow({ buffer, view: viewOf(buffer) }, row.length, { start: 3, end: buffer.length, whole: true });
}

function copyText(all: readonly Tuple[]): Buffer {
  const letters: Record<string, string> = {
    '\b': 'b',
    '\f': 'f',
    '\n': 'n',
    '\r': 'r',
    '\t': 't',
    '\v': 'v',
    '\\': '\\',
  };
  const escaped = (cell: string) => cell.replace(/[\b\f\n\r\t\v\\]/g, (c) => `\\${letters[c]}`);
  return Buffer.from(
    all.map((row) => `${row.map((cell) => (cell === null ? '\\N' : escaped(cell))).join('\t')}\n`).join(''),
  );
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf({ bytes, keyLength, end }: RowRecords): { key: string | null; value: string } {
  const text = (from: number, to: number) => utf8.decode(bytes.subarray(from, to));
  return { key: keyLength < 0 ? null : text(0, keyLength), value: text(Math.max(keyLength, 0), end) };
}

const options: readonly Partial<KafkaOptions>[] = [
  {},
  { decimal: 'string', time: 'isostring', binary: 'hex' },
  { decimal: 'double', unknown_types: 'omit' },
  { format: 'cloudevents', key: { '*.*': ['code'] } },
  { format: 'flat', fields: ['op', 'lsn', 'table', 'deleted', 'source_ts_ms'] },
  { format: 'flat', deletes: 'rewrite' },
];
const formatOf = (more: Partial<KafkaOptions>, of = everything): RelationFormat =>
  settings(kafkaOptionsOf({ database: 'Läden', ...more }), context('app')).formatOf(of, 'stream');

for (const more of options) {
  test(`the stream's rows from bytes, ${JSON.stringify(more)}`, () => {
    const format = formatOf(more);
    const record = new RowRecords();
    const [first, second] = [transaction(1), transaction(2)];
    const moments = [first, { ...second, previousEnd: 99n }].map((tx) => transactionMoment(tx, processedAt(7n)));
    for (const [i, row] of rows().entries()) {
      const at = moments[(i >> 2) % 2]!;
      const op = i % 3 === 0 ? 'u' : 'c';
      const lsn = i % 5 === 0 ? (1n << 63n) + BigInt(i) : BigInt(i) ** 7n;
      record.change(format, format.rows.bytes!, { op, row: wireRow(row), at, lsn });
      const place = { at, lsn: String(lsn), transaction: 'null' };
      assert.deepEqual(textOf(record), { key: format.rows.keyOf(row), value: format.put(op, null, row, place) });
      JSON.parse(textOf(record).value);
    }
  });

  test(`the snapshot's rows from bytes, ${JSON.stringify(more)}`, () => {
    const format = formatOf(more);
    for (const at of [77n, null].map((lsn) => snapshotMoment({ takenAt: 5n, lsn, xid: 3 }, processedAt(7n), 'first'))) {
      const place = { at, lsn: at.lsn ?? 'null', transaction: 'null' };
      const record = new RowRecords();
      const template = templateOf(format.template('r', place));
      const lines = new CopyLines(everything.columns.length);
      const all = rows();
      lines.load(copyText(all));
      for (const row of all) {
        assert.ok(lines.next());
        record.row(format.rows.bytes!, lines, template, 0n);
        assert.deepEqual(textOf(record), { key: format.rows.keyOf(row), value: readValue(format, row, place) });
      }
      assert.equal(lines.next(), false);
    }
  });
}

test('bytes that are not UTF-8 are mended as they were when rows were text', () => {
  const format = formatOf({}, notes());
  const place = {
    at: snapshotMoment({ takenAt: 5n, lsn: null, xid: null }, '', 'true'),
    lsn: 'null',
    transaction: 'null',
  };
  const bytes = Buffer.concat([Buffer.from('1\ta'), Buffer.of(0xff, 0xc3), Buffer.from('bc\n2\tc\n')]);
  const lines = new CopyLines(2);
  lines.load(bytes);
  const record = new RowRecords();
  const template = templateOf(format.template('r', place));
  for (const [id, note] of [
    ['1', 'a\ufffd\ufffdbc'],
    ['2', 'c'],
  ] as const) {
    assert.ok(lines.next());
    record.row(format.rows.bytes!, lines, template, 0n);
    assert.equal(textOf(record).value, readValue(format, [id, note], place));
  }
});

test('rows that are cut off, or have other columns than asked for, are an error', () => {
  assert.throws(() => new CopyLines(2).load(Buffer.from('1\ta')), /inside a row/);
  for (const text of ['1\n', '1\ta\tb\n']) {
    const lines = new CopyLines(2);
    lines.load(Buffer.from(text));
    assert.throws(() => lines.next(), /cells where 2 were asked for/);
  }
  const lines = new CopyLines(2);
  lines.load(Buffer.from('1\ta\\\n'));
  assert.throws(() => lines.next(), /inside a row/);
});

test('only a new row that came whole, of an insert or of an update without an old one, is taken as bytes', () => {
  const table = notes();
  const of = { relation: table, tx: transaction(1), lsn: 1n };
  const { tx } = of;
  const { bytes, view, start, end } = wireRow(['1', 'a']);
  const place = { buffer: bytes, view, columns: 2, start, end, whole: true, lsnAt: 0 };
  const insert = new WireInsert(place, table, tx);
  assert.equal(newRowOf(insert), insert);
  const update = new WireUpdate(place, table, { tx, before: null });
  assert.equal(newRowOf(update), update);
  assert.equal(newRowOf(new WireUpdate(place, table, { tx, before: { image: 'key', tuple: ['0', null] } })), null);
  assert.equal(newRowOf({ kind: 'insert', ...of, after: ['1', 'a'] }), null);
  assert.equal(newRowOf({ kind: 'delete', ...of, before: { image: 'key', tuple: ['1', null] } }), null);
  assert.equal(newRowOf(new WireUpdate({ ...place, whole: false }, table, { tx, before: null })), null);
});

test('runs of COPY lines stay what they are while the reader uses their memory for the next ones', async () => {
  const memory = Buffer.alloc(8);
  async function* runs(): AsyncGenerator<Buffer> {
    for (const line of ['1\tone\n', '2\ttwo\n', '3\tsix\n']) yield memory.subarray(0, memory.write(line));
  }
  const found: (readonly [string, boolean])[] = [];
  for await (const { item, last } of runsWithLast(runs())) found.push([item.toString(), last]);
  assert.deepEqual(found, [
    ['1\tone\n', false],
    ['2\ttwo\n', false],
    ['3\tsix\n', true],
  ]);
});
