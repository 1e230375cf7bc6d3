import type { Expr, SqlType } from './expr.ts';
import { type Ast, child, children, firstLocation, flag, location, names, text, unwrap } from './ast.ts';
import { cast, literal } from './cast.ts';
import { forbiddenFunction, forbiddenNode } from './forbidden.ts';
import { parseFunction } from './parse-function.ts';
import { parseOperator } from './parse-operator.ts';
import { call, coerce, constant, elementOf, Refused, toCommon } from './resolve.ts';
import type { Scope } from './scope.ts';
import { suggestion } from '../base/suggest.ts';
import { typmodOf } from './type-sql.ts';
import { elementInfo, isUnknown, labelOf, plainType, typeInfo, typeNames, typeSpoken } from './types.ts';

/** State that the parts of the parser share. */
export interface Parsing {
  readonly scope: Scope;
  /** Byte offset of the expression in the query. */
  readonly base: number;
  readonly node: (node: Ast) => Expr;
}
export const bool = plainType('bool');

/** Turns PostgreSQL's parse tree into an expression with types. */
export function parseNode(node: Ast, scope: Scope, base: number): Expr {
  const parsing: Parsing = { scope, base, node: (inner) => parseOne(inner, parsing) };
  return parsing.node(node);
}

function parseOne(node: Ast, parsing: Parsing): Expr {
  const [kind, body] = unwrap(node);
  const at = (location(body) >= 0 ? location(body) : firstLocation(body)) - parsing.base;
  const parser = parsers[kind];
  if (parser === undefined) {
    throw parsing.scope.error('PGS4107', at, forbiddenNode(kind) ?? `${kind} is not part of the expression language`);
  }
  return parsing.scope.at(at, () => parser(body, parsing, at));
}

type Parser = (body: Ast, parsing: Parsing, at: number) => Expr;

const parsers: Readonly<Record<string, Parser>> = {
  ColumnRef: parseColumn,
  A_Const: parseConst,
  A_Expr: parseOperator,
  BoolExpr: (body, parsing) => {
    const fn = ({ AND_EXPR: 'and', OR_EXPR: 'or', NOT_EXPR: 'not' } as Record<string, string>)[text(body, 'boolop')];
    const args = children(body, 'args').map((arg) => condition(arg, parsing, fn?.toUpperCase() ?? ''));
    return call(fn as string, args, bool);
  },
  NullTest: (body, parsing) => {
    const arg = known(parsing.node(child(body, 'arg') as Ast));
    return call(text(body, 'nulltesttype') === 'IS_NOT_NULL' ? 'is not null' : 'is null', [arg], bool);
  },
  BooleanTest: (body, parsing) => {
    const fn = text(body, 'booltesttype').toLowerCase().replaceAll('_', ' ');
    return call(fn, [condition(child(body, 'arg') as Ast, parsing, fn.toUpperCase())], bool);
  },
  CaseExpr: parseCase,
  CoalesceExpr: (body, parsing) => joined('coalesce', body, parsing),
  MinMaxExpr: (body, parsing) => {
    const fn = text(body, 'op') === 'IS_LEAST' ? 'least' : 'greatest';
    const expr = joined(fn, body, parsing);
    const info = typeInfo(expr.type.oid);
    if (info === undefined || info.name === 'jsonb') {
      throw new Refused(
        'PGS4104',
        `${fn.toUpperCase()} of ${labelOf(expr.type)} is not supported: no order is known for it here`,
      );
    }
    return expr;
  },
  FuncCall: parseFunction,
  TypeCast: (body, parsing) => {
    const inner = child(body, 'arg') as Ast;
    const type = parseType(child(body, 'typeName') as Ast, parsing);
    const [kind, array] = unwrap(inner);
    if (kind === 'A_ArrayExpr' && elementInfo(type.oid) !== undefined) return arrayOf(array, parsing, type);
    return cast(parsing.node(inner), type);
  },
  A_ArrayExpr: (body, parsing) => arrayOf(body, parsing, null),
  A_Indirection: parseSubscript,
  CollateClause: (body, parsing) => {
    const collation = names(body, 'collname').at(-1);
    if (collation !== 'C' && collation !== 'POSIX') {
      throw new Refused(
        'PGS4106',
        `collation ${JSON.stringify(collation)} is not supported: texts compare by bytes, as under COLLATE "C"`,
      );
    }
    return parsing.node(child(body, 'arg') as Ast);
  },
  SQLValueFunction: (body) => {
    const name = text(body, 'op')
      .replace(/^SVFOP_/, '')
      .replace(/_N$/, '')
      .toLowerCase();
    const forbidden = forbiddenFunction(name);
    throw new Refused(forbidden?.code ?? 'PGS4105', `${name} ${forbidden?.why ?? 'depends on the session'}`);
  },
};

