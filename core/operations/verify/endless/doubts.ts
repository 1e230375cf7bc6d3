import type { RangeComparison } from '../compare.ts';
import type { Part } from './table-check.ts';

/** Looks, at as many positions, before a row counts as different. */
const looks = 4;

/**
 * Where values are fetched (`refetch`), a row may be ahead of the position at which both sides are compared. It differs only if it does so
 * at several positions.
 */
export class Doubts {
  readonly #of = new WeakMap<Part, { readonly keys: ReadonlySet<string>; readonly looks: number }>();

  /** Null: to be looked at again. */
  judge(part: Part, found: RangeComparison): RangeComparison | null {
    const before = this.#of.get(part);
    const still = found.differences.filter(({ key }) => before?.keys.has(key) !== false);
    const seen = (before?.looks ?? 0) + 1;
    if (still.length === 0 || seen === looks) {
      this.#of.delete(part);
      return { ...found, equal: still.length === 0, differences: still };
    }
    this.#of.set(part, { keys: new Set(still.map(({ key }) => key)), looks: seen });
    return null;
  }
}
