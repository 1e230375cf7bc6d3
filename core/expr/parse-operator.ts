import { oidsOf } from '../postgres/oids.ts';
import type { Expr } from './expr.ts';
import { type Ast, child, children, names, text, unwrap } from './ast.ts';
import { cast } from './cast.ts';
import type { Parsing } from './parse-node.ts';
import { overloads } from './registry.ts';
import { call, coerce, commonType, constant, elementOf, Refused, resolve } from './resolve.ts';
import { elementInfo, isUnknown, labelOf, nameOf, plainType, typeInfo, UNKNOWN } from './types.ts';
import { encodeArray, listOf } from './values/array.ts';
import { codecOf } from './values/codec.ts';

const bool = plainType('bool');

/** A_Expr: operators and what the grammar treats as such (IN, BETWEEN, LIKE, NULLIF, IS DISTINCT FROM, ANY). */
export function parseOperator(body: Ast, parsing: Parsing): Expr {
  const path = names(body, 'name');
  const name = path.at(-1) ?? '';
  if (path.length > 1 && path[0] !== 'pg_catalog') {
    throw new Refused('PGS4103', `operator ${path.join('.')} is not of pg_catalog`);
  }
  const operand = (key: 'lexpr' | 'rexpr'): Expr => parsing.node(child(body, key) as Ast);
  switch (text(body, 'kind')) {
    case 'AEXPR_OP':
      return body['lexpr'] === undefined
        ? operator(name, [operand('rexpr')])
        : operator(name, [operand('lexpr'), operand('rexpr')]);
    case 'AEXPR_LIKE':
    case 'AEXPR_ILIKE':
      return operator(name, [operand('lexpr'), operand('rexpr')]);
    case 'AEXPR_OP_ANY':
      return quantified(name, 'any', [operand('lexpr'), operand('rexpr')]);
    case 'AEXPR_OP_ALL':
      return quantified(name, 'all', [operand('lexpr'), operand('rexpr')]);
    case 'AEXPR_DISTINCT':
      return distinct('is distinct from', [operand('lexpr'), operand('rexpr')]);
    case 'AEXPR_NOT_DISTINCT':
      return distinct('is not distinct from', [operand('lexpr'), operand('rexpr')]);
    case 'AEXPR_NULLIF':
      return nullIf(operand('lexpr'), operand('rexpr'));
    case 'AEXPR_IN':
      return inList(
        operand('lexpr'),
        children(unwrap(child(body, 'rexpr') as Ast)[1], 'items').map(parsing.node),
        name,
      );
    case 'AEXPR_BETWEEN':
    case 'AEXPR_NOT_BETWEEN':
    case 'AEXPR_BETWEEN_SYM':
    case 'AEXPR_NOT_BETWEEN_SYM': {
      const items = children(unwrap(child(body, 'rexpr') as Ast)[1], 'items').map(parsing.node);
      return between(text(body, 'kind'), operand('lexpr'), items as [Expr, Expr]);
    }
    case 'AEXPR_SIMILAR':
      throw new Refused('PGS4108', 'SIMILAR TO is not supported; use LIKE or ~');
    default:
      throw new Refused('PGS4107', `operator ${name} in this form is not supported`);
  }
}

/** An operator by name; types that are not decoded have = and <> if equal text means equal value. */
export function operator(name: string, args: readonly Expr[]): Expr {
  const opaque = args.find((arg) => nameOf(arg.type.oid) === null && !isUnknown(arg));
  if (opaque !== undefined && args.length === 2) return sameText(name, args, opaque);
  if (name === '||') return resolve(name, asTexts(args), 'operator');
  if (overloads(name).length === 0) {
    throw new Refused('PGS4103', `operator ${name} is not supported; docs/expressions.md has the list`);
  }
  return resolve(name, args, 'operator');
}

/** text || anything is concatenation of texts (manual: "String Functions and Operators"). */
function asTexts(args: readonly Expr[]): readonly Expr[] {
  const category = (expr: Expr): string | undefined => typeInfo(expr.type.oid)?.category;
  const own = args.some((arg) => ['U', undefined].includes(category(arg)) && !isUnknown(arg));
  if (!args.some((arg) => category(arg) === 'S' || (isUnknown(arg) && !own))) return args;
  const isText = (arg: Expr): boolean =>
    isUnknown(arg) || category(arg) === 'S' || typeInfo(arg.type.oid)?.name === 'bytea';
  return args.map((arg) => (isText(arg) ? arg : cast(arg, plainType('text'))));
}

/** Types whose output is one to one with what their = compares. */
const textEquality = oidsOf('macaddr', 'inet', 'cidr', 'bit', 'varbit', 'time', 'timetz', 'pg_lsn', 'macaddr8');

