import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Cell, type PartialTuple, UNCHANGED } from '../../../../../core/postgres/tuple.ts';
import { cellOf, cellsOf, isWhole, type Row, WireRow } from '../../../../../core/api/wire-change.ts';
import { BufferPool, WireWriter } from '../../../../../plugins/sink-postgres/apply/wire.ts';
import { type ArrayOf, copyRows, withArrays } from '../../../../../plugins/sink-postgres/apply/encode.ts';
import { finish } from '../../../../../plugins/sink-postgres/apply/round-trip.ts';

/** TupleData as pgoutput writes it, behind some bytes of another message. */
function wireRow(cells: PartialTuple, kind: 't' | 'b'): WireRow {
  const parts: Buffer[] = [Buffer.from('xyz')];
  for (const cell of cells) {
    if (typeof cell !== 'string') {
      parts.push(Buffer.from(cell === null ? 'n' : 'u'));
      continue;
    }
    const bytes = Buffer.from(cell, kind === 't' ? 'utf8' : 'latin1');
    const length = Buffer.alloc(4);
    length.writeInt32BE(bytes.length);
    parts.push(Buffer.from(kind), length, bytes);
  }
  const buffer = Buffer.concat([...parts, Buffer.from('rest')]);
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const end = buffer.length - 4;
  return new WireRow({ buffer, view }, cells.length, { start: 3, end, whole: !cells.includes(UNCHANGED) });
}

/** The content of the CopyData messages; behind them CopyDone and Sync. Memory is written over as soon as it is given back. */
function copyData(rows: readonly Row[], filled: readonly number[], binary: boolean): Buffer {
  const sent: Buffer[] = [];
  const pool = new BufferPool();
  const wire = new WireWriter((bytes, done) => {
    sent.push(Buffer.from(bytes));
    bytes.fill(0xee);
    done();
  }, pool);
  finish(copyRows(wire, rows, filled, binary));
  wire.finish();
  const all = Buffer.concat(sent);
  const content: Buffer[] = [];
  let at = 0;
  for (; all[at] === 0x64; at += 1 + all.readInt32BE(at + 1)) {
    const length = all.readInt32BE(at + 1);
    assert.ok(length <= 2 << 20, 'a row of any size goes in pieces');
    content.push(all.subarray(at + 5, at + 1 + length));
  }
  assert.deepEqual([...all.subarray(at)], [0x63, 0, 0, 0, 4, 0x53, 0, 0, 0, 4]);
  return Buffer.concat(content);
}

function arrays(rows: readonly Row[], columns: readonly ArrayOf[], binary: boolean): Buffer[] {
  let copies: Buffer[] = [];
  withArrays(rows, columns, binary, (made) => {
    copies = made.map((array) => Buffer.from(array));
  });
  return copies;
}

const texts: readonly (readonly Cell[])[] = [
  ['1', 'plain', null],
  ['-2', 'tab\tnew\nline\rback\\slash \\. \\N', ''],
  ['3', 'quote " , {brace} NULL', 'é\u{1F600}ü'],
  ['4', 'x'.repeat(100_000), 'ä'.repeat(9000)],
];
const everyByte = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('');

test('a row as it came is read as the cells that were sent', () => {
  const rows: readonly PartialTuple[] = [...texts, ['5', UNCHANGED, null]];
  for (const row of rows) {
    const wire = wireRow(row, 't');
    assert.deepEqual(cellsOf(wireRow(row, 't')), row);
    for (const [i, cell] of row.entries()) assert.equal(cellOf(wire, i), cell);
    assert.equal(isWhole(wire), !row.includes(UNCHANGED));
  }
  assert.deepEqual(cellsOf(wireRow([everyByte, null, ''], 'b')), [everyByte, null, '']);
});

