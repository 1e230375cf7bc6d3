import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sees } from '../../../../plugins/source-postgres/fetch-rows.ts';

test('whether a snapshot sees the transactions of the stream, whose xids have no epoch', () => {
  assert.equal(sees('100:110:', [99, 109]), true);
  assert.equal(sees('100:110:', [110]), false);
  assert.equal(sees('100:110:103,105', [104]), true);
  assert.equal(sees('100:110:103,105', [104, 105]), false);
  // Epoch 2, just after the 32 bits began again: 4294967290 is of the epoch before.
  const base = 2n << 32n;
  assert.equal(sees(`${base + 3n}:${base + 9n}:${base + 5n}`, [8, 4_294_967_290]), true);
  assert.equal(sees(`${base + 3n}:${base + 9n}:${base + 5n}`, [5]), false);
  // Just before it: 3 is of the epoch to come, and not there yet.
  assert.equal(sees(`${base - 20n}:${base - 10n}:`, [3]), false);
  assert.equal(sees(`${base - 20n}:${base - 10n}:${base - 12n}`, [4_294_967_284]), false);
});
