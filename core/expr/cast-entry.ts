import { findCast, lengthCoercion } from './functions/casts.ts';
import { type Entry, type Evaluate, special, strictBuild } from './table.ts';
import { typeSql } from './type-sql.ts';
import type { Value } from './values/codec.ts';

const form = /^cast\(([a-z0-9]+(?:\[\])?),([a-z0-9]+(?:\[\])?)\)$/;

/**
 * Entry of `cast(from,to)`, made on first use. `other`: a type that is not decoded and whose cast to text is its output
 * (an enum). The length of the target type, if it has one, is in the type of the call.
 */
export function castEntry(fn: string): Entry | null {
  const match = form.exec(fn);
  if (match === null) return null;
  const [from, to] = [match[1] as string, match[2] as string];
  const cast =
    from === to || (from === 'other' && to === 'text')
      ? { immutable: from === to, convert: (value: Value) => value }
      : findCast(from, to);
  if (cast === null) return null;
  return special(fn, {
    form: 'cast',
    name: 'cast',
    strict: true,
    immutable: cast.immutable,
    sql: ([a], call) => `CAST(${a} AS ${typeSql(call.type)})`,
    build: ([a], call) => {
      const cut = lengthCoercion(call.type);
      const { convert } = cast;
      if (cut === null) return from === to ? (a as Evaluate) : strictBuild(convert, [a as Evaluate]);
      return strictBuild(
        (value) => {
          const converted = convert(value as Value);
          return converted === null ? null : cut(converted);
        },
        [a as Evaluate],
      );
    },
  });
}
