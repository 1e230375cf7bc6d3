import pg from 'pg';
import { failpoint } from '../../../core/base/failpoint.ts';
import type { Logger } from '../../../core/base/logger.ts';
import { quoteIdent } from '../../../core/postgres/quote.ts';
import { bulkError } from '../errors.ts';
import { makeBulkState, type Owner } from '../state.ts';

/**
 * Objects of the target that act on written rows are kept off from before the first row until the cutover: triggers of
 * users (including constraint triggers and those of partitions), rules, and row-level security that is forced on the
 * owner. Their effect on the source is in the rows that arrive. Each is saved with its exact state in the transaction
 * that turns it off (I10).
 */
export interface Actor {
  readonly relid: string;
  /** SQL name. */
  readonly table: string;
  readonly kind: KeptOff;
  readonly name: string;
  readonly owner: string;
  /** The current user may turn it off. */
  readonly ours: boolean;
  /** session_replication_role alone keeps it off. */
  readonly plain: boolean;
}
export type KeptOff = 'trigger' | 'rule' | 'row security';
export const keptOff: readonly KeptOff[] = ['trigger', 'rule', 'row security'];

/** States in which triggers and rules fire for this session (manual: ALTER TABLE, ENABLE TRIGGER). */
export const firing = `CASE pg_catalog.current_setting('session_replication_role') WHEN 'replica' THEN ARRAY['A', 'R']::"char"[] ELSE ARRAY['O', 'A']::"char"[] END`;

/**
 * Excludes triggers of foreign keys and deferrable keys. Before 15 the triggers that partitions have from their parent
 * count as internal, too. Also excludes those of a cutover's fence, which let the reverse pipeline pass and must keep
 * all others out.
 */
export const ofUsers = `(NOT g.tgisinternal OR (g.tgparentid <> 0 AND g.tgconstraint = 0)) AND NOT EXISTS (
  SELECT FROM pg_catalog.pg_proc f WHERE f.oid = g.tgfoid AND f.pronamespace = to_regnamespace('pgsluice') AND f.proname LIKE 'fence\\_%')`;

const how = (state: string, what: string, name: string) =>
  `'ENABLE ' || CASE ${state} WHEN 'A' THEN 'ALWAYS ' WHEN 'R' THEN 'REPLICA ' ELSE '' END || '${what} ' || pg_catalog.quote_ident(${name})`;

/** For the tables $1 and their partitions. `back` and `off`: clauses after ALTER TABLE ONLY. */
const actors = `
  WITH tree AS (
    SELECT oid FROM pg_catalog.unnest($1::oid[]) AS w (oid)
    UNION SELECT p.relid FROM pg_catalog.unnest($1::oid[]) AS w (oid), pg_catalog.pg_partition_tree(w.oid) p
  ), found AS (
    SELECT g.tgrelid AS relid, 'trigger' AS kind, g.tgname AS name, ${how('g.tgenabled', 'TRIGGER', 'g.tgname')} AS back,
           'DISABLE TRIGGER ' || pg_catalog.quote_ident(g.tgname) AS off, g.tgenabled = 'O' AS plain
    FROM pg_catalog.pg_trigger g WHERE g.tgrelid IN (SELECT oid FROM tree) AND ${ofUsers} AND g.tgenabled = ANY(${firing})
    UNION ALL
    SELECT r.ev_class, 'rule', r.rulename, ${how('r.ev_enabled', 'RULE', 'r.rulename')},
           'DISABLE RULE ' || pg_catalog.quote_ident(r.rulename), r.ev_enabled = 'O'
    FROM pg_catalog.pg_rewrite r WHERE r.ev_class IN (SELECT oid FROM tree) AND r.ev_type <> '1' AND r.ev_enabled = ANY(${firing})
    UNION ALL
    SELECT c.oid, 'row security', c.relname, 'FORCE ROW LEVEL SECURITY', 'NO FORCE ROW LEVEL SECURITY', false
    FROM pg_catalog.pg_class c
    WHERE c.oid IN (SELECT oid FROM tree) AND c.relkind IN ('r', 'p') AND pg_catalog.row_security_active(c.oid)
  )
  SELECT f.*, c.oid::regclass::text AS tbl, pg_catalog.pg_get_userbyid(c.relowner) AS owner,
         pg_catalog.pg_has_role(c.relowner, 'USAGE') AND (f.kind <> 'row security' OR c.relforcerowsecurity) AS ours
  FROM found f JOIN pg_catalog.pg_class c ON c.oid = f.relid`;

