import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TableCheck } from '../../../../../core/operations/verify/endless/table-check.ts';

const agrees = { rows: 1n, equal: true, differences: [] };
const at = (position: string | null) => ({ position, time: '2026-01-01T00:00:00.000Z' });

test('a range that the stream changed behind the position of its comparison goes on counting as changed', () => {
  const check = new TableCheck({ sink: 's', table: 'public.t', mark: 'm' }, 0);
  const [part] = check.parts;
  check.changedAll(0x50n);
  // The comparison saw what was committed below 0/40; the change came while it was under way.
  check.found(part!, agrees, at('0/40'));
  assert.equal(check.view().changed, 1);
  // A commit that begins where the view ends is not in it.
  check.found(part!, agrees, at('0/50'));
  assert.equal(check.view().changed, 1);
  check.found(part!, agrees, at('0/51'));
  assert.equal(check.view().changed, 0);
  check.changedAll(0x60n);
  check.found(part!, agrees, at(null));
  assert.equal(check.view().changed, 0, 'a comparison without a position reads what is there now');
});
