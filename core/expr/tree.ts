import type { Expr } from './expr.ts';
import { entryOf } from './registry.ts';

/** Names of the columns that the expression reads. */
export function columnsOf(expr: Expr): ReadonlySet<string> {
  const names = new Set<string>();
  collect(expr, names);
  return names;
}
function collect(expr: Expr, into: Set<string>): void {
  if (expr.op === 'column') into.add(expr.name);
  if (expr.op === 'call') for (const arg of expr.args) collect(arg, into);
}

/** The expression with every column replaced: how transforms compose. */
export function substitute(expr: Expr, replace: (name: string) => Expr): Expr {
  if (expr.op === 'column') return replace(expr.name);
  if (expr.op === 'const') return expr;
  let changed = false;
  const args = expr.args.map((arg) => {
    const next = substitute(arg, replace);
    changed ||= next !== arg;
    return next;
  });
  return changed ? { ...expr, args } : expr;
}

/**
 * Why a publication's row filter cannot hold the expression (manual: "CREATE PUBLICATION", WHERE: built-in immutable
 * functions and operators and built-in types only), or null where it can.
 */
export function rowFilterObstacle(expr: Expr): string | null {
  if (expr.type.oid >= 16_384) return `the type ${expr.type.name ?? expr.type.oid} is not built in`;
  if (expr.op !== 'call') return null;
  const entry = entryOf(expr.fn);
  if (entry.id === 'date_trunc(text,timestamptz,text)') return 'date_trunc with a zone is immutable from 16 on only';
  if (!entry.immutable) return `${entry.name === 'cast' ? `a cast to ${expr.fn}` : entry.name} is not immutable`;
  for (const arg of expr.args) {
    const obstacle = rowFilterObstacle(arg);
    if (obstacle !== null) return obstacle;
  }
  return null;
}