/** The objects that act on rows of these tables now. */
export async function readActors(client: pg.Client, relids: readonly number[]): Promise<Actor[]> {
  const { rows } = await client.query<Record<string, string>>(
    `SELECT * FROM (${actors}) AS a ORDER BY tbl COLLATE "C", kind, name COLLATE "C"`,
    [relids],
  );
  return rows.map((row) => ({
    relid: row['relid']!,
    table: row['tbl']!,
    kind: row['kind'] as KeptOff,
    name: row['name']!,
    owner: row['owner']!,
    ours: isTrue(row['ours']!),
    plain: isTrue(row['plain']!),
  }));
}

/** Booleans arrive as text or as boolean, depending on the connection. */
const isTrue = (value: unknown): boolean => value === true || value === 't' || value === 'true';

/**
 * Within the caller's transaction: saves the objects that act on rows of these tables, and turns them off. Throws
 * PGS3120 if that is not allowed.
 */
export async function keepOff(client: pg.Client, owner: Owner, relids: readonly number[], log: Logger): Promise<void> {
  const found = await readActors(client, relids);
  if (found.length === 0) return;
  const foreign = found.filter(({ ours }) => !ours);
  if (foreign.length > 0) throw await notOurs(client, foreign);
  await makeBulkState(client);
  const { rows } = await client.query<{ sql: string }>(
    `WITH acting AS (${actors}), saved AS (
       INSERT INTO pgsluice.definition (pipeline, sink, relid, kind, name, constraint_sql, after_sql, top, partitioned, status)
       SELECT $2, $3, relid, kind, name, back, '{}', true, false, 'aside' FROM acting
       ON CONFLICT (pipeline, sink, relid, kind, name) DO UPDATE SET constraint_sql = excluded.constraint_sql, status = 'aside')
     SELECT 'ALTER TABLE ONLY ' || tbl || ' ' || off AS sql FROM acting ORDER BY tbl, kind, name`,
    [relids, owner.pipeline, owner.sink],
  );
  failpoint('keep-off');
  try {
    await client.query(rows.map(({ sql }) => sql).join('; '));
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.code !== '42501') throw error;
    throw await notOurs(client, found, error);
  }
  log.log('info', 'kept-off', `kept off until the cutover: ${found.map(words).join(', ')}`);
}

export function words({ kind, name, table }: Actor): string {
  return kind === 'row security' ? `forced row-level security of ${table}` : `${kind} ${name} of ${table}`;
}

/** The statements that would let the user turn them off; they grant no more privileges than needed. */
export function remedyFor(found: readonly Actor[], user: string, version: number): string {
  if (version >= 150000 && found.every(({ plain }) => plain)) {
    return `GRANT SET ON PARAMETER session_replication_role TO ${quoteIdent(user)};`;
  }
  const owners = [...new Set(found.map(({ owner }) => owner))].filter((role) => role !== user);
  return owners.map((role) => `GRANT ${quoteIdent(role)} TO ${quoteIdent(user)};`).join(' ');
}

