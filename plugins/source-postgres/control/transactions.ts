import type pg from 'pg';
import { relationName } from '../../../core/postgres/relation.ts';
import { qualified } from '../../../core/postgres/quote.ts';
import type { FenceTable, OpenTransaction } from '../../../core/api/source-control.ts';

/** Locks that INSERT, UPDATE, DELETE, TRUNCATE and ALTER TABLE take (manual: "Table-Level Locks"). */
const writing = `('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')`;

/**
 * pg_locks and the pid, database and user of a session are visible to every role; the rest of pg_stat_activity,
 * including backend_xid, is not. A transaction that has an id holds an exclusive lock on it; the locks of a prepared
 * one have no pid.
 */
const query = `
  WITH wanted AS (SELECT to_regclass(w.name)::oid AS oid, w.label FROM unnest($1::text[], $2::text[]) AS w (name, label)),
  held AS (
    SELECT l.pid, l.virtualtransaction AS vt,
           array_agg(l.transactionid::text) FILTER (WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock') AS xids,
           coalesce(json_agg(DISTINCT w.label) FILTER (WHERE w.label IS NOT NULL), '[]') AS tables
    FROM pg_locks l
    LEFT JOIN wanted w ON l.locktype = 'relation' AND l.relation = w.oid AND l.mode IN ${writing}
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    WHERE l.granted GROUP BY 1, 2)
  SELECT h.pid || '/' || h.vt AS id, h.pid::text AS pid, NULL AS gid, pg_get_userbyid(a.usesysid)::text AS "user",
         nullif(a.application_name, '') AS application, a.state,
         extract(epoch FROM clock_timestamp() - a.xact_start)::float8::text AS seconds, h.tables::text AS tables
  FROM held h JOIN pg_stat_activity a ON a.pid = h.pid
  WHERE a.datid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND h.pid <> pg_backend_pid()
    AND (h.xids IS NOT NULL OR h.tables::text <> '[]') AND a.application_name IS DISTINCT FROM $3
    AND a.backend_type IS DISTINCT FROM 'autovacuum worker'
  UNION ALL
  SELECT 'prepared/' || p.transaction::text, NULL, p.gid, p.owner::text, NULL, 'prepared',
         extract(epoch FROM clock_timestamp() - p.prepared)::float8::text, coalesce(h.tables::text, '[]')
  FROM pg_prepared_xacts p LEFT JOIN held h ON h.pid IS NULL AND p.transaction::text = ANY (h.xids)
  WHERE p.database = current_database()
  ORDER BY 1`;

/** `ours`: application_name of this pipeline's own sessions. */
export async function openTransactions(
  client: pg.Client,
  tables: readonly FenceTable[],
  ours: string,
): Promise<readonly OpenTransaction[]> {
  const { rows } = await client.query<Record<string, string | null>>(query, [
    tables.map(qualified),
    tables.map(relationName),
    ours,
  ]);
  return rows.map((row) => ({
    id: row['id']!,
    pid: row['pid'] === null || row['pid'] === undefined ? null : Number(row['pid']),
    gid: row['gid'] ?? null,
    user: row['user'] ?? null,
    application: row['application'] ?? null,
    state: row['state'] ?? null,
    seconds: row['seconds'] === null || row['seconds'] === undefined ? null : Number(row['seconds']),
    tables: JSON.parse(row['tables'] ?? '[]') as string[],
  }));
}
