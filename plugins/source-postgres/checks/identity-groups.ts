import type pg from 'pg';
import type { Finding } from '../../../core/api/check.ts';

/** A table that must not be published in its present state; see publishable.ts. */
export interface Problem {
  readonly table: string;
  readonly kind: string;
  readonly what: string;
  readonly remedy: string;
}

/** Numbers of UPDATE and DELETE by table, `schema.name`, since the statistics began. */
export interface Rates {
  readonly days: number;
  readonly changes: ReadonlyMap<string, number>;
}

export async function readRates(client: pg.Client): Promise<Rates> {
  const { rows: since } = await client.query<{ days: string }>(
    `SELECT extract(epoch FROM now() - coalesce(stats_reset, pg_postmaster_start_time())) / 86400 AS days
     FROM pg_stat_database WHERE datname = current_database()`,
  );
  const { rows } = await client.query<{ table: string; n: string }>(
    `SELECT schemaname || '.' || relname AS table, n_tup_upd + n_tup_del AS n FROM pg_stat_user_tables WHERE n_tup_upd + n_tup_del > 0`,
  );
  return { days: Number(since[0]?.days ?? 0), changes: new Map(rows.map(({ table, n }) => [table, Number(n)])) };
}

/** From this number on tables with the same remedy are one finding. */
const many = 5;
const shown = 5;

type Found = Omit<Finding, 'code'>;

/** Pure: a finding per table, or one for all tables with the same need, with all their statements. */
export function identityFindings(problems: readonly Problem[], rates: Rates): readonly Found[] {
  const groups = Map.groupBy(problems, ({ kind, remedy }) => `${kind} ${need(remedy)}`);
  return [...groups.values()].flatMap((group) => {
    if (group.length < many || !isStatement(group[0]!.remedy)) return group.map((problem) => alone(problem, rates));
    return [together(group, rates)];
  });
}

/** FULL, DEFAULT, USING INDEX, SET LOGGED: the effect of the statement, without names. */
function need(remedy: string): string {
  return /(REPLICA IDENTITY (?:FULL|DEFAULT|USING INDEX)|SET LOGGED)/.exec(remedy)?.[1] ?? '';
}

function isStatement(remedy: string): boolean {
  return /^ALTER TABLE [^\n]*;$/.test(remedy);
}

function alone({ kind, table, what, remedy }: Problem, rates: Rates): Found {
  const cost = isFull(remedy) ? ` ${costOf([table], rates)}` : '';
  const statement = /^ALTER TABLE (?:"(?:[^"]|"")*"|[^";])*;/.exec(remedy)?.[0];
  return {
    check: kind,
    level: 'error',
    subject: table,
    message: `${what}${cost}`,
    remedy,
    ...(statement === undefined ? {} : { statements: [statement] }),
  };
}

function isFull(remedy: string): boolean {
  return remedy.includes('REPLICA IDENTITY FULL');
}

function together(group: readonly Problem[], rates: Rates): Found {
  const [first] = group;
  const names = group.map(({ table }) => table);
  const list = `${names.slice(0, shown).join(', ')} and ${names.length - shown} more`;
  const why = first!.kind === 'unlogged' ? 'are unlogged' : 'have no usable replica identity';
  const cost = isFull(first!.remedy) ? ` ${costOf(names, rates)}` : '';
  return {
    check: first!.kind,
    level: 'error',
    subject: 'source',
    message: `${group.length} tables ${why}: ${names.length > shown ? list : names.join(', ')}.${cost}`,
    remedy: `${first!.remedy} and so on: pgsluice check FILE --sql prints all ${group.length} statements.`,
    statements: group.map(({ remedy }) => remedy),
  };
}

/**
 * The cost of REPLICA IDENTITY FULL: the whole old row in the WAL for each changed row, and a search by all columns.
 */
function costOf(tables: readonly string[], { days, changes }: Rates): string {
  const busy = tables
    .map((table) => ({ table, n: changes.get(table) ?? 0 }))
    .filter(({ n }) => n > 0)
    .toSorted((a, b) => b.n - a.n);
  const rate = (n: number): string =>
    days >= 1 ? `${Math.ceil(n / days)} rows a day` : `${n} rows in ${Math.max(1, Math.round(days * 24))} h`;
  const rates = busy.slice(0, shown).map(({ table, n }) => (tables.length === 1 ? rate(n) : `${table} ${rate(n)}`));
  const others = tables.length === 1 ? 'it has none so far' : 'none of them has any so far';
  const counted = rates.length === 0 ? others : `counted: ${rates.join(', ')}`;
  return `(FULL writes the whole old row into the WAL for each UPDATE and DELETE; ${counted})`;
}
