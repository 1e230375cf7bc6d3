import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { PgsluiceError } from '../../../../core/base/error.ts';
import type { Expr } from '../../../../core/expr/expr.ts';
import type { Column } from '../../../../core/postgres/relation.ts';
import { compileValue } from '../../../../core/expr/compile.ts';
import { loadParser, parseExpression } from '../../../../core/expr/parse.ts';
import { exprToSql } from '../../../../core/expr/to-sql.ts';
import { ExpressionGenerator } from '../../../support/expr-gen.ts';
import { ExpressionServer, type Outcome } from '../../../support/expr-server.ts';
import { kinds, Random } from '../../../support/expr-values.ts';
import { server } from '../../../support/servers.ts';

/**
 * What a server computes and what we compute, value and SQLSTATE alike. PGSLUICE_EXPR_CASES sets how many cases (an
 * expression on a row), PGSLUICE_EXPR_SEED the first seed; a failure names the seed of its batch.
 */
const cases = Number(process.env['PGSLUICE_EXPR_CASES'] ?? 20_000);
const firstSeed = Number(process.env['PGSLUICE_EXPR_SEED'] ?? 1);
const rowsPerBatch = 8;
const expressionsPerBatch = 50;

interface Candidate {
  readonly text: string;
  readonly expr: Expr;
}

/** Expressions that the language accepts; what it refuses is the subject of the unit tests. */
function candidates(random: Random, columns: readonly Column[]): Candidate[] {
  const generator = new ExpressionGenerator(random);
  const made: Candidate[] = [];
  while (made.length < expressionsPerBatch) {
    const text = generator.expression(random.pick(kinds), 1 + random.int(3));
    try {
      made.push({ text, expr: parseExpression(text, columns) });
    } catch (error) {
      if (!(error instanceof PgsluiceError) || !error.code.startsWith('PGS41'))
        throw new Error(`parsing ${text}`, { cause: error });
    }
  }
  return made;
}

function ours(
  candidate: Candidate,
  columns: readonly Column[],
  rows: readonly (readonly (string | null)[])[],
): (Outcome | null)[] {
  const position = (name: string): number => columns.findIndex((column) => column.name === name);
  const evaluate = compileValue(candidate.expr, position);
  return rows.map((row) => {
    try {
      return { value: evaluate(row) };
    } catch (error) {
      if (!(error instanceof PgsluiceError)) throw new Error(`evaluating ${candidate.text}`, { cause: error });
      return error.code === 'PGS4202' ? null : { state: error.where.sqlstate ?? error.code };
    }
  });
}

interface Tally {
  compared: number;
  errors: number;
  undecided: number;
  readonly differences: string[];
}

async function runBatch(at: ExpressionServer, columns: readonly Column[], seed: number, tally: Tally): Promise<void> {
  const random = new Random(seed);
  const rows = await at.refill(random, rowsPerBatch);
  const made = candidates(random, columns);
  const sql = made.map(({ expr }) => exprToSql(expr, (name) => `"${name}"`));
  const theirs = await at.evaluate(sql);
  made.forEach((candidate, i) => {
    let differs = false;
    ours(candidate, columns, rows).forEach((mine, row) => {
      const expected = theirs[i]?.[row] as Outcome;
      if (mine === null) tally.undecided++;
      else if (JSON.stringify(mine) !== JSON.stringify(expected) && !differs) {
        differs = true;
        tally.differences.push(
          `seed ${seed}, row ${row}: ${candidate.text}\n  sql ${sql[i]}\n  server ${JSON.stringify(expected)}, we ${JSON.stringify(mine)}`,
        );
      }
      tally.compared++;
      if ('state' in expected) tally.errors++;
    });
  });
}

before(loadParser);

for (const [major, share] of [
  [17, 1],
  [14, 0.15],
  [18, 0.15],
] as const) {
  test(`expressions mean what PostgreSQL ${major} means`, async (t) => {
    await using at = await ExpressionServer.open(await server(major));
    const columns = await at.columns();
    const tally: Tally = { compared: 0, errors: 0, undecided: 0, differences: [] };
    for (
      let seed = firstSeed + major * 1_000_000;
      tally.compared < cases * share && tally.differences.length < 200;
      seed++
    ) {
      await runBatch(at, columns, seed, tally);
    }
    t.diagnostic(`${tally.compared} cases, ${tally.errors} of them errors, ${tally.undecided} left to the server`);
    assert.equal(tally.differences.length, 0, tally.differences.slice(0, 40).join('\n'));
    assert.ok(tally.undecided < tally.compared / 20, 'too many cases are left to the server');
    assert.ok(tally.errors > tally.compared / 200, 'the generator makes too few errors to prove anything about them');
  });
}