function parseColumn(body: Ast, parsing: Parsing, at: number): Expr {
  const path = names(body, 'fields');
  const [name = ''] = path;
  if (path.length > 1) {
    throw new Refused('PGS4107', `${path.join('.')}: columns are named without their table, just ${path.at(-1)}`);
  }
  if (name === '*') throw new Refused('PGS4107', '* is not an expression; name a column');
  return parsing.scope.column(name, at);
}

/** Integers take the smallest of integer, bigint and numeric that holds them; the type of a string stays open. */
function parseConst(body: Ast): Expr {
  if (flag(body, 'isnull')) return literal(null);
  const [kind, value] = unwrap(body);
  const inner = value as Ast;
  if (kind === 'ival') return constant(String((inner['ival'] as number | undefined) ?? 0), plainType('int4'));
  if (kind === 'boolval') return constant(flag(inner, 'boolval') ? 't' : 'f', bool);
  if (kind === 'sval') return literal(text(inner, 'sval'));
  if (kind === 'fval') {
    const digits = text(inner, 'fval').replaceAll('_', '');
    const whole = /^-?\d+$/.test(digits) ? BigInt(digits) : integerOf(digits);
    if (whole !== null && BigInt.asIntN(32, whole) === whole) return constant(String(whole), plainType('int4'));
    if (whole !== null && BigInt.asIntN(64, whole) === whole) return constant(String(whole), plainType('int8'));
    return cast(literal(whole === null ? digits : String(whole)), plainType('numeric'));
  }
  throw new Refused('PGS4107', 'bit strings are not supported');
}
function integerOf(digits: string): bigint | null {
  const match = /^(-?)(0[xob][\da-f]+)$/i.exec(digits);
  return match === null ? null : match[1] === '-' ? -BigInt(match[2] as string) : BigInt(match[2] as string);
}

/** An argument that must be boolean. */
export function condition(node: Ast, parsing: Parsing, where: string): Expr {
  const expr = parsing.node(node);
  if (expr.type.oid === bool.oid || isUnknown(expr)) return coerce(expr, bool);
  const at = firstLocation(node) - parsing.base;
  throw parsing.scope.error('PGS4104', at, `${where} needs a boolean, this is ${labelOf(expr.type)}`);
}
/** A literal that got no type from its context is text. */
export const known = (expr: Expr): Expr => (isUnknown(expr) ? coerce(expr, plainType('text')) : expr);

function parseCase(body: Ast, parsing: Parsing): Expr {
  const subject = child(body, 'arg');
  const whens: Expr[] = [];
  const thens: Expr[] = [];
  for (const item of children(body, 'args')) {
    const [, when] = unwrap(item);
    const test = child(when, 'expr') as Ast;
    whens.push(
      subject === null
        ? condition(test, parsing, 'WHEN')
        : parsing.node({
            A_Expr: {
              kind: 'AEXPR_OP',
              name: [{ String: { sval: '=' } }],
              lexpr: subject,
              rexpr: test,
              location: location(when),
            },
          }),
    );
    thens.push(parsing.node(child(when, 'result') as Ast));
  }
  const otherwise = child(body, 'defresult');
  thens.push(otherwise === null ? literal(null) : parsing.node(otherwise));
  const { args, type } = toCommon(thens, 'CASE');
  return call('case', [...whens.flatMap((when, i) => [when, args[i] as Expr]), args.at(-1) as Expr], type);
}

