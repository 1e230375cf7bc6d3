import { type Entry, strict, strictWith } from '../table.ts';
import { types } from '../types.ts';
import { type ArrayValue, equalArrays } from '../values/array.ts';
import { codecOf, type Value } from '../values/codec.ts';

/** NULL elements equal nothing here, not even each other (manual: "Array Functions and Operators"). */
function holds(list: ArrayValue, item: Value | null, equal: (x: Value, y: Value) => boolean): boolean {
  return item !== null && list.items.some((own) => own !== null && equal(own, item));
}

/** varchar has no operators of its own; its arrays become text[]. */
export const arrays: readonly Entry[] = types.flatMap(({ name, oid }) => {
  const { equal, encode } = codecOf(oid);
  const list = `${name}[]` as const;
  const pair = [list, list] as const;
  const within = (a: ArrayValue, b: ArrayValue): boolean => a.items.every((item) => holds(b, item, equal));
  const text = (array: ArrayValue, separator: string, absent: string | null): string =>
    array.items.flatMap((item) => (item === null ? (absent === null ? [] : [absent]) : [encode(item)])).join(separator);
  const stable = { immutable: false };
  const shape = [
    strict('cardinality', [list], 'int4', (array) => array.items.length),
    strict('array_length', [list, 'int4'], 'int4', (array, dimension) => array.lengths[dimension - 1] ?? null),
  ];
  const printed =
    name === 'timestamptz'
      ? []
      : [
          strictWith(stable, 'array_to_string', [[list, 'text'], 'text'], (array, separator) =>
            text(array, separator, null),
          ),
        ];
  const operators =
    name === 'varchar'
      ? []
      : [
          strict('=', pair, 'bool', (a, b) => equalArrays(a, b, equal)),
          strict('<>', pair, 'bool', (a, b) => !equalArrays(a, b, equal)),
          strict('@>', pair, 'bool', (a, b) => within(b, a)),
          strict('<@', pair, 'bool', within),
          strict('&&', pair, 'bool', (a, b) => a.items.some((item) => holds(b, item, equal))),
        ];
  return [...shape, ...printed, ...operators];
});
