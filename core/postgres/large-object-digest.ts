import { createHash } from 'node:crypto';
import type pg from 'pg';

/** Objects of one statement (each is opened in it), and bytes of a piece that is hashed. */
const perStatement = 500;
const pieceBytes = 1 << 20;

/**
 * Each object with its bytes hashed in the database, piece by piece, so that one of any size passes; 262144 is INV_READ
 * (manual: "Large Objects").
 */
const query = `
  SELECT m.oid::text AS oid, s.size::text AS size,
         (SELECT string_agg(md5(lo_get(m.oid, o, ${pieceBytes})), '' ORDER BY o)
          FROM generate_series(0::bigint, greatest(s.size - 1, 0), ${pieceBytes}) AS o) AS hash
  FROM (SELECT oid FROM pg_largeobject_metadata WHERE oid > $1 ORDER BY oid LIMIT ${perStatement}) m,
       LATERAL (SELECT lo_lseek64(lo_open(m.oid, 262144), 0, 2) AS size) s ORDER BY m.oid`;

/** The same digest for the same oids and bytes, on any server. */
export async function digestLargeObjects(
  client: pg.Client,
  signal: AbortSignal,
): Promise<{ readonly count: number; readonly digest: string }> {
  const hash = createHash('sha256');
  let count = 0;
  for (let after = '0'; ; ) {
    signal.throwIfAborted();
    const { rows } = await client.query<Record<'oid' | 'size' | 'hash', string>>(query, [after]);
    for (const row of rows) hash.update(`${row.oid} ${row.size} ${row.hash}\n`);
    count += rows.length;
    if (rows.length < perStatement) return { count, digest: hash.digest('hex') };
    after = rows.at(-1)!.oid;
  }
}