function joined(fn: string, body: Ast, parsing: Parsing): Expr {
  const { args, type } = toCommon(children(body, 'args').map(parsing.node), fn.toUpperCase());
  return call(fn, args, type);
}

function arrayOf(body: Ast, parsing: Parsing, wanted: SqlType | null): Expr {
  const items = children(body, 'elements');
  if (items.some((item) => unwrap(item)[0] === 'A_ArrayExpr')) {
    throw new Refused('PGS4107', 'ARRAY of arrays is not supported');
  }
  const parsed = items.map(parsing.node);
  const element = wanted === null ? null : elementOf(wanted);
  if (element === null && parsed.length === 0) throw new Refused('PGS4104', 'ARRAY[] needs a type: ARRAY[]::text[]');
  if (element !== null) {
    if (parsed.length === 0) return constant('{}', wanted as SqlType);
    return call(
      'array',
      parsed.map((item) => cast(item, element)),
      { oid: (wanted as SqlType).oid, typmod: element.typmod },
    );
  }
  const { args, type } = toCommon(parsed, 'ARRAY');
  const info = typeInfo(type.oid);
  if (info === undefined) throw new Refused('PGS4104', `ARRAY of ${labelOf(type)} is not supported`);
  return call('array', args, { oid: info.array, typmod: type.typmod });
}

function parseSubscript(body: Ast, parsing: Parsing): Expr {
  const of = parsing.node(child(body, 'arg') as Ast);
  const [index, second] = children(body, 'indirection');
  const [kind, inner] = unwrap(index as Ast);
  if (kind !== 'A_Indices' || flag(inner, 'is_slice') || second !== undefined) {
    throw new Refused('PGS4107', 'only a[i] on an array is supported: no fields, no slices, no second subscript');
  }
  const element = elementOf(of.type);
  if (element === null) throw new Refused('PGS4104', `${labelOf(of.type)} has no subscripts here; jsonb has -> and #>`);
  return call('subscript', [of, coerce(parsing.node(child(inner, 'uidx') as Ast), plainType('int4'))], element);
}

/** A type in a cast. Only types that expressions decode; an enum is the type of a column and needs no cast. */
export function parseType(body: Ast, parsing: Parsing): SqlType {
  const at = location(body) - parsing.base;
  const path = names(body, 'names');
  const name = path.at(-1) ?? '';
  // `"char"`, the one-byte type, is written without pg_catalog by the grammar; char is bpchar there.
  const info = path.length === 1 && name === 'char' ? undefined : typeSpoken(name);
  if (info === undefined || (path.length > 1 && path[0] !== 'pg_catalog')) {
    const enumAdvice =
      path.length > 1 ? '; a constant compared with an enum column needs no cast' : suggestion(name, typeNames);
    throw parsing.scope.error(
      'PGS4103',
      at,
      `type ${path.filter((part) => part !== 'pg_catalog').join('.')} is not supported${enumAdvice}`,
    );
  }
  const numbers = children(body, 'typmods').map((item) => modifier(item));
  const typmod = numbers.includes(null) ? null : numbers.length === 0 ? -1 : typmodOf(info.name, numbers as number[]);
  if (typmod === null)
    throw parsing.scope.error('PGS4104', at, `these modifiers of type ${info.label} are not supported`);
  return { oid: children(body, 'arrayBounds').length > 0 ? info.array : info.oid, typmod };
}
function modifier(node: Ast): number | null {
  const [kind, body] = unwrap(node);
  const value = child(body, 'ival');
  return kind === 'A_Const' && value !== null ? ((value['ival'] as number | undefined) ?? 0) : null;
}
