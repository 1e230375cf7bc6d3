import type { Expr } from './expr.ts';
import { build } from './build.ts';
import { entryOf } from './registry.ts';
import { codecOf } from './values/codec.ts';

type Const = Extract<Expr, { op: 'const' }>;

/**
 * Folds constants exactly as far as the server's planner does (eval_const_expressions), because that decides which
 * errors can occur at all. A strict call with a constant NULL is NULL without evaluating the rest; FALSE AND x is
 * FALSE; a constant part that fails, fails for every row, before the first. Throws the error of that part.
 */
export function simplify(expr: Expr): Expr {
  if (expr.op !== 'call') return expr;
  if (expr.fn === 'and' || expr.fn === 'or') return simplifyJunction(expr);
  if (expr.fn === 'case') return simplifyCase(expr);
  if (expr.fn === 'coalesce') return simplifyCoalesce(expr);
  const args = expr.args.map(simplify);
  const call: Expr = args.every((arg, i) => arg === expr.args[i]) ? expr : { ...expr, args };
  const entry = entryOf(expr.fn);
  if (entry.strict && args.some((arg) => arg.op === 'const' && arg.text === null)) return nullOf(expr);
  if (!entry.immutable || !args.every((arg) => arg.op === 'const')) return call;
  const value = build(call, () => -1)([]);
  return { op: 'const', text: value === null ? null : codecOf(expr.type.oid).encode(value), type: expr.type };
}

const nullOf = (expr: Expr): Const => ({ op: 'const', text: null, type: expr.type });
const isConst = (expr: Expr, text: string | null): boolean => expr.op === 'const' && expr.text === text;

function simplifyJunction(expr: Extract<Expr, { op: 'call' }>): Expr {
  const [decisive, neutral] = expr.fn === 'and' ? ['f', 't'] : ['t', 'f'];
  const kept: Expr[] = [];
  let sawNull = false;
  for (const arg of flatten(expr, expr.fn)) {
    const simple = simplify(arg);
    if (isConst(simple, decisive as string)) return simple;
    if (isConst(simple, null)) sawNull = true;
    else if (!isConst(simple, neutral as string)) kept.push(simple);
  }
  if (sawNull) kept.push(nullOf(expr));
  if (kept.length === 0) return { op: 'const', text: neutral as string, type: expr.type };
  return kept.length === 1 ? (kept[0] as Expr) : { ...expr, args: kept };
}
function flatten(expr: Expr, fn: string): readonly Expr[] {
  return expr.op === 'call' && expr.fn === fn ? expr.args.flatMap((arg) => flatten(arg, fn)) : [expr];
}

function simplifyCase(expr: Extract<Expr, { op: 'call' }>): Expr {
  const kept: Expr[] = [];
  let otherwise = expr.args.at(-1) as Expr;
  for (let i = 0; i + 1 < expr.args.length; i += 2) {
    const when = simplify(expr.args[i] as Expr);
    if (when.op === 'const' && when.text !== 't') continue;
    const then = expr.args[i + 1] as Expr;
    if (isConst(when, 't')) {
      otherwise = then;
      break;
    }
    kept.push(when, simplify(then));
  }
  const last = simplify(otherwise);
  return kept.length === 0 ? last : { ...expr, args: [...kept, last] };
}

function simplifyCoalesce(expr: Extract<Expr, { op: 'call' }>): Expr {
  const kept: Expr[] = [];
  for (const arg of expr.args) {
    const simple = simplify(arg);
    if (isConst(simple, null)) continue;
    kept.push(simple);
    if (simple.op === 'const') break;
  }
  if (kept.length === 0) return nullOf(expr);
  return kept.length === 1 ? (kept[0] as Expr) : { ...expr, args: kept };
}
