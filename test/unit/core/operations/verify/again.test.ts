import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookAgain } from '../../../../../core/operations/verify/look-again.ts';
import type { TableVerdict, VerifyReport } from '../../../../../core/operations/verify/run-verify.ts';

const now = { repaired: 0, at: null, before: null, differed: null };

function verdict(table: string, keys: readonly string[], more = false): TableVerdict {
  const differences = keys.map((key) => ({ kind: 'differs', key }) as const);
  const equal = keys.length === 0 && !more;
  const comparison = {
    sourceRows: 9n,
    targetRows: 9n,
    equal,
    differences,
    more,
    passed: [],
    rangesLeftOut: 0,
    seen: null,
  };
  return { sink: 's', table, target: table, keyNames: ['id'], comparison, skipped: null, ...now };
}
function report(...tables: readonly TableVerdict[]): VerifyReport {
  return {
    equal: tables.every((each) => each.comparison?.equal === true),
    tables,
    trees: [],
    seconds: 1,
    wentOn: null,
  };
}
const keysOf = ({ tables }: VerifyReport) =>
  tables.map(({ table, comparison }) => [table, ...(comparison?.differences ?? []).map((row) => row.key)].join(' '));

test('a row of a table that fetches values differs only if it does so each time', async () => {
  const asked: (readonly string[])[] = [];
  const later = [report(verdict('a', ['2', '3'])), report(verdict('a', ['3', '4'])), report(verdict('a', ['3']))];
  const end = await lookAgain(report(verdict('a', ['1', '2', '3']), verdict('b', [])), new Set(['a', 'b']), (only) => {
    asked.push(only);
    return Promise.resolve(later[asked.length - 1] as VerifyReport);
  });
  assert.deepEqual(asked, [['a'], ['a'], ['a']]);
  assert.deepEqual(keysOf(end), ['a 3', 'b']);
  assert.equal(end.equal, false);
});

test('other rows that differ at another time, or a look at which all agree, are no difference', async () => {
  const others = await lookAgain(report(verdict('a', ['1'])), new Set(['a']), async () => report(verdict('a', ['2'])));
  assert.equal(others.equal, true);
  const agrees = await lookAgain(report(verdict('a', ['1'], true)), new Set(['a']), async () =>
    report(verdict('a', [])),
  );
  assert.equal(agrees.equal, true);
});

test('where not all rows could be named, and for other tables, the difference stands', async () => {
  const many = await lookAgain(report(verdict('a', ['1'], true)), new Set(['a']), async () =>
    report(verdict('a', ['2'], true)),
  );
  assert.equal(many.equal, false);
  const other = await lookAgain(report(verdict('a', ['1'])), new Set(), () => assert.fail('is not asked'));
  assert.equal(other.equal, false);
});
