import type { Expr } from '../../expr/expr.ts';
import type { TablePlan } from '../../api/plan.ts';
import { firstUserOid } from '../../postgres/oids.ts';
import { type Column, relationName, type Relation } from '../../postgres/relation.ts';
import type { PublishedTable } from '../../api/source-control.ts';
import { exprToSql } from '../../expr/to-sql.ts';
import { columnsOf, rowFilterObstacle } from '../../expr/tree.ts';
import { quoteIdent } from '../../postgres/quote.ts';

/** Row filters and column lists exist from PostgreSQL 15 on (manual: "Row Filters", "Column Lists"). */
const since = 150_000;

/**
 * What the publication has to carry, over all sinks; null: everything. A column or row is left out only if every sink
 * leaves it out, and only if the server accepts that without ever refusing a write (I10); null is always correct, as
 * the mapper filters again.
 */
export function publishedTables(
  plansPerSink: readonly (readonly TablePlan[])[],
  sourceVersion: number,
): readonly PublishedTable[] {
  const byTable = new Map<string, TablePlan[]>();
  for (const plan of plansPerSink.flat()) {
    const name = relationName(plan.source);
    const plans = byTable.get(name);
    if (plans === undefined) byTable.set(name, [plan]);
    else plans.push(plan);
  }
  return [...byTable.values()].map((plans) => published(plans, sourceVersion));
}

function published(plans: readonly TablePlan[], version: number): PublishedTable {
  const relation = (plans[0] as TablePlan).source;
  if (version < since) return { relation, where: null, columns: null };
  return { relation, where: sharedFilter(plans, relation), columns: sharedColumns(plans, relation) };
}

function sharedFilter(plans: readonly TablePlan[], relation: Relation): string | null {
  const [first] = plans as [TablePlan];
  const sql = first.query.where;
  const { where } = first.projection;
  if (sql === null || where === null || plans.some((plan) => plan.query.where !== sql)) return null;
  if (relation.identity.kind === 'nothing') return null;
  if (relation.identity.kind === 'key') {
    const key = keyNames(relation);
    if (![...columnsOf(where)].every((name) => key.has(name))) return null;
  }
  if (rowFilterObstacle(where) !== null || !simple(where, relation)) return null;
  return exprToSql(where, quoteIdent);
}

/**
 * Less than check_simple_rowfilter_expr (publicationcmds.c) accepts: comparisons and boolean operators over columns and
 * constants of built-in types and collations. Casts and other calls are evaluated by us.
 */
function simple(expr: Expr, relation: Relation): boolean {
  switch (expr.op) {
    case 'column': {
      const column = relation.columns.find((each) => each.name === expr.name);
      if (column === undefined || column.type >= firstUserOid || column.type !== column.baseType) return false;
      // The server refuses collations of users, also where nothing compares by them.
      return column.collation?.startsWith('pg_catalog.') !== false;
    }
    case 'const':
      return expr.secret !== true && expr.type.oid < firstUserOid;
    case 'call':
      return simpleCalls.has(expr.fn.replace(/\(.*$/s, '')) && expr.args.every((arg) => simple(arg, relation));
    default:
      return expr satisfies never;
  }
}

const simpleCalls: ReadonlySet<string> = new Set(
  'and|or|not|is null|is not null|is true|is not true|is false|is not false|=|<>|<|>|<=|>=|= any|<> all'.split('|'),
);

/** The columns that any sink reads, with the identity; null if those are all columns, or if sinks differ. */
function sharedColumns(plans: readonly TablePlan[], relation: Relation): readonly string[] | null {
  if (relation.identity.kind !== 'key') return null;
  const sets = plans.map((plan) => columnsRead(plan, relation));
  const [first] = sets as [readonly string[]];
  if (sets.some((set) => set.join('\0') !== first.join('\0'))) return null;
  const key = keyNames(relation);
  const all = relation.columns.filter((column) => column.generated === 'never' || key.has(column.name));
  return first.length === all.length ? null : first;
}

function columnsRead(plan: TablePlan, relation: Relation): readonly string[] {
  const read = new Set(keyNames(relation));
  for (const column of plan.projection.columns) for (const name of columnsOf(column.expr)) read.add(name);
  if (plan.projection.where !== null) for (const name of columnsOf(plan.projection.where)) read.add(name);
  return relation.columns.filter((column) => read.has(column.name)).map((column) => column.name);
}

function keyNames(relation: Relation): ReadonlySet<string> {
  const positions = relation.identity.kind === 'key' ? relation.identity.positions : [];
  return new Set(positions.map((at) => (relation.columns[at] as Column).name));
}
