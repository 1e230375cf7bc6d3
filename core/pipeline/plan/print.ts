import type { Expr } from '../../expr/expr.ts';
import type { ParentPlan, Projection, TablePlan } from '../../api/plan.ts';
import { type Column, relationName } from '../../postgres/relation.ts';
import type { Sink } from '../../api/sink.ts';
import type { PublishedTable } from '../../api/source-control.ts';
import { exprToSql, predicateToSql } from '../../expr/to-sql.ts';
import { qualified, quoteIdent } from '../../postgres/quote.ts';

/**
 * The text of `pgsluice plan`: what is shown is what is run, except that secrets of masks are hidden. Tables in order of
 * the plans; the same plans give the same text. `copies`: how a table is read, by its name.
 */
export function printPlan(
  plans: readonly TablePlan[],
  published: readonly PublishedTable[] = [],
  sink: Pick<Sink, 'destination'> = {},
  copies: ReadonlyMap<string, string> = new Map(),
): string {
  const byName = new Map(published.map((table) => [relationName(table.relation), table]));
  return plans
    .map((plan) => {
      const name = relationName(plan.source);
      const copy = copies.get(name);
      const lines = [...(copy === undefined ? [] : [`copy: ${copy}`]), ...(sink.destination?.(plan) ?? [])];
      return printTable(plan, byName.get(name), lines);
    })
    .join('\n');
}

/** Partitioned tables whose place changes, and why. */
export function printParents(parents: readonly ParentPlan[]): string {
  return parents
    .filter(({ because }) => because !== null)
    .map(({ source, output, because }) => {
      return `${relationName(source)} -> ${relationName(output)}\n  partitioned: ${because}\n\n`;
    })
    .join('');
}

function printTable(plan: TablePlan, published: PublishedTable | undefined, destination: readonly string[]): string {
  const { source, output, route } = plan;
  const names = [relationName(source), relationName(output)];
  const lines = [
    names[0] === names[1] ? `${names[0]}` : `${names[0]} -> ${names[1]}`,
    `  route: ${route.kind === 'raw' ? `raw ${route.format} copy` : 'rows'} (${route.because})`,
    ...destination.map((line) => `  ${line}`),
    ...selectLines(plan),
    ...columnLines(plan),
    `  key: ${keyText(plan)}`,
  ];
  if (published !== undefined && published.where !== null) lines.push(`  published rows: ${published.where}`);
  if (published !== undefined && published.columns !== null) {
    lines.push(`  published columns: ${published.columns.join(', ')}`);
  }
  for (const note of plan.notes) lines.push(`  note: ${note}`);
  return `${lines.join('\n')}\n`;
}

/** The SELECT of the snapshot; a chunk's range of pages is added when it runs. */
function selectLines(plan: TablePlan): readonly string[] {
  const { projection, source } = plan;
  const last = projection.columns.length - 1;
  const items = projection.columns.map((column, i) => `      ${selectItem(column)}${i === last ? '' : ','}`);
  const where = projection.where === null ? [] : [`    WHERE ${predicateToSql(hidden(projection.where), quoteIdent)}`];
  return ['  select:', '    SELECT', ...items, `    FROM ONLY ${qualified(source)}`, ...where];
}

function selectItem({ name, expr, from }: Projection['columns'][number]): string {
  if (from !== null) return from === name ? quoteIdent(name) : `${quoteIdent(from)} AS ${quoteIdent(name)}`;
  return `${exprToSql(hidden(expr), quoteIdent)} AS ${quoteIdent(name)}`;
}

/** The expression with every secret replaced. Its structure stays, so that the plan is readable. */
function hidden(expr: Expr): Expr {
  if (expr.op === 'const') return expr.secret === true ? { ...expr, text: '(secret)' } : expr;
  return expr.op === 'call' ? { ...expr, args: expr.args.map(hidden) } : expr;
}

function columnLines(plan: TablePlan): readonly string[] {
  const from = new Map(plan.projection.columns.map((column) => [column.name, column.from]));
  const types = new Map(plan.source.columns.map((column) => [column.name, column]));
  const columns = plan.output.columns.map((column) => {
    const source = plan.tail === null ? (from.get(column.name) ?? null) : null;
    return `    ${column.name} ${column.typeName}${plan.tail === null ? origin(column, source, types) : ''}`;
  });
  return ['  columns:', ...columns];
}

function origin(column: Column, from: string | null, source: ReadonlyMap<string, Column>): string {
  if (from === null) return ' (computed)';
  if (from !== column.name) return ` (from ${from})`;
  return source.get(from)?.type === column.type ? '' : ' (cast)';
}

function keyText({ source, output }: TablePlan): string {
  const { identity } = output;
  if (identity.kind === 'full') return 'whole row (REPLICA IDENTITY FULL)';
  if (identity.kind === 'nothing') return source.identity.kind === 'nothing' ? 'none: inserts only' : 'none';
  return identity.positions.map((at) => output.columns[at]?.name ?? '?').join(', ');
}
