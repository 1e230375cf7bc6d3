import { type PartialTuple, UNCHANGED } from '../postgres/tuple.ts';
import type { Expr } from './expr.ts';
import { build, missing } from './build.ts';
import { simplify } from './simplify.ts';
import { codecOf } from './values/codec.ts';

/**
 * A function from a row to the server's text of the value. `position` is the place of a column in the row. Throws PGS42xx
 * with the SQLSTATE that the server raises for the same row.
 */
export function compileValue(expr: Expr, position: (name: string) => number): (row: PartialTuple) => string | null {
  const simple = simplify(expr);
  if (simple.op === 'const') {
    const { text } = simple;
    return () => text;
  }
  if (simple.op === 'column') {
    const at = position(simple.name);
    return (row) => {
      const cell = row[at];
      if (typeof cell === 'string' || cell === null) return cell;
      throw missing(simple.name, cell === UNCHANGED);
    };
  }
  const evaluate = build(simple, position);
  const { encode } = codecOf(simple.type.oid);
  return (row) => {
    const value = evaluate(row);
    return value === null ? null : encode(value);
  };
}

/** True only where the predicate is TRUE: neither for FALSE nor for NULL. */
export function compilePredicate(expr: Expr, position: (name: string) => number): (row: PartialTuple) => boolean {
  const evaluate = build(simplify(expr), position);
  return (row) => evaluate(row) === true;
}
