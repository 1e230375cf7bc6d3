import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare, printComparison } from '../../../../../core/operations/assess/compare.ts';
import type { ServerProfile, StatementProfile } from '../../../../../core/postgres/server-profile.ts';

/** A value in brackets is as the server comes. */
function server(
  settings: Readonly<Record<string, string>>,
  statements: readonly StatementProfile[] | null,
): ServerProfile {
  const of = (text: string) => ({ value: text.replace(/[()]/g, ''), set: !text.startsWith('(') });
  const entries = Object.entries(settings).map(([name, text]) => [name, of(text)] as const);
  return { version: 150_000, settings: new Map(entries), statements };
}
const statement = (text: string, calls: number, total: number): StatementProfile => ({ text, calls, total, rows: 0 });
const names = { pipeline: 'shop', sink: 'new' };

test('settings of another value, and those that were set and one side lacks', () => {
  const { settings } = compare({
    ...names,
    source: server({ work_mem: '(4096 kB)', jit: '(on)', old_one: '1', gone: '(5)' }, []),
    target: server({ work_mem: '8192 kB', jit: 'on', new_one: '2', came: '(5)' }, []),
  });
  assert.deepEqual(settings, [
    { name: 'new_one', source: null, target: '2' },
    { name: 'old_one', source: '1', target: null },
    { name: 'work_mem', source: '4096 kB', target: '8192 kB' },
  ]);
});

test('a statement is slower from half as long again on; one that is on one side alone is neither', () => {
  const { statements } = compare({
    ...names,
    source: server({}, [statement('a', 10, 10), statement('b', 10, 10), statement('gone', 1, 5)]),
    target: server({}, [statement('a', 1, 1.49), statement('b', 2, 3), statement('came', 1, 99)]),
  });
  const slower = statements!.filter((one) => one.slower).map(({ text }) => text);
  assert.deepEqual(slower, ['b']);
  assert.equal(statements![0]!.text, 'b', 'what is slower stands first');
  const byText = new Map(statements!.map((one) => [one.text, one.mean]));
  assert.deepEqual(byText.get('gone'), { source: 5, target: null });
  assert.deepEqual(byText.get('came'), { source: null, target: 99 });
});

test('without pg_stat_statements it is said where', () => {
  const report = compare({ ...names, source: server({}, null), target: server({}, []) });
  assert.equal(report.statements, null);
  assert.match(printComparison(report), /not compared: no pg_stat_statements to be read on the source\n$/);
  const both = compare({ ...names, source: server({}, null), target: server({}, null) });
  assert.deepEqual(both.without, ['the source', 'new']);
});
