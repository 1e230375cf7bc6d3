import { loadModule, parseSync, hasSqlDetails } from 'libpg-query';
import type { Expr } from './expr.ts';
import { PgsluiceError } from '../base/error.ts';
import type { Column } from '../postgres/relation.ts';
import { type Ast, child, children, firstLocation, text, unwrap } from './ast.ts';
import { expressionError } from './errors.ts';
import { parseNode } from './parse-node.ts';
import { constant } from './resolve.ts';
import { Scope } from './scope.ts';
import { simplify } from './simplify.ts';
import { isUnknown, labelOf, plainType } from './types.ts';

let loaded = false;
let loading: Promise<void> | null = null;

/** Loads PostgreSQL's grammar (WebAssembly, about 60 ms); further calls return the same promise. */
export function loadParser(): Promise<void> {
  loading ??= loadModule().then(() => {
    loaded = true;
  });
  return loading;
}

const prefix = 'SELECT ';

/**
 * Parses one SQL expression over the columns of a table. Throws PGS41xx; its message starts with `line:col:` within the
 * text. A literal without a type is text. Call {@link loadParser} first.
 */
export function parseExpression(sql: string, columns: readonly Column[]): Expr {
  if (!loaded) throw new Error('loadParser() has not finished');
  const scope = new Scope(sql, columns);
  const parsed = parseNode(expressionNode(sql, scope), scope, prefix.length);
  const expr = isUnknown(parsed) && parsed.op === 'const' ? constant(parsed.text, plainType('text')) : parsed;
  try {
    simplify(expr);
  } catch (error) {
    if (!(error instanceof PgsluiceError) || error.code.startsWith('PGS41')) throw error;
    const state = error.where.sqlstate === undefined ? '' : ` (SQLSTATE ${error.where.sqlstate})`;
    throw scope.error('PGS4110', 0, `a part without columns always fails: ${error.message}${state}`);
  }
  return expr;
}

/** As {@link parseExpression}, and the result must be boolean. */
export function parsePredicate(sql: string, columns: readonly Column[]): Expr {
  const expr = parseExpression(sql, columns);
  if (expr.type.oid === plainType('bool').oid) return expr;
  if (expr.op === 'const' && expr.text === null) return constant(null, plainType('bool'));
  const message = `a condition must be boolean, this is ${labelOf(expr.type)}`;
  throw expressionError('PGS4104', `1:1: ${message}`, { within: { line: 1, column: 1, message } });
}

function expressionNode(sql: string, scope: Scope): Ast {
  if (sql.trim() === '') throw scope.error('PGS4101', 0, 'the expression is empty');
  if (sql.includes('\0'))
    throw scope.error('PGS4101', Buffer.byteLength(sql.slice(0, sql.indexOf('\0'))), 'a zero byte is no part of SQL');
  let result: Ast;
  try {
    result = parseSync(prefix + sql) as unknown as Ast;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // The grammar counts its position in characters, the tree in bytes.
    const at = hasSqlDetails(error) ? (error.sqlDetails?.cursorPosition ?? prefix.length) - prefix.length : 0;
    throw scope.error('PGS4101', Buffer.byteLength([...sql].slice(0, Math.max(at, 0)).join('')), error.message);
  }
  const statements = children(result, 'stmts');
  const select = child(child(statements[0] ?? {}, 'stmt') ?? {}, 'SelectStmt');
  const extra = Object.keys(select ?? {}).find((key) => !['targetList', 'limitOption', 'op'].includes(key));
  if (statements.length !== 1 || select === null || extra !== undefined || text(select, 'op') !== 'SETOP_NONE') {
    const at = extra === undefined ? -1 : firstLocation(select?.[extra]) - prefix.length;
    throw scope.error('PGS4101', at, 'one expression is expected, not clauses or statements');
  }
  const targets = children(select, 'targetList').map((target) => unwrap(target)[1]);
  const [only, second] = targets;
  if (only === undefined || second !== undefined || only['name'] !== undefined) {
    const at = second === undefined ? -1 : firstLocation(second) - prefix.length;
    throw scope.error('PGS4101', at, 'one expression is expected, without AS and without a list');
  }
  return child(only, 'val') as Ast;
}
