import { quoteLiteral } from '../postgres/quote.ts';
import type { Expr } from './expr.ts';
import { entryOf } from './registry.ts';
import { typeSql } from './type-sql.ts';

/**
 * The expression as SQL that means the same in every session of ours: names are qualified with pg_catalog, constants
 * carry their types, texts compare under collation "C", everything is in parentheses.
 */
export function exprToSql(expr: Expr, columnSql: (name: string) => string): string {
  if (expr.op === 'column') return columnSql(expr.name);
  if (expr.op === 'const') return constSql(expr);
  return entryOf(expr.fn).sql(
    expr.args.map((arg) => exprToSql(arg, columnSql)),
    expr,
  );
}

/**
 * A predicate for WHERE. IS TRUE keeps the planner from splitting an AND and evaluating its parts in another order, so
 * that `n <> 0 AND 1 / n > 2` cannot fail on the server where it does not fail here.
 */
export function predicateToSql(expr: Expr, columnSql: (name: string) => string): string {
  return `(${exprToSql(expr, columnSql)} IS TRUE)`;
}

function constSql(expr: Extract<Expr, { op: 'const' }>): string {
  return `CAST(${expr.text === null ? 'NULL' : quoteLiteral(expr.text).trimStart()} AS ${typeSql(expr.type)})`;
}
