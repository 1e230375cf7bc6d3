import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CopyFrames } from '../../../../../core/postgres/copy-frames.ts';
import { MessageSplitter } from '../../../../../plugins/source-postgres/snapshot/frames.ts';
import { copyRows, parseRows } from '../../../../../plugins/source-postgres/snapshot/copy-rows.ts';

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const rows = ['1\tone\n', '', `2\t${'x'.repeat(300)}\n`, '3\t\\N\n', `4\t${'é€😀'.repeat(50)}\n`].map((text) =>
  Buffer.from(text),
);
const dataFrames = Buffer.concat(rows.map((row) => message('d', row)));
const stream = Buffer.concat([
  message('H', Buffer.from([0, 0, 2, 0, 0, 0, 0])),
  dataFrames.subarray(0, 11),
  message('N', Buffer.from('SNOTICE\0\0')),
  dataFrames.subarray(11),
  message('c', Buffer.alloc(0)),
  message('C', Buffer.from('COPY 4\0')),
  message('Z', Buffer.from('T')),
]);

for (let size = 1; size <= 23; size++) {
  test(`CopyData bytes come through whatever the cut: every ${size} bytes`, () => {
    const walker = new MessageSplitter();
    const data: Buffer[] = [];
    const others: string[] = [];
    const sink = {
      data: (run: Buffer) => void data.push(Buffer.from(run)),
      message: (type: number, body: Buffer) => void others.push(`${String.fromCharCode(type)}${body.length}`),
    };
    for (let at = 0; at < stream.length; at += size) walker.split(stream.subarray(at, at + size), sink);
    assert.deepEqual(Buffer.concat(data), dataFrames);
    assert.deepEqual(others, ['H7', 'N9', 'c0', 'C7', 'Z1']);
    assert.ok(walker.atBoundary);
    const stripper = new CopyFrames();
    assert.deepEqual(Buffer.concat(data.map((run) => Buffer.from(stripper.strip(run)))), Buffer.concat(rows));
  });

  test(`rows come out whole whatever the cut: every ${size} bytes`, async () => {
    async function* runs(): AsyncGenerator<Uint8Array> {
      // A reader writes to what it gets.
      const own = Buffer.from(dataFrames);
      for (let at = 0; at < own.length; at += size) yield own.subarray(at, at + size);
    }
    const found = [];
    for await (const batch of copyRows(runs(), 2)) found.push(...batch);
    assert.deepEqual(found, [
      ['1', 'one'],
      ['2', 'x'.repeat(300)],
      ['3', null],
      ['4', 'é€😀'.repeat(50)],
    ]);
  });
}

test('every escape of COPY text is undone, NULL is not an empty text', () => {
  assert.deepEqual(parseRows('a\\tb\\nc\\\\d\\r\\b\\f\\v\t\\N\t\t\\\\N', 4), [['a\tb\nc\\d\r\b\f\v', null, '', '\\N']]);
});

test('a table without columns has rows without cells', () => {
  assert.deepEqual(parseRows('\n', 0), [[], []]);
});

test('a row with another number of cells, and one that ends in the middle, are errors', async () => {
  assert.throws(() => parseRows('a\tb', 3), /2 cells where 3/);
  async function* runs(): AsyncGenerator<Uint8Array> {
    yield message('d', Buffer.from('1\ttw'));
  }
  await assert.rejects(async () => {
    for await (const _ of copyRows(runs(), 2)) assert.fail('no row is whole');
  }, /ended inside a row/);
});
