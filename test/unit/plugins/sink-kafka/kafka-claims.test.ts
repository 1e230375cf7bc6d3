import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Claims } from '../../../../plugins/sink-kafka/source/claims.ts';

const assigned = [{ topic: 't', partitions: [0] }];
const signal = new AbortController().signal;

/** A partition that keeps records from `start` on, read up to `next` before. */
async function begun(start: bigint, next: bigint | null, whole: boolean): Promise<readonly bigint[]> {
  const claims = new Claims(async () => new Map([['t-0', { of: 'id', claim: 1n, next }]]), whole);
  const of = { topic: 't', topicId: 'id', partition: 0, leader: 1, count: 1, start, end: 9n };
  await claims.take(assigned, async () => [of], signal);
  return claims.held.map(({ at }) => at);
}

test('a partition whose first records are gone is begun only where they may be missing', async () => {
  assert.deepEqual(await begun(0n, null, true), [0n]);
  assert.deepEqual(await begun(5n, 7n, true), [7n]);
  assert.deepEqual(await begun(5n, null, false), [5n]);
  await assert.rejects(begun(5n, null, true), { code: 'PGS5046' });
  await assert.rejects(begun(5n, 4n, false), { code: 'PGS5046' });
});
