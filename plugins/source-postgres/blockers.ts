import type pg from 'pg';

/**
 * SQL that describes the blockers of a session, from their pids (pg_blocking_pids): sessions with their activity, and
 * for pid 0, which stands for any of them, the prepared transactions.
 */
export const blockersSql = (pids: string): string => `concat_ws(', ',
  (SELECT string_agg(concat('pid ', b, ' (', concat_ws(', ', nullif(s.application_name, ''), s.usename, s.state,
     'for ' || round(extract(epoch FROM clock_timestamp() - s.xact_start)) || ' s'), ')'), ', ' ORDER BY b)
   FROM (SELECT DISTINCT b FROM unnest(${pids}) b WHERE b <> 0) p LEFT JOIN pg_stat_activity s ON s.pid = b),
  CASE WHEN 0 = ANY (${pids}) THEN (SELECT 'prepared transaction ' || string_agg(
     format('%L of %s (COMMIT PREPARED %1$L; or ROLLBACK PREPARED %1$L;)', gid, database), ', ' ORDER BY prepared) FROM pg_prepared_xacts) END)`;

/** What sessions of this application wait for, one line each. */
export async function readWaits(client: pg.Client, application: string): Promise<readonly string[]> {
  const { rows } = await client.query<{ what: string; whom: string }>(
    `SELECT CASE WHEN backend_type = 'walsender' THEN 'a new slot' ELSE coalesce(wait_event_type || ' of a session', 'a session') END AS what,
            ${blockersSql('of')} AS whom
     FROM (SELECT *, pg_blocking_pids(pid) AS of FROM pg_stat_activity
           WHERE left(application_name, length($1)) = $1 AND datname = current_database()) a
     WHERE of <> '{}' ORDER BY pid`,
    [application],
  );
  return rows.map(({ what, whom }) => `${what} waits for ${whom}`);
}
