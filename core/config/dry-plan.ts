import { PgsluiceError } from '../base/error.ts';
import type { Expr } from '../expr/expr.ts';
import type { Column } from '../postgres/relation.ts';
import type { Shape, Transform, TransformTools } from '../api/transform.ts';
import { loadParser, parseExpression } from '../expr/parse.ts';

/** What is wrong with an expression whatever the columns are: syntax, what changes from call to call, what is no expression. */
const columnFree = new Set(['PGS4101', 'PGS4105', 'PGS4106', 'PGS4107']);

const anything: Expr = { op: 'const', text: null, type: { oid: 25, typmod: -1 } };

const unknown: Column = {
  name: '',
  type: 25,
  typmod: -1,
  typeName: 'text',
  typeKind: 'base',
  baseType: 25,
  notNull: false,
  generated: 'never',
  identity: 'never',
  binarySafe: true,
};

/** Tools that know no column and find none missing. */
const blind: TransformTools = {
  parse: () => anything,
  column: () => anything,
  constant: () => anything,
  cast: () => anything,
  call: () => anything,
  newColumn: (name) => ({ ...unknown, name }),
  problem: (message) => new DependsOnTable(message),
};

/** The name that a transform gives a table of which nothing else is known; null where it leaves it out, or cannot say. */
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
  /** Key or JSON pointer of the option that holds the expression, where the transform told. */
  readonly option: string | null;
}

/**
 * Plans a transform for a table of which nothing is known, to hear what it says about its expressions without a server.
 * Its columns come from nowhere, so only mistakes that do not depend on them count.
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
    // A transform may well refuse a table without columns; only what the parser found is of interest here.
  }
  return problems;
}

/** What is wrong with an expression over columns of which nothing is known. */
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
