import type { Expr, SqlType } from './expr.ts';
import { PgsluiceError } from '../base/error.ts';
import type { expressionErrors } from './errors.ts';
import { findCast } from './functions/casts.ts';
import { overloads } from './registry.ts';
import type { Entry } from './table.ts';
import { elementInfo, isUnknown, labelOf, nameOf, oidOf, plainType, sameType, typeInfo, UNKNOWN } from './types.ts';
import { codecOf } from './values/codec.ts';

/** A refusal without its position; the parser adds that. */
export class Refused extends Error {
  readonly code: keyof typeof expressionErrors;
  constructor(code: keyof typeof expressionErrors, message: string) {
    super(message);
    this.code = code;
  }
}

export const call = (fn: string, args: readonly Expr[], type: SqlType): Expr => ({ op: 'call', fn, args, type });
export const constant = (text: string | null, type: SqlType): Expr => ({ op: 'const', text, type });

/** Whether there is an implicit cast from `from` to `to` (pg_cast, context implicit). */
export function coercible(from: number, to: number): boolean {
  if (from === to || from === UNKNOWN) return true;
  const names = [nameOf(from), nameOf(to)];
  if (names[0] === null || names[1] === null) return false;
  return findCast(names[0] as string, names[1] as string)?.context === 'implicit';
}

/** A literal as a constant of a type: read by the type's input function, kept as its output. */
export function literalAs(expr: Expr, type: SqlType): Expr {
  if (expr.op !== 'const') throw new Error('not a literal');
  if (expr.text === null) return constant(null, type);
  if (type.kind === 'enum') return constant(expr.text, type);
  if (nameOf(type.oid) === null) {
    throw new Refused(
      'PGS4104',
      `a constant of type ${labelOf(type)} cannot be read here; cast the column to text instead`,
    );
  }
  const codec = codecOf(type.oid);
  try {
    return constant(codec.encode(codec.input(expr.text)), { ...type, typmod: -1 });
  } catch (error) {
    if (!(error instanceof PgsluiceError)) throw error;
    const hint = error.code === 'PGS4202' ? `: ${error.message}; use ISO 8601 or plain digits` : '';
    throw new Refused('PGS4109', `${JSON.stringify(expr.text)} is no value of type ${labelOf(type)}${hint}`);
  }
}

/** An implicit conversion; the caller has checked that it exists. */
export function coerce(expr: Expr, type: SqlType): Expr {
  if (isUnknown(expr)) return literalAs(expr, type);
  if (expr.type.oid === type.oid) return expr;
  if (!coercible(expr.type.oid, type.oid)) {
    throw new Refused(
      'PGS4104',
      `${labelOf(expr.type)} does not become ${labelOf(type)} by itself; add a cast${zoneAdvice(expr.type, type)}`,
    );
  }
  const [from, to] = [nameOf(expr.type.oid) as string, nameOf(type.oid) as string];
  const plain: SqlType = { oid: type.oid, typmod: -1 };
  if (expr.op === 'const') return constant(convertText(expr, from, to), plain);
  return call(`cast(${from},${to})`, [expr], plain);
}
/** A typed constant through an implicit cast, at once: `n > 2` reads better than `n > CAST(CAST('2' AS int4) AS numeric)`. */
function convertText(expr: Extract<Expr, { op: 'const' }>, from: string, to: string): string | null {
  if (expr.text === null) return null;
  const value = findCast(from, to)?.convert(codecOf(expr.type.oid).decode(expr.text)) ?? null;
  const target = oidOf(to as 'text');
  return value === null ? null : codecOf(target).encode(value);
}
/** Between timestamps with and without zone, and dates, lies the session's TimeZone. */
export function zoneAdvice(a: SqlType, b: SqlType): string {
  const zoned = [a, b].filter((type) => nameOf(type.oid) === 'timestamptz').length;
  return zoned === 1 ? ": AT TIME ZONE 'UTC' on the timestamp with time zone says which zone is meant" : '';
}

/** The type that CASE, COALESCE, IN, ARRAY and their like agree on (manual: "UNION, CASE, and Related Constructs"). */
export function commonType(args: readonly Expr[], what: string): SqlType {
  const known = args.filter((arg) => !isUnknown(arg));
  const first = known[0];
  if (first === undefined) return plainType('text');
  if (args.every((arg) => sameType(arg.type, first.type))) return first.type;
  let type = first.type;
  for (const arg of known) {
    const next = arg.type;
    if (next.oid === type.oid) continue;
    const sameCategory =
      typeInfo(next.oid)?.category === typeInfo(type.oid)?.category && typeInfo(type.oid) !== undefined;
    if (!sameCategory)
      throw new Refused('PGS4104', `${what} types ${labelOf(type)} and ${labelOf(next)} cannot be matched`);
    if (typeInfo(type.oid)?.preferred !== true && coercible(type.oid, next.oid) && !coercible(next.oid, type.oid))
      type = next;
  }
  return { ...type, typmod: -1 };
}
export function toCommon(args: readonly Expr[], what: string): { args: readonly Expr[]; type: SqlType } {
  const type = commonType(args, what);
  return { args: args.map((arg) => coerce(arg, type)), type };
}

