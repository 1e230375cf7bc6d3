import { PgsluiceError } from '../base/error.ts';
import { expressionError } from './errors.ts';
import { castEntry } from './cast-entry.ts';
import { arrays } from './functions/arrays.ts';
import { bytes } from './functions/bytes.ts';
import { comparison } from './functions/comparison.ts';
import { concats } from './functions/concat.ts';
import { datetime } from './functions/datetime.ts';
import { intervals } from './functions/interval.ts';
import { jsonb } from './functions/jsonb.ts';
import { like } from './functions/like.ts';
import { logic } from './functions/logic.ts';
import { numeric } from './functions/numeric.ts';
import { regex } from './functions/regex.ts';
import { textFunctions } from './functions/text.ts';
import { numberFormats } from './functions/to-char-number.ts';
import type { Entry } from './table.ts';

/** The function table. */
export const entries: readonly Entry[] = [
  ...logic,
  ...comparison,
  ...numeric,
  ...textFunctions,
  ...concats,
  ...like,
  ...regex,
  ...bytes,
  ...datetime,
  ...intervals,
  ...numberFormats,
  ...jsonb,
  ...arrays,
];

const byId = new Map(entries.map((entry) => [entry.id, entry]));
const byName = new Map<string, Entry[]>();
for (const entry of entries) {
  if (entry.form === 'special') continue;
  const list = byName.get(entry.name);
  if (list === undefined) byName.set(entry.name, [entry]);
  else list.push(entry);
}
const castIds = new Map<string, Entry>();

/** Overloads of a function or operator. */
export const overloads = (name: string): readonly Entry[] => byName.get(name) ?? [];
export const functionNames: readonly string[] = [...byName.keys()].filter((name) => /^[a-z]/.test(name));

/** The entry that Expr.fn names. */
export function entryOf(fn: string): Entry {
  const known = byId.get(fn) ?? castIds.get(fn);
  if (known !== undefined) return known;
  const made = castEntry(fn);
  if (made === null) throw noEntry(fn);
  castIds.set(fn, made);
  return made;
}
function noEntry(fn: string): PgsluiceError {
  return expressionError('PGS4103', `the function table has no entry ${fn}`);
}