test('rows as they came and rows of cells are the same in COPY and in arrays', () => {
  for (const filled of [[0, 1, 2], [1], [0, 2]]) {
    const wire = texts.map((row) => wireRow(row, 't'));
    assert.deepEqual(copyData(wire, filled, false), copyData(texts, filled, false));
    const columns = filled.map((position) => ({ position, delimiter: ',', oid: 25 }));
    assert.deepEqual(arrays(wire, columns, false), arrays(texts, columns, false));
    assert.deepEqual(arrays([wire[0]!, texts[1]!], columns, false), arrays([texts[0]!, wire[1]!], columns, false));
  }
});

test('text of COPY and of array literals', () => {
  assert.equal(copyData([['a\tb', null, '\\.']], [0, 1, 2], false).toString(), 'a\\tb\t\\N\t\\\\.\n');
  const [box] = arrays([['(1,2)'], [null], ['"\\']], [{ position: 0, delimiter: ';', oid: 603 }], false);
  assert.equal(box!.toString(), '{"(1,2)";NULL;"\\"\\\\"}');
});

test('bytes of COPY and of arrays', () => {
  const rows: readonly (readonly Cell[])[] = [
    ['\0\0\0\x01', everyByte],
    ['\xff\xff\xff\xff', null],
  ];
  const wire = rows.map((row) => wireRow(row, 'b'));
  const copied = copyData(wire, [0, 1], true);
  assert.deepEqual(copied, copyData(rows, [0, 1], true));
  assert.equal(copied.subarray(0, 11).toString('latin1'), 'PGCOPY\n\xff\r\n\0');
  assert.equal(copied.readInt16BE(19), 2, 'columns');
  assert.equal(copied.readInt16BE(copied.length - 2), -1, 'trailer');
  const columns = [{ position: 1, delimiter: ',', oid: 17 }];
  const [array] = arrays(wire, columns, true);
  assert.deepEqual(array, arrays(rows, columns, true)[0]);
  const words = [0, 4, 8, 12, 16, 20].map((at) => array!.readInt32BE(at));
  assert.deepEqual(words, [1, 1, 17, 2, 1, 256], 'dimensions, NULLs, type, length, lower bound, first element');
  assert.equal(array!.readInt32BE(array!.length - 4), -1);
  assert.equal(arrays([], columns, true)[0]!.length, 12);
});

test('rows of every size come through whole, however the messages are cut', () => {
  const sizes = [0, 1, 3, 1023, 1024, 1025, 65_000, 70_000, 300_000, 3_000_000, 5, 100_000, 0];
  for (const binary of [false, true]) {
    const rows = Array.from({ length: 40 }, (_, i): Cell[] => [
      String(i),
      String.fromCharCode(97 + (i % 26)).repeat(sizes[i % sizes.length]!),
      i % 7 === 0 ? null : 'end',
    ]);
    const wire = rows.map((row) => wireRow(row, binary ? 'b' : 't'));
    const copied = copyData(wire, [0, 1, 2], binary);
    assert.ok(copied.equals(copyData(rows, [0, 1, 2], binary)));
    if (binary) continue;
    const lines = rows.map((row) => row.map((cell) => cell ?? '\\N').join('\t'));
    assert.equal(copied.toString(), lines.map((line) => `${line}\n`).join(''));
  }
});

test('a COPY that is given up in the middle ends with CopyFail and Sync, and without half a message', () => {
  const sent: Buffer[] = [];
  const wire = new WireWriter((bytes) => sent.push(Buffer.from(bytes)), new BufferPool());
  wire.parse('', 'COPY t FROM STDIN');
  wire.openData();
  wire.out.text('half a ro');
  wire.finish();
  const all = Buffer.concat(sent);
  const copy = 1 + all.readInt32BE(1);
  assert.deepEqual([...all.subarray(copy)], [0x66, 0, 0, 0, 5, 0, 0x53, 0, 0, 0, 4]);
});

test('an array of a type whose oid is above 2^31', () => {
  const [array] = arrays([['a']], [{ position: 0, delimiter: ',', oid: 3_000_000_000 }], true);
  assert.equal(array!.readUInt32BE(8), 3_000_000_000);
});
