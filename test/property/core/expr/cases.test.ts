import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { PgsluiceError } from '../../../../core/base/error.ts';
import { compilePredicate, compileValue } from '../../../../core/expr/compile.ts';
import { entries } from '../../../../core/expr/registry.ts';
import { loadParser, parseExpression, parsePredicate } from '../../../../core/expr/parse.ts';
import { exprToSql, predicateToSql } from '../../../../core/expr/to-sql.ts';
import { samples } from '../../../support/expr-cases.ts';
import { extremes } from '../../../support/expr-extremes.ts';
import { ExpressionServer, type Outcome } from '../../../support/expr-server.ts';
import { server } from '../../../support/servers.ts';

before(loadParser);

/** Every function of the table, by hand: what we compute of constants hidden in a one-row table is what the server does. */
for (const major of [14, 17, 18]) {
  test(`hand-written cases on PostgreSQL ${major}`, async (t) => {
    await using at = await ExpressionServer.open(await server(major));
    const columns = await at.columns();
    const position = (name: string): number => columns.findIndex((column) => column.name === name);
    const [row] = await at.single();
    const parsed = [...samples, ...extremes].map((sql) => ({ sql, expr: parseExpression(sql, columns) }));
    const theirs = await at.evaluate(parsed.map(({ expr }) => exprToSql(expr, (name) => `"${name}"`)));
    const differences = parsed.flatMap(({ sql, expr }, i) => {
      const mine = outcome(() => compileValue(expr, position)(row as never));
      const expected = theirs[i]?.[0] as Outcome;
      return JSON.stringify(mine) === JSON.stringify(expected)
        ? []
        : [`${sql}: server ${JSON.stringify(expected)}, we ${JSON.stringify(mine)}`];
    });
    assert.deepEqual(differences, []);
    t.diagnostic(`${parsed.length} cases`);
  });
}

function outcome(evaluate: () => string | null): Outcome {
  try {
    return { value: evaluate() };
  } catch (error) {
    if (!(error instanceof PgsluiceError)) throw error;
    return { state: error.where.sqlstate ?? error.code };
  }
}

test('every function of the table has a hand-written case', () => {
  const text = [...samples, ...extremes].join('\n').toLowerCase();
  const names = new Set(entries.filter((entry) => entry.form === 'function').map((entry) => entry.name));
  const spelled: Readonly<Record<string, string>> = { timezone: 'at time zone', like_escape: ' escape ' };
  const missing = [...names].filter((name) => !text.includes(spelled[name] ?? `${name}(`));
  assert.deepEqual(missing, []);
});

test('a pushed-down predicate keeps its order of evaluation', async () => {
  await using at = await ExpressionServer.open(await server(17));
  const columns = await at.columns();
  const position = (name: string): number => columns.findIndex((column) => column.name === name);
  await at.single();
  const sql = "c_int4 <> 7 AND upper(lower(c_text)) <> 'x' AND 1 / (c_int4 - 7) > 0";
  const expr = parsePredicate(sql, columns);
  const count = await at.count(predicateToSql(expr, (name) => `"${name}"`));
  const [row] = await at.single();
  assert.equal(compilePredicate(expr, position)(row as never), false);
  assert.equal(count, 0);
});
