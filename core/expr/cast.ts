import type { Expr, SqlType } from './expr.ts';
import { expressionError } from './errors.ts';
import { findCast } from './functions/casts.ts';
import { functionCall } from './parse-function.ts';
import { overloads } from './registry.ts';
import { call as makeCall, constant, literalAs, Refused, resolve, toCommon, zoneAdvice } from './resolve.ts';
import { typmodOf } from './type-sql.ts';
import { isUnknown, labelOf, nameOf, plainType, typeNames, typeSpoken, UNKNOWN } from './types.ts';
import { suggestion } from '../base/suggest.ts';

/** An explicit cast. A constant is converted at once, so that an invalid one is found when the file is read. */
export function cast(expr: Expr, type: SqlType): Expr {
  if (isUnknown(expr)) {
    const literal = literalAs(expr, type);
    return type.typmod < 0 ? literal : withLength(literal, type);
  }
  const [from, to] = [nameOf(expr.type.oid), nameOf(type.oid)];
  if (expr.type.oid === type.oid)
    return type.typmod < 0 || type.typmod === expr.type.typmod ? expr : withLength(expr, type);
  if (from === null && to === 'text' && textIsOutput(expr.type)) return makeCall('cast(other,text)', [expr], type);
  if (from === null || to === null) {
    if (from === null && textIsOutput(expr.type) && to !== null) return cast(cast(expr, plainType('text')), type);
    throw new Refused('PGS4104', `no cast from ${labelOf(expr.type)} to ${labelOf(type)} in expressions`);
  }
  const zone = zoneAdvice(expr.type, type);
  if (zone !== '') throw new Refused('PGS4106', zoneCast(from, to));
  if (findCast(from, to) === null)
    throw new Refused('PGS4104', `no cast from ${labelOf(expr.type)} to ${labelOf(type)}`);
  return makeCall(`cast(${from},${to})`, [expr], type);
}

function zoneCast(from: string, to: string): string {
  if (from === 'timestamptz') {
    return `a cast from timestamp with time zone to ${to} depends on TimeZone: write (x AT TIME ZONE 'UTC')::${to}`;
  }
  if (from === 'timestamp')
    return "a cast from timestamp to timestamp with time zone depends on TimeZone: write x AT TIME ZONE 'UTC'";
  return `a cast from ${from} to timestamp with time zone depends on TimeZone: write x::timestamp AT TIME ZONE 'UTC'`;
}
function withLength(expr: Expr, type: SqlType): Expr {
  const name = nameOf(type.oid);
  return makeCall(`cast(${name},${name})`, [expr], type);
}
/**
 * enum, json and time without time zone: the cast to text is the type's output. For other types (inet, interval) the
 * two differ, or settings shape the output.
 */
const textIsOutput = (type: SqlType): boolean => type.kind === 'enum' || type.oid === 114 || type.oid === 1083;

/** `numeric(10,2)`, `varchar(20)[]`, any SQL name of a supported type. */
export function typeFromName(text: string): SqlType {
  const match =
    /^\s*(?:pg_catalog\.)?"?([a-z0-9_ ]+?)"?\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*( with(?:out)? time zone)?\s*(\[\])?\s*$/i.exec(
      text,
    );
  const base = match === null ? '' : `${match[1]?.toLowerCase().replace(/\s+/g, ' ')}${match[4]?.toLowerCase() ?? ''}`;
  const info = typeSpoken(base);
  if (match === null || info === undefined) {
    throw new Refused('PGS4103', `unknown type ${JSON.stringify(text)}${suggestion(base, typeNames)}`);
  }
  const numbers = [match[2], match[3]].filter((n) => n !== undefined).map(Number);
  // char alone is char(1); bpchar alone has no length.
  const typmod = base === 'bpchar' && numbers.length === 0 ? -1 : typmodOf(info.name, numbers);
  if (typmod === null) throw new Refused('PGS4104', `type modifiers of ${JSON.stringify(text)} are not allowed`);
  return { oid: match[5] === undefined ? info.oid : info.array, typmod };
}

function unplaced<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof Refused) throw expressionError(error.code, error.message);
    throw error;
  }
}

/** A cast for transforms that build expressions themselves. Throws PGS41xx if there is no such cast or type. */
export function castTo(expr: Expr, typeName: string): Expr {
  return unplaced(() => cast(expr, typeFromName(typeName)));
}

const common = new Set(['coalesce', 'greatest', 'least']);
const boolean = new Set(['and', 'or', 'not']);
/** A call of a function or operator by its SQL name (`sha256`, `||`, `coalesce`, `and`, `case`), the overload resolved. */
export function call(fn: string, args: readonly Expr[]): Expr {
  return unplaced(() => {
    if (common.has(fn)) {
      const { args: alike, type } = toCommon(args, fn.toUpperCase());
      return makeCall(fn, alike, type);
    }
    if (boolean.has(fn) || fn.startsWith('is ')) return makeCall(fn, args, plainType('bool'));
    if (fn === 'concat' || fn === 'concat_ws') return functionCall(fn, args);
    const operator = overloads(fn).some((entry) => entry.form === 'operator');
    if (overloads(fn).length === 0) throw new Refused('PGS4103', `the function table has no ${fn}`);
    return resolve(fn, args, operator ? 'operator' : 'function');
  });
}

/** A string literal of unknown type: it takes the type of what it is used with. */
export const literal = (text: string | null): Expr => constant(text, { oid: UNKNOWN, typmod: -1 });
