import type { Expr } from './expr.ts';
import { type Ast, children, firstLocation, flag, names, unwrap } from './ast.ts';
import { forbiddenFunction } from './forbidden.ts';
import type { Parsing } from './parse-node.ts';
import { functionNames, overloads } from './registry.ts';
import { call, coerce, Refused, resolve } from './resolve.ts';
import { suggestion } from '../base/suggest.ts';
import { isUnknown, labelOf, nameOf, plainType } from './types.ts';

/** Functions by name, and the SQL spellings that the grammar turns into calls (substring … from, trim, extract, AT TIME ZONE). */
export function parseFunction(body: Ast, parsing: Parsing): Expr {
  const path = names(body, 'funcname');
  const name = path.at(-1) ?? '';
  refuseForm(body, path);
  const nodes = children(body, 'args');
  for (const node of nodes) {
    if (unwrap(node)[0] === 'NamedArgExpr') {
      throw parsing.scope.error(
        'PGS4107',
        firstLocation(node) - parsing.base,
        'named arguments are not supported; give them in order',
      );
    }
  }
  const args = nodes.map(parsing.node);
  return functionCall(name, args);
}

function refuseForm(body: Ast, path: readonly string[]): void {
  const name = path.at(-1) ?? '';
  const forbidden = forbiddenFunction(name);
  if (forbidden !== undefined) throw new Refused(forbidden.code, `${name}() ${forbidden.why}`);
  if (path.length > 1 && path[0] !== 'pg_catalog') {
    throw new Refused(
      'PGS4103',
      `${path.join('.')}() is not a function of pg_catalog; only built-in functions can be evaluated here`,
    );
  }
  if (body['over'] !== undefined)
    throw new Refused('PGS4107', 'window functions see many rows; an expression sees one row');
  for (const key of ['agg_star', 'agg_distinct', 'agg_order', 'agg_filter', 'agg_within_group']) {
    if (body[key] !== undefined) throw new Refused('PGS4107', 'aggregates see many rows; an expression sees one row');
  }
  if (flag(body, 'func_variadic'))
    throw new Refused('PGS4107', 'VARIADIC is not supported; give the arguments one by one');
}

/** concat and concat_ws take anything that prints the same in every session. */
function concat(name: 'concat' | 'concat_ws', args: readonly Expr[]): Expr {
  const printable = args.map((arg) => {
    const typed = isUnknown(arg) ? coerce(arg, plainType('text')) : arg;
    const type = nameOf(typed.type.oid);
    if (type === 'timestamptz' || type === 'timestamptz[]') {
      throw new Refused(
        'PGS4106',
        `${name}: a timestamp with time zone prints by TimeZone: write (x AT TIME ZONE 'UTC')`,
      );
    }
    if (type === null && typed.type.kind !== 'enum') {
      throw new Refused('PGS4104', `${name}: ${labelOf(typed.type)} is not supported; cast the column to text`);
    }
    return typed;
  });
  if (name === 'concat') return call('concat', printable, plainType('text'));
  const [separator, ...rest] = printable;
  if (separator === undefined) throw new Refused('PGS4104', 'concat_ws needs a separator');
  return call('concat_ws', [coerce(separator, plainType('text')), ...rest], plainType('text'));
}

export function functionCall(name: string, args: readonly Expr[]): Expr {
  if (name === 'concat' || name === 'concat_ws') return concat(name, args);
  if (name === 'similar_to_escape') throw new Refused('PGS4108', 'SIMILAR TO is not supported; use LIKE or ~');
  if (overloads(name).length === 0) {
    throw new Refused(
      'PGS4103',
      `function ${name}() is not supported${suggestion(name, [...functionNames, 'concat', 'concat_ws', 'coalesce', 'nullif', 'greatest', 'least'])}`,
    );
  }
  return resolve(name, args, 'function');
}
