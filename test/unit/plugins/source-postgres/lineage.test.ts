import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endOf, parseHistory } from '../../../../plugins/source-postgres/lineage.ts';

/** As timeline.c writes it, comments of recovery among it. */
const text = `# a comment
1\t0/31FA0C0\tno recovery target specified

  2\t1A/00000028\tbefore 2026-01-01 00:00:00+00
`;

test('a timeline history says where each timeline ended; one that is not in it is no forebear', () => {
  const history = parseHistory(text);
  assert.equal(endOf(1, history), 0x31fa0c0n);
  assert.equal(endOf(2, history), 0x1a00000028n);
  assert.equal(endOf(3, history), null);
  assert.equal(endOf(1, parseHistory('')), null);
});
