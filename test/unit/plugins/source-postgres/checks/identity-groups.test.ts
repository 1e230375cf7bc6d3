import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statementsOf } from '../../../../../core/operations/check/statements.ts';
import { identityFindings } from '../../../../../plugins/source-postgres/checks/identity-groups.ts';

const problem = (table: string, statement = 'REPLICA IDENTITY FULL', kind = 'replica-identity') => ({
  kind,
  table,
  what: `${table} has no primary key`,
  remedy: `ALTER TABLE "s"."${table}" ${statement};`,
});
const none = { days: 2, changes: new Map<string, number>() };

test('few tables are told one by one, each with what FULL would cost it', () => {
  const rates = { days: 2, changes: new Map([['a', 31]]) };
  const findings = identityFindings(
    [problem('a'), problem('b'), problem('c', 'REPLICA IDENTITY USING INDEX "c;i"')],
    rates,
  );
  assert.deepEqual(
    findings.map(({ subject }) => subject),
    ['a', 'b', 'c'],
  );
  assert.match(findings[0]!.message, /counted: 16 rows a day\)$/);
  assert.match(findings[1]!.message, /it has none so far\)$/);
  assert.doesNotMatch(findings[2]!.message, /FULL/);
  assert.deepEqual(findings[2]!.statements, ['ALTER TABLE "s"."c" REPLICA IDENTITY USING INDEX "c;i";']);
});

test('many with the same need are one finding that holds all of their statements', () => {
  const tables = Array.from({ length: 300 }, (_, i) => problem(`t${i}`));
  const indexed = Array.from({ length: 6 }, (_, i) => problem(`u${i}`, `REPLICA IDENTITY USING INDEX "i${i}"`));
  const rates = {
    days: 0.2,
    changes: new Map([
      ['t7', 5],
      ['t9', 900],
    ]),
  };
  const findings = identityFindings([...tables, ...indexed, problem('v', 'SET LOGGED', 'unlogged')], rates);
  assert.equal(findings.length, 3);
  assert.match(
    findings[0]!.message,
    /^300 tables have no usable replica identity: t0, t1, t2, t3, t4 and 295 more\. \(FULL .*counted: t9 900 rows in 5 h, t7 5 rows in 5 h\)$/,
  );
  assert.equal(findings[0]!.statements?.length, 300);
  const script = statementsOf(findings);
  assert.equal(script.split('\n').filter((line) => line.startsWith('ALTER TABLE')).length, 307);
  assert.ok(identityFindings(tables, none)[0]!.message.endsWith('none of them has any so far)'));
});

test('a script has a section for each server, the source first; what no statement mends is a comment', () => {
  const finding = { check: 'x', level: 'warning', message: 'm\nn', remedy: 'r' } as const;
  const text = statementsOf([
    { ...finding, subject: 'sink b', statements: ['CREATE ROLE "x";', 'GRANT "x" TO "y";'] },
    { ...finding, subject: 's.t', level: 'error' },
    { ...finding, subject: 'source', level: 'ok', statements: ['never'] },
  ]);
  assert.equal(
    text,
    '-- source\n-- error: m n\n-- by hand: r\n\n-- sink b\n-- warning: m n\nCREATE ROLE "x";\nGRANT "x" TO "y";\n',
  );
});

test('what mends several findings is in the script once', () => {
  const finding = { check: 'x', level: 'error', remedy: 'GRANT "o" TO "m";' } as const;
  const text = statementsOf([
    { ...finding, subject: 's.a', message: 'a' },
    { ...finding, subject: 's.b', message: 'b', remedy: 'r' },
    { ...finding, subject: 's.c', message: 'c' },
    { ...finding, subject: 's.d', message: 'd', statements: ['ALTER TABLE d;'] },
  ]);
  const lines = ['-- error: a', '-- error: c', '-- by hand: GRANT "o" TO "m";', '-- error: b', '-- by hand: r'];
  assert.equal(text, `-- source\n${[...lines, '-- error: d', 'ALTER TABLE d;'].join('\n')}\n`);
});