function sameText(name: string, args: readonly Expr[], opaque: Expr): Expr {
  const { type } = opaque;
  const comparable = type.kind === 'enum' || textEquality.has(type.oid);
  if (!comparable || (name !== '=' && name !== '<>')) {
    const order =
      type.kind === 'enum' && ['<', '<=', '>', '>='].includes(name)
        ? ': the order of its labels is not known here; list them with IN'
        : '; cast the column to text, or use a script transform';
    throw new Refused('PGS4104', `${labelOf(type)} has no ${name} in expressions${order}`);
  }
  const coerced = args.map((arg) => {
    if (arg.type.oid !== type.oid && arg.type.oid !== UNKNOWN) {
      throw new Refused(
        'PGS4104',
        `there is no ${labelOf(type)} ${name} ${labelOf(arg.type)}; cast the column to text`,
      );
    }
    return coerce(arg, type);
  });
  return call(`same ${name}`, coerced, bool);
}

function distinct(fn: string, args: readonly Expr[]): Expr {
  const equal = operator('=', args);
  return equal.op === 'call' ? call(fn, equal.args, bool) : equal;
}

/** The first argument keeps its type, as on the server, whatever type the comparison uses. */
function nullIf(a: Expr, b: Expr): Expr {
  const first = isUnknown(a) && isUnknown(b) ? coerce(a, plainType('text')) : a;
  const equal = operator('=', [first, b]);
  const result = isUnknown(first) && equal.op === 'call' ? (equal.args[0] as Expr) : first;
  return call('case', [equal, constant(null, result.type), result], result.type);
}

function between(kind: string, value: Expr, [low, high]: readonly [Expr, Expr]): Expr {
  const within = (from: Expr, to: Expr): Expr =>
    call('and', [operator('>=', [value, from]), operator('<=', [value, to])], bool);
  const outside = (from: Expr, to: Expr): Expr =>
    call('or', [operator('<', [value, from]), operator('>', [value, to])], bool);
  if (kind === 'AEXPR_BETWEEN') return within(low, high);
  if (kind === 'AEXPR_NOT_BETWEEN') return outside(low, high);
  if (kind === 'AEXPR_BETWEEN_SYM') return call('or', [within(low, high), within(high, low)], bool);
  return call('and', [outside(low, high), outside(high, low)], bool);
}

/** Constants become one array; anything else a chain of comparisons, in order. */
function inList(value: Expr, items: readonly Expr[], name: string): Expr {
  const negated = name === '<>';
  const constants = items.every((item) => item.op === 'const');
  const opaque = [value, ...items].some((item) => nameOf(item.type.oid) === null && !isUnknown(item));
  if (constants && !opaque && items.length > 1 && !(isUnknown(value) && items.every(isUnknown))) {
    const type = commonType([value, ...items], 'IN');
    const info = typeInfo(type.oid);
    const element = typeInfo(type.oid)?.name === 'varchar' ? plainType('text') : type;
    const array = typeInfo(element.oid)?.array ?? info?.array;
    if (array !== undefined) {
      const list = items.map((item) => coerce(item, element)).map((item) => (item.op === 'const' ? item.text : null));
      const codec = codecOf(element.oid);
      const values = list.map((item) => (item === null ? null : codec.decode(item)));
      if (items.every((item) => coerce(item, element).op === 'const')) {
        const text = encodeArray(listOf(values), codec.encode);
        return quantified(name, negated ? 'all' : 'any', [value, constant(text, { oid: array, typmod: -1 })]);
      }
    }
  }
  const [first, ...rest] = items.map((item) => operator(name, [value, item]));
  return rest.length === 0 ? (first as Expr) : call(negated ? 'and' : 'or', [first as Expr, ...rest], bool);
}

const comparisons = new Set(['=', '<>', '<', '<=', '>', '>=']);

function quantified(name: string, quantifier: 'any' | 'all', [left, list]: readonly [Expr, Expr]): Expr {
  const shown = `${name} ${quantifier.toUpperCase()}`;
  if (!comparisons.has(name))
    throw new Refused(
      'PGS4103',
      `${shown} is not supported; write the comparisons out with ${quantifier === 'any' ? 'OR' : 'AND'}`,
    );
  const scalar = isUnknown(left) ? (elementOf(list.type) ?? plainType('text')) : left.type;
  const info = typeInfo(scalar.oid);
  if (info === undefined) throw new Refused('PGS4104', `${shown} with ${labelOf(scalar)} is not supported; use IN (…)`);
  const typed = isUnknown(list) ? coerce(list, { oid: info.array, typmod: -1 }) : list;
  const element = elementInfo(typed.type.oid);
  if (element === undefined)
    throw new Refused('PGS4104', `${shown} needs an array on the right, this is ${labelOf(list.type)}`);
  // The operator is resolved as if it were between the scalar and one element.
  const probe = operator(name, [left, constant(null, { oid: element.oid, typmod: -1 })]);
  if (probe.op !== 'call') throw new Error('an operator is a call');
  const [scalarArg, elementArg] = probe.args as [Expr, Expr];
  const operand = elementArg.type.oid;
  const array = typeInfo(operand)?.array as number;
  return call(
    `${name} ${quantifier}`,
    [scalarArg, array === typed.type.oid ? typed : cast(typed, { oid: array, typmod: -1 })],
    bool,
  );
}
