import type pg from 'pg';
import type { OpenTransaction } from '../../../core/api/source-control.ts';
import { type ClosingNote, isLockTimeout } from '../../../core/postgres/open-tables.ts';
import { quoteIdent } from '../../../core/postgres/quote.ts';
import { type ClosingNames, closedFunction, closeTable, closingNames } from './closing-sql.ts';
import { openTransactions } from './transactions.ts';

/** A table to close, as SQL names it. */
export interface ClosedTable {
  readonly schema: string;
  readonly name: string;
  /** False: a partitioned table. */
  readonly hasRows: boolean;
}

export interface Closing {
  readonly slot: string;
  readonly note: ClosingNote;
  readonly tables: readonly ClosedTable[];
}

/** How long other sessions may queue behind us at one table. */
const lockTimeout = '1s';

/** The chosen tables, and the partitioned tables above them: a statement on a parent fires the parent's triggers. */
export async function tablesToClose(
  client: pg.Client,
  names: readonly string[],
): Promise<readonly (ClosedTable & { readonly owned: boolean; readonly owner: string })[]> {
  const { rows } = await client.query<Record<'schema' | 'name' | 'kind' | 'owned' | 'owner', string>>(
    `SELECT DISTINCT n.nspname AS schema, c.relname AS name, c.relkind AS kind,
            pg_has_role(c.relowner, 'USAGE')::text AS owned, pg_get_userbyid(c.relowner)::text AS owner
     FROM unnest($1::text[]) AS w (name),
          LATERAL (SELECT to_regclass(w.name)::oid AS oid UNION SELECT relid FROM pg_partition_ancestors(to_regclass(w.name))) AS a
     JOIN pg_class c ON c.oid = a.oid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') ORDER BY 1, 2`,
    [names],
  );
  return rows.map(({ schema, name, kind, owned, owner }) => ({
    schema,
    name,
    hasRows: kind !== 'p',
    owned: owned === 'true',
    owner,
  }));
}

/** The privileges that the role lacks for closing them, each with a statement. */
export async function closingObstacles(
  client: pg.Client,
  tables: Awaited<ReturnType<typeof tablesToClose>>,
): Promise<readonly string[]> {
  const { rows } = await client.query<Record<'role' | 'database' | 'there' | 'creates' | 'makes', string>>(
    `SELECT current_user::text AS role, current_database()::text AS database, (n.oid IS NOT NULL)::text AS there,
            coalesce(has_schema_privilege(n.oid, 'CREATE'), false)::text AS creates,
            has_database_privilege(current_database(), 'CREATE')::text AS makes
     FROM (SELECT to_regnamespace('pgsluice')::oid AS oid) n`,
  );
  const { role, database, there, creates, makes } = rows[0]!;
  const found: string[] = [];
  const to = quoteIdent(role);
  if (there === 'true' && creates !== 'true') found.push(`GRANT USAGE, CREATE ON SCHEMA pgsluice TO ${to};`);
  if (there !== 'true' && makes !== 'true') found.push(`GRANT CREATE ON DATABASE ${quoteIdent(database)} TO ${to};`);
  const owners = new Set(tables.filter(({ owned }) => !owned).map(({ owner }) => owner));
  for (const owner of owners) found.push(`GRANT ${quoteIdent(owner)} TO ${to};`);
  return found;
}

/**
 * Closes one table after the other, each in a transaction of its own: so a writer that waits for us is never part of a
 * deadlock, and one that has written to a table that is still open fails as a whole at the first closed one. A lock
 * waits for open writers. Returns the writers that kept us from a table.
 */
export async function close(client: pg.Client, closing: Closing, ours: string): Promise<readonly OpenTransaction[]> {
  const names = closingNames(closing.slot);
  const { rows } = await client.query(`SELECT FROM pg_namespace WHERE nspname = 'pgsluice'`);
  const schema = rows.length === 0 ? 'CREATE SCHEMA pgsluice; ' : '';
  await client.query(`BEGIN; ${schema}${closedFunction(names, closing.note)}; COMMIT`);
  const busy: ClosedTable[] = [];
  for (const table of closing.tables) if (!(await closeOne(client, names, table))) busy.push(table);
  return busy.length === 0 ? [] : writersOf(client, busy, ours);
}

/** A writer may end in the moment between: the next try may then find the table free. */
async function writersOf(
  client: pg.Client,
  tables: readonly ClosedTable[],
  ours: string,
): Promise<readonly OpenTransaction[]> {
  const all = await openTransactions(client, tables, ours);
  const holding = all.filter((transaction) => transaction.tables.length > 0);
  if (holding.length > 0) return holding;
  const names = tables.map(({ schema, name }) => `${schema}.${name}`);
  return [
    { id: 'unknown', pid: null, gid: null, user: null, application: null, state: null, seconds: null, tables: names },
  ];
}

async function closeOne(client: pg.Client, names: ClosingNames, table: ClosedTable): Promise<boolean> {
  const sql = closeTable(names, `${quoteIdent(table.schema)}.${quoteIdent(table.name)}`, table.hasRows);
  try {
    await client.query(`BEGIN; SET LOCAL lock_timeout = '${lockTimeout}'; ${sql}; COMMIT`);
    return true;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    if (isLockTimeout(error)) return false;
    throw error;
  }
}
