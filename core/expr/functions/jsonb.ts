import { dataError } from '../errors.ts';
import { type Entry, strict } from '../table.ts';
import type { ArrayValue } from '../values/array.ts';
import { containsJson, isArray, type Json, JsonObject, jsonText } from '../values/json.ts';
import { jsonKind } from './casts.ts';

/** A scalar is stored as an array of one element, which some operators show. */
const asArray = (value: Json): readonly Json[] | null =>
  isArray(value) ? value : value instanceof JsonObject ? null : [value];

const member = (value: Json, key: string): Json | null =>
  value instanceof JsonObject ? (value.entries.get(key) ?? null) : null;
function element(value: Json, at: number): Json | null {
  const items = asArray(value);
  return items === null ? null : (items[at < 0 ? items.length + at : at] ?? null);
}

/** #> : keys of objects, positions of arrays (from the end when negative). */
function follow(value: Json, path: ArrayValue): Json | null {
  let at: Json | null = value;
  for (const step of path.items) {
    if (step === null || at === null) return null;
    if (isArray(at)) {
      const match: RegExpExecArray | null = /^[ \t\n\v\f\r]*([+-]?\d{1,10})$/.exec(step as string);
      const index = match === null ? Number.NaN : Number(match[1]);
      at = index >= -2_147_483_648 && index <= 2_147_483_647 ? element(at, index) : null;
    } else at = member(at, step as string);
  }
  return at;
}

const has = (value: Json, key: string): boolean =>
  value instanceof JsonObject ? value.entries.has(key) : (asArray(value) as readonly Json[]).includes(key);
const asText = (value: Json | null): string | null => (value === null ? null : jsonText(value));
const keys = (list: ArrayValue): string[] => list.items.filter((item) => item !== null) as string[];

function remove(value: Json, names: readonly string[]): Json {
  if (value instanceof JsonObject) {
    return new JsonObject(new Map([...value.entries].filter(([key]) => !names.includes(key))));
  }
  if (!isArray(value)) throw dataError('22023', 'cannot delete from scalar');
  return value.filter((item) => typeof item !== 'string' || !names.includes(item));
}

export const jsonb: readonly Entry[] = [
  strict('->', ['jsonb', 'text'], 'jsonb', member),
  strict('->', ['jsonb', 'int4'], 'jsonb', element),
  strict('->>', ['jsonb', 'text'], 'text', (value, key) => asText(member(value, key))),
  strict('->>', ['jsonb', 'int4'], 'text', (value, at) => asText(element(value, at))),
  strict('#>', ['jsonb', 'text[]'], 'jsonb', follow),
  strict('#>>', ['jsonb', 'text[]'], 'text', (value, path) => asText(follow(value, path))),
  strict('?', ['jsonb', 'text'], 'bool', has),
  strict('?|', ['jsonb', 'text[]'], 'bool', (value, list) => keys(list).some((key) => has(value, key))),
  strict('?&', ['jsonb', 'text[]'], 'bool', (value, list) => keys(list).every((key) => has(value, key))),
  strict('@>', ['jsonb', 'jsonb'], 'bool', containsJson),
  strict('<@', ['jsonb', 'jsonb'], 'bool', (a, b) => containsJson(b, a)),
  strict('-', ['jsonb', 'text'], 'jsonb', (value, key) => remove(value, [key])),
  strict('-', ['jsonb', 'text[]'], 'jsonb', (value, list) => {
    if (list.lengths.length > 1) throw dataError('2202E', 'wrong number of array subscripts');
    return remove(value, keys(list));
  }),
  strict('jsonb_typeof', ['jsonb'], 'text', jsonKind),
  strict('jsonb_array_length', ['jsonb'], 'int4', (value) => {
    if (!isArray(value)) throw dataError('22023', 'cannot get array length of what is no array');
    return value.length;
  }),
];