/** Chooses the overload as the server does (manual: "Function Type Resolution", "Operator Type Resolution"). */
export function resolve(name: string, args: readonly Expr[], form: 'function' | 'operator'): Expr {
  const all = overloads(name).filter((entry) => entry.args.length === args.length && entry.form === form);
  const entry = exact(all, args, form) ?? best(all, args);
  if (entry === null) throw new Refused('PGS4104', mismatch(name, args, form, all));
  const coerced = args.map((arg, i) => coerce(arg, plainType(entry.args[i] as 'text')));
  const refusal = entry.check?.(coerced) ?? null;
  if (refusal !== null) throw new Refused(refusal.code, refusal.message);
  return call(entry.id, coerced, plainType(entry.result as 'text'));
}

function exact(all: readonly Entry[], args: readonly Expr[], form: 'function' | 'operator'): Entry | null {
  let oids = args.map((arg) => arg.type.oid);
  if (form === 'operator' && args.length === 2) {
    const known = oids.find((oid) => oid !== UNKNOWN);
    if (known !== undefined) oids = oids.map((oid) => (oid === UNKNOWN ? known : oid));
  }
  return all.find((entry) => entry.args.every((type, i) => oidOf(type) === oids[i])) ?? null;
}

function best(all: readonly Entry[], args: readonly Expr[]): Entry | null {
  let left = all.filter((entry) => args.every((arg, i) => coercible(arg.type.oid, at(entry, i))));
  if (left.length <= 1) return left[0] ?? null;
  left = most(left, (entry) => args.filter((arg, i) => arg.type.oid === at(entry, i)).length);
  if (left.length === 1) return left[0] as Entry;
  left = most(
    left,
    (entry) =>
      args.filter((arg, i) => !isUnknown(arg) && (arg.type.oid === at(entry, i) || preferred(at(entry, i)))).length,
  );
  if (left.length === 1) return left[0] as Entry;
  args.forEach((arg, i) => {
    if (isUnknown(arg)) left = byCategory(left, i);
  });
  if (left.length === 1) return left[0] as Entry;
  const known = new Set(args.filter((arg) => !isUnknown(arg)).map((arg) => arg.type.oid));
  if (known.size !== 1) return null;
  const [one] = known;
  left = left.filter((entry) => args.every((arg, i) => !isUnknown(arg) || at(entry, i) === one));
  return left.length === 1 ? (left[0] as Entry) : null;
}
const at = (entry: Entry, i: number): number => oidOf(entry.args[i] as 'text');
const preferred = (oid: number): boolean => typeInfo(oid)?.preferred === true;
function most(entries: readonly Entry[], score: (entry: Entry) => number): Entry[] {
  const top = Math.max(...entries.map(score));
  return entries.filter((entry) => score(entry) === top);
}
function byCategory(left: readonly Entry[], i: number): Entry[] {
  const category = (entry: Entry) => typeInfo(at(entry, i))?.category ?? 'A';
  const wanted = left.some((entry) => category(entry) === 'S')
    ? 'S'
    : new Set(left.map(category)).size === 1
      ? category(left[0] as Entry)
      : null;
  if (wanted === null) return [...left];
  const within = left.filter((entry) => category(entry) === wanted);
  const favourites = within.filter((entry) => preferred(at(entry, i)));
  return favourites.length > 0 ? favourites : within;
}

function mismatch(name: string, args: readonly Expr[], form: 'function' | 'operator', all: readonly Entry[]): string {
  const types = args.map((arg) => labelOf(arg.type));
  const shown =
    form === 'operator' && types.length === 2 ? `${types[0]} ${name} ${types[1]}` : `${name}(${types.join(', ')})`;
  const zoned = args.some((arg) => nameOf(arg.type.oid) === 'timestamptz');
  if (zoned) return `there is no ${shown}; write x AT TIME ZONE 'UTC' to make the timestamp with time zone a timestamp`;
  if (form === 'operator') return `there is no ${shown}${all.length > 0 ? '; add a cast' : ''}`;
  const takes = overloads(name).map((entry) => `(${entry.args.join(', ')})`);
  return `there is no ${shown}; it takes ${[...new Set(takes)].slice(0, 6).join(' or ')}`;
}

/** The element type of an array type that we decode. */
export function elementOf(type: SqlType): SqlType | null {
  const info = elementInfo(type.oid);
  return info === undefined ? null : { oid: info.oid, typmod: type.typmod };
}
