import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namesUs } from '../../../../plugins/source-postgres/synchronous-standby.ts';

test('which values of synchronous_standby_names name our walsender', () => {
  const ours = 'pgsluice Shop';
  for (const setting of ['*', 'FIRST 1 (*)', 'any 2 (a, *)', '1 (b,*)', '"pgsluice shop"', 'a, "PGSLUICE SHOP"']) {
    assert.equal(namesUs(setting, ours), true, setting);
  }
  for (const setting of [
    '',
    'a',
    'FIRST 1 (a, b)',
    '"*"x',
    'pgsluice, Shop',
    '"pgsluice ""Shop"',
    'ANY 2 ("a b", c)',
  ]) {
    assert.equal(namesUs(setting, ours), false, setting);
  }
  assert.equal(namesUs('shop', 'shop'), true);
});
