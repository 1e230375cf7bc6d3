import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json } from '../../../../../core/api/checkpoint.ts';
import { compress, expand, type Moment, TableProgress } from '../../../../../core/operations/verify/table-progress.ts';

const first: Moment = { position: '0/10', time: '2026-01-01T00:00:00.000Z' };
const later: Moment = { position: '0/20', time: '2026-01-01T01:00:00.000Z' };

/** What a process leaves for the next one: JSON and nothing else. */
function notes() {
  const values = new Map<string, string>();
  let ids = 0;
  return {
    get: (key: string) => JSON.parse(values.get(key) ?? 'null') as Json,
    put: async (entries: Readonly<Record<string, Json>>) => {
      for (const [key, value] of Object.entries(entries)) values.set(key, JSON.stringify(value));
    },
    newId: () => `id${ids++}`,
  };
}

test('runs of numbers come back as they were', () => {
  for (const numbers of [[], [0], [3, 1, 2], [9, 0, 1, 7, 8, 3]]) {
    assert.deepEqual(
      expand(compress(numbers)),
      numbers.toSorted((a, b) => a - b),
    );
  }
  assert.deepEqual(compress([2, 0, 1, 5]), [
    [0, 2],
    [5, 5],
  ]);
});

test('a table that agreed is taken over with its position, one that differed is not', async () => {
  const kept = notes();
  await new TableProgress(kept, 's/a', 'm').finished({ equal: true, rows: 7n, at: first, before: null });
  await new TableProgress(kept, 's/b', 'm').finished({ equal: false, rows: 7n, at: first, before: null });
  const [a, b] = [new TableProgress(kept, 's/a', 'm'), new TableProgress(kept, 's/b', 'm')];
  assert.deepEqual(a.equal, { rows: 7n, at: first, since: first, ranges: null });
  assert.deepEqual([a.differed, b.equal, b.differed], [null, null, first]);
});

test('with another mark (plan, copy, database) nothing is taken over', async () => {
  const kept = notes();
  const before = new TableProgress(kept, 's/a', 'm');
  await before.begin([['5']], first);
  await before.rangeEqual(0, 3n);
  await before.finished({ equal: false, rows: 7n, at: first, before: null });
  const other = new TableProgress(kept, 's/a', 'n');
  assert.deepEqual([other.equal, other.differed, other.ranges()], [null, null, null]);
});

test('ranges that agreed are added up over several processes, and the first position stands', async () => {
  const kept = notes();
  const one = new TableProgress(kept, 's/a', 'm');
  assert.equal(one.ranges(), null);
  await one.begin([['5'], ['10']], first);
  await one.rangeEqual(2, 3n);
  const two = new TableProgress(kept, 's/a', 'm');
  assert.deepEqual(two.ranges(), { bounds: [['5'], ['10']], equal: new Set([2]), rows: 3n, since: first });
  await two.rangeEqual(0, 5n);
  const three = new TableProgress(kept, 's/a', 'm');
  const known = three.ranges()!;
  assert.deepEqual([[...known.equal].sort(), known.rows], [[0, 2], 8n]);
  await three.finished({ equal: true, rows: 13n, at: later, before: { since: known.since, ranges: 2 } });
  const four = new TableProgress(kept, 's/a', 'm');
  assert.deepEqual(four.equal, { rows: 13n, at: later, since: first, ranges: null });
  assert.equal(four.ranges(), null);
});

test('ranges that two processes cut at the same time are never mixed', async () => {
  const kept = notes();
  const [one, two] = [new TableProgress(kept, 's/a', 'm'), new TableProgress(kept, 's/a', 'm')];
  await one.begin([['5']], first);
  await two.begin([['6']], later);
  await one.rangeEqual(0, 3n);
  const next = new TableProgress(kept, 's/a', 'm').ranges();
  assert.deepEqual(next, { bounds: [['6']], equal: new Set(), rows: 0n, since: later });
});
