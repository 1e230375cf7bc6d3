import { UNCHANGED } from '../postgres/tuple.ts';
import type { Expr } from './expr.ts';
import { evaluationError } from './errors.ts';
import { entryOf } from './registry.ts';
import type { Evaluate } from './table.ts';
import { codecOf, type Value } from './values/codec.ts';

/**
 * Closures over decoded values; only the columns that the expression reads are decoded. A call that occurs more than
 * once is evaluated once per row: rows are never changed in place.
 */
export function build(expr: Expr, position: (name: string) => number): Evaluate {
  return new Builder(repeated(expr), position).build(expr);
}

class Builder {
  readonly #repeated: ReadonlySet<string>;
  readonly #position: (name: string) => number;
  readonly #shared = new Map<string, Evaluate>();

  constructor(repeats: ReadonlySet<string>, position: (name: string) => number) {
    this.#repeated = repeats;
    this.#position = position;
  }

  build(expr: Expr): Evaluate {
    if (expr.op === 'const') {
      const value: Value | null = expr.text === null ? null : codecOf(expr.type.oid).decode(expr.text);
      return () => value;
    }
    if (expr.op === 'column') return column(expr.name, this.#position(expr.name), codecOf(expr.type.oid).decode);
    if (this.#repeated.size === 0) return this.#call(expr);
    const key = JSON.stringify(expr);
    if (!this.#repeated.has(key)) return this.#call(expr);
    let shared = this.#shared.get(key);
    if (shared === undefined) this.#shared.set(key, (shared = once(this.#call(expr))));
    return shared;
  }

  #call(expr: Extract<Expr, { op: 'call' }>): Evaluate {
    const args = expr.args.map((arg) => this.build(arg));
    return entryOf(expr.fn).build(args, expr);
  }
}

/** Keeps the value of the last row; an error of that row is thrown again. */
function once(evaluate: Evaluate): Evaluate {
  let last: Parameters<Evaluate>[0] | null = null;
  let value: Value | null = null;
  return (row) => {
    if (row === last) return value;
    last = null;
    value = evaluate(row);
    last = row;
    return value;
  };
}

/** Calls that occur more than once in the expression and read a column. */
function repeated(expr: Expr): ReadonlySet<string> {
  if (expr.op !== 'call' || countCalls(expr) > maxCalls) return new Set();
  const seen = new Set<string>();
  const twice = new Set<string>();
  const look = (each: Expr): void => {
    if (each.op !== 'call') return;
    const key = JSON.stringify(each);
    if (seen.has(key)) {
      twice.add(key);
      return;
    }
    seen.add(key);
    each.args.forEach(look);
  };
  look(expr);
  return twice;
}

/** The keys are whole subtrees as text, so a very large expression is not searched for repeated calls. */
const maxCalls = 2000;

function countCalls(expr: Expr): number {
  return expr.op === 'call' ? 1 + expr.args.reduce((sum, arg) => sum + countCalls(arg), 0) : 0;
}

function column(name: string, at: number, decode: (text: string) => Value): Evaluate {
  return (row) => {
    const cell = row[at];
    if (typeof cell === 'string') return decode(cell);
    if (cell === null) return null;
    throw missing(name, cell === UNCHANGED);
  };
}

/** The value is missing although the caller should have made sure of it (I7). */
export function missing(name: string, unchanged: boolean): Error {
  return evaluationError(
    'PGS4203',
    unchanged ? `the value of column ${name} was not sent` : `the row has no column ${name}`,
  );
}