async function notOurs(client: pg.Client, found: readonly Actor[], cause?: unknown): Promise<Error> {
  // A failed statement may have aborted the transaction, in which no query is possible then.
  const asked = await client
    .query<{ usr: string; version: string }>(
      `SELECT current_user AS usr, current_setting('server_version_num') AS version`,
    )
    .catch(() => ({ rows: [] }));
  const { usr, version } = asked.rows[0] ?? { usr: 'the user of the URL', version: '0' };
  return bulkError('PGS3120', `${usr} may not keep off what acts on replicated rows: ${found.map(words).join(', ')}`, {
    where: { table: found[0]!.table, object: found[0]!.name },
    remedy: remedyFor(found, usr, Number(version)),
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * The statements that restore what was kept off. A trigger of a partition that was created meanwhile has its parent's
 * state, and is restored to that. Objects that were dropped, or turned on by a user, are left alone.
 */
const back = `
  WITH RECURSIVE saved AS (
    SELECT d.relid, d.kind, d.name, d.constraint_sql AS back FROM pgsluice.definition d
    WHERE d.pipeline = $1 AND ($2::text IS NULL OR d.sink = $2) AND d.status = 'aside' AND d.kind = ANY($3::text[])
  ), clone AS (
    SELECT g.oid, g.tgrelid, g.tgname, s.back, true AS saved FROM saved s
    JOIN pg_catalog.pg_trigger g ON s.kind = 'trigger' AND g.tgrelid = s.relid AND g.tgname = s.name
    UNION SELECT g.oid, g.tgrelid, g.tgname, c.back, false FROM clone c JOIN pg_catalog.pg_trigger g ON g.tgparentid = c.oid
    WHERE g.tgenabled = 'D' AND NOT EXISTS (SELECT FROM saved s WHERE s.kind = 'trigger' AND s.relid = g.tgrelid AND s.name = g.tgname)
  )
  SELECT s.relid, s.kind, s.name, 'ALTER TABLE ONLY ' || c.oid::regclass::text || ' ' || s.back AS sql
  FROM saved s JOIN pg_catalog.pg_class c ON c.oid = s.relid
  WHERE CASE s.kind
    WHEN 'trigger' THEN EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = s.relid AND g.tgname = s.name AND g.tgenabled = 'D')
    WHEN 'rule' THEN EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = s.relid AND r.rulename = s.name AND r.ev_enabled = 'D')
    ELSE NOT c.relforcerowsecurity END
  UNION ALL
  SELECT tgrelid, 'trigger', tgname, 'ALTER TABLE ONLY ' || tgrelid::regclass::text || ' ' || back FROM clone WHERE NOT saved
  ORDER BY kind, sql`;

/** The owner: one sink, or all sinks of a pipeline that have their state here. */
export interface KeptFor {
  readonly pipeline: string;
  readonly sink: string | null;
}

export async function statementsBack(client: pg.Client, of: KeptFor): Promise<readonly string[]> {
  const { rows } = await client.query<{ sql: string }>(back, [of.pipeline, of.sink, keptOff]);
  return rows.map(({ sql }) => sql);
}

/** Within the caller's transaction: restores what was kept off, with its marks. Returns the statements. */
export async function bringBack(client: pg.Client, of: KeptFor): Promise<readonly string[]> {
  const statements = await statementsBack(client, of);
  for (const sql of statements) {
    failpoint('bring-back');
    await client.query(sql);
  }
  await client.query(
    `UPDATE pgsluice.definition SET status = 'built'
     WHERE pipeline = $1 AND ($2::text IS NULL OR sink = $2) AND kind = ANY($3::text[]) AND status <> 'built'`,
    [of.pipeline, of.sink, keptOff],
  );
  return statements;
}

/** Whether any object is kept off. */
export async function anyKeptOff(client: pg.Client, owner: Owner): Promise<boolean> {
  const { rows } = await client.query(
    `SELECT 1 FROM pgsluice.definition WHERE pipeline = $1 AND sink = $2 AND kind = ANY($3::text[]) AND status <> 'built' LIMIT 1`,
    [owner.pipeline, owner.sink, keptOff],
  );
  return rows.length > 0;
}
