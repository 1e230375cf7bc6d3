import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckpointStore } from '../../../../../core/api/checkpoint.ts';
import { reachedBy } from '../../../../../core/pipeline/open/promoted.ts';
import { member } from '../../../../../core/pipeline/state/entries.ts';
import { PipelineState } from '../../../../../core/pipeline/state/pipeline-state.ts';
import type { SnapshotLsn } from '../../../../../core/postgres/lsn.ts';

const store: CheckpointStore = {
  lock: async () => {},
  load: async () => new Map(),
  save: async () => {},
  remove: async () => {},
  [Symbol.asyncDispose]: async () => {},
};

const lsn = (at: bigint) => at as SnapshotLsn;
const cut = { id: 'a', standing: 's', columns: ['id'], bounds: [['5']], bytes: 1 };

test('a promotion asks for all that ranges of unfinished tables may hold, too', async () => {
  const state = await PipelineState.load(store);
  const copied = { state: 'copied', exactAt: lsn(20n), rows: 1n, bytes: 1 } as const;
  await state.putAll([member('table', 'pg:public.done', copied)]);
  assert.equal(reachedBy(state, [7n]), 20n);
  await state.putAll([member('ledger', 'pg:public.part', { ...cut, upTo: lsn(30n), exact: [] })]);
  assert.equal(reachedBy(state, [7n]), 30n);
  await state.forgetTables(['public.part'], ['pg'], []);
  assert.equal(reachedBy(state, [7n]), 20n);
});
