import { PgsluiceError } from '../base/error.ts';
import type { Expr } from '../expr/expr.ts';
import { textColumn } from '../postgres/relation.ts';
import type { Shape, Transform, TransformTools } from '../api/transform.ts';
import { loadParser, parseExpression } from '../expr/parse.ts';

/**
 * Errors of an expression that do not depend on columns: syntax, volatile functions, statements that are no expression.
 */
const columnFree = new Set(['PGS4101', 'PGS4105', 'PGS4106', 'PGS4107']);

const anything: Expr = { op: 'const', text: null, type: { oid: 25, typmod: -1 } };

/** Tools for which no column is known and none is missing. */
const blind: TransformTools = {
  parse: () => anything,
  column: () => anything,
  constant: () => anything,
  cast: () => anything,
  call: () => anything,
  newColumn: textColumn,
  problem: (message) => new DependsOnTable(message),
};

/**
 * The name that a transform gives a table of which nothing else is known; null if it leaves the table out, or cannot
 * say.
 */
export function dryName(transform: Transform, source: TableName, now: TableName): TableName | null {
  try {
    const plan = transform.plan({ ...nowhere, ...now, source: { ...nowhere.source, ...source } }, blind);
    if (plan.kind === 'identity') return now;
    if (plan.kind === 'drop') return null;
    const { schema, name } = plan.kind === 'project' ? plan : plan.output;
    return { schema, name };
  } catch {
    return null;
  }
}

export interface TableName {
  readonly schema: string;
  readonly name: string;
}

export interface ExpressionProblem {
  readonly error: PgsluiceError;
  /** Key or JSON pointer of the option that holds the expression, if the transform passed it. */
  readonly option: string | null;
}

/**
 * Plans a transform for a table of which nothing is known, to find the errors in its expressions without a server. The
 * table has no columns, so only errors that do not depend on columns count.
 */
export async function dryPlan(transform: Transform): Promise<readonly ExpressionProblem[]> {
  await loadParser();
  const problems: ExpressionProblem[] = [];
  const tools: TransformTools = {
    ...blind,
    parse: (sql, _shape, context) => {
      const error = columnFreeError(sql);
      if (error !== null) problems.push({ error, option: context?.option ?? null });
      return anything;
    },
  };
  try {
    transform.plan(nowhere, tools);
  } catch {
    // A transform may refuse a table without columns; only what the parser found matters here.
  }
  return problems;
}

/** The error in an expression that does not depend on columns; null: none. */
export async function dryParse(sql: string): Promise<PgsluiceError | null> {
  await loadParser();
  return columnFreeError(sql);
}

function columnFreeError(sql: string): PgsluiceError | null {
  try {
    parseExpression(sql, []);
    return null;
  } catch (error) {
    return error instanceof PgsluiceError && columnFree.has(error.code) ? error : null;
  }
}

class DependsOnTable extends PgsluiceError {
  constructor(message: string) {
    super('PGS4001', { remedy: '', exit: 2, retry: 'never' }, message);
  }
}

const nowhere: Shape = {
  source: {
    oid: 0,
    schema: 'public',
    name: 'table',
    kind: 'table',
    columns: [],
    identity: { kind: 'nothing' },
    primaryKey: [],
  },
  schema: 'public',
  name: 'table',
  columns: [],
};
