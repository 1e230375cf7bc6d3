import { UNCHANGED } from '../api/change.ts';
import type { Expr } from '../api/expr.ts';
import { evaluationError } from './errors.ts';
import { entryOf } from './registry.ts';
import type { Evaluate } from './table.ts';
import { codecOf, type Value } from './values/codec.ts';

/** Closures over decoded values; only the columns that are read are decoded. */
export function build(expr: Expr, position: (name: string) => number): Evaluate {
  if (expr.op === 'const') {
    const value: Value | null = expr.text === null ? null : codecOf(expr.type.oid).decode(expr.text);
    return () => value;
  }
  if (expr.op === 'column') return column(expr.name, position(expr.name), codecOf(expr.type.oid).decode);
  const args = expr.args.map((arg) => build(arg, position));
  return entryOf(expr.fn).build(args, expr);
}

function column(name: string, at: number, decode: (text: string) => Value): Evaluate {
  return (row) => {
    const cell = row[at];
    if (typeof cell === 'string') return decode(cell);
    if (cell === null) return null;
    throw missing(name, cell === UNCHANGED);
  };
}

/** A value that the caller should have made sure of (I7). */
export function missing(name: string, unchanged: boolean): Error {
  return evaluationError(
    'PGS4203',
    unchanged ? `the value of column ${name} was not sent` : `the row has no column ${name}`,
  );
}
