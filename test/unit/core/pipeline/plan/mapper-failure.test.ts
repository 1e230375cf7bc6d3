import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Change } from '../../../../../core/api/change.ts';
import type { RecordLsn } from '../../../../../core/postgres/lsn.ts';
import { loadParser } from '../../../../../core/expr/parse.ts';
import { mapFailure } from '../../../../../core/pipeline/plan/map-failure.ts';
import { createMapper } from '../../../../../core/pipeline/plan/mapper.ts';
import { planTables } from '../../../../../core/pipeline/plan/planner.ts';
import { wholeFirst } from '../../../../../core/pipeline/stream/batches.ts';
import { filter } from '../../../../../plugins/transform-filter/plugin.ts';
import { script } from '../../../../../plugins/transform-script/plugin.ts';
import { brief, inserted, planInput, relation, step, transaction } from '../../../../support/plan.ts';

before(() => loadParser());

const table = relation('public.t', 'id integer key, n integer');
const insert = (finalLsn: bigint, ...cells: string[]): Change => ({
  ...inserted(table, cells),
  tx: { ...transaction, finalLsn: finalLsn as RecordLsn },
});
const changes = [insert(10n, '1', '1'), insert(20n, '2', '2'), insert(20n, '3', '0'), insert(30n, '4', '4')];

test('a failure tells at which change, and what came out before it', async () => {
  for (const tail of [false, true]) {
    const steps = [step(filter({ where: '10 / n > 0' })), ...(tail ? [step(script((rows) => rows))] : [])];
    const input = planInput([table], steps);
    const { plans, problems } = planTables(input);
    assert.deepEqual(problems, []);
    await assert.rejects(
      async () => createMapper(input, plans).map(changes),
      (error: unknown) => {
        const failure = mapFailure(error);
        assert.equal(failure?.index, 2);
        assert.equal(failure.change, changes[2]);
        assert.deepEqual(
          failure.done.map((change) => brief(change as never).replace(/ maybe$/, '')),
          ['insert (1,1)', 'insert (2,2)'],
        );
        return true;
      },
    );
  }
  assert.equal(mapFailure(new Error('of another')), null);
});

test('whole transactions before one that goes on are a batch of their own', () => {
  const batch = { changes, boundary: null, commitTime: null, transactions: 2, bytes: 9, values: 'text' } as const;
  const [whole, rest] = wholeFirst(batch);
  assert.deepEqual(whole?.changes, changes.slice(0, 3));
  // The start of the next commit record says the same as the end of the commit before.
  assert.equal(whole?.boundary, 30n);
  assert.deepEqual([rest?.changes, rest?.boundary, rest?.transactions], [changes.slice(3), null, 2]);
  assert.deepEqual(wholeFirst({ ...batch, changes: changes.slice(1, 3) }).length, 1);
  assert.deepEqual(wholeFirst({ ...batch, changes: [] }).length, 1);
  assert.deepEqual(wholeFirst({ ...batch, boundary: 40n as never, commitTime: 0n }).length, 1);
});
