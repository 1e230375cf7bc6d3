import assert from 'node:assert/strict';
import { test } from 'node:test';
import { integerOf, WireRow } from '../../../../../core/api/wire-change.ts';

/** Both forms in which a key comes: as it was sent, and as a cell of an old row. */
function both(bytes: Buffer): [unknown, unknown] {
  const length = Buffer.alloc(4);
  length.writeInt32BE(bytes.length);
  const buffer = Buffer.concat([Buffer.from('n'), Buffer.from('b'), length, bytes]);
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
  const wire = new WireRow({ buffer, view }, 2, { start: 0, end: buffer.length, whole: true });
  return [integerOf(wire, 1), integerOf([null, bytes.toString('latin1')], 1)];
}

test('integers are numbers where that is exact, and the same from a new row and from an old one', () => {
  for (const value of [0, 1, -1, 127, -128, 255, 256, 32_767, -32_768]) {
    const bytes = Buffer.alloc(2);
    bytes.writeInt16BE(value);
    assert.deepEqual(both(bytes), [value, value]);
  }
  for (const value of [0, -1, 65_535, -65_536, 2_147_483_647, -2_147_483_648]) {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    assert.deepEqual(both(bytes), [value, value]);
  }
  const exact = [0n, -1n, 1n << 32n, -(1n << 32n), 4_294_967_295n, (1n << 53n) - 1n, -(1n << 53n) + 1n];
  const beyond = [1n << 53n, (1n << 53n) + 1n, -(1n << 53n), (1n << 63n) - 1n, -(1n << 63n)];
  for (const value of [...exact, ...beyond]) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64BE(value);
    const wanted = exact.includes(value) ? Number(value) : null;
    assert.deepEqual(both(bytes), [wanted, wanted]);
  }
});

test('what is no integer of these sizes has no number', () => {
  assert.deepEqual(both(Buffer.from('abc')), [null, null]);
  assert.deepEqual(both(Buffer.alloc(16)), [null, null]);
  assert.equal(integerOf([null, null], 1), null);
});
