import type pg from 'pg';

export interface LockHolder {
  readonly pid: string;
  /** Null if the role may not see it. */
  readonly application: string | null;
  /** Null: a local connection. */
  readonly address: string | null;
}

/**
 * The session that holds the advisory lock of a 64-bit key (manual: "pg_locks": the halves are classid and objid,
 * objsubid 1); null: none.
 */
export async function lockHolder(client: pg.Client, key: string): Promise<LockHolder | null> {
  const { rows } = await client.query({
    text: `SELECT a.pid, a.application_name, a.client_addr FROM pg_catalog.pg_locks l
      JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
      WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
        AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        AND l.classid = (($1::int8 >> 32) & 4294967295)::text::oid AND l.objid = ($1::int8 & 4294967295)::text::oid`,
    values: [key],
    rowMode: 'array',
  });
  const [pid, application, address] = (rows as unknown as (string | null)[][])[0] ?? [];
  if (pid === undefined || pid === null) return null;
  return { pid, application: application ?? null, address: address === '' ? null : (address ?? null) };
}
