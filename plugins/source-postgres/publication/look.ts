import type pg from 'pg';
import type { Oid } from '../../../core/postgres/relation.ts';
import { isPublished } from './definition.ts';

export interface Look {
  /** Changes whenever anything of the publication is set, added or dropped; null: there is none. */
  readonly signature: string | null;
  /** Published tables on which writes may be refused, including leaf partitions of published parents. */
  readonly suspects: readonly Oid[];
}

/**
 * A query that is cheap enough to run every second over thousands of tables: it locks only catalogs, and a table with a
 * key and neither filter nor list is decided by joins alone. On 18 a table with REPLICA IDENTITY FULL is a suspect
 * because of its generated columns, and so is every table if stored ones are not published.
 */
const query = `
  WITH RECURSIVE p AS (SELECT *, xmin::text AS written, to_jsonb(pg_publication) ->> 'pubgencols' AS gencols
    FROM pg_publication WHERE pubname = $1
  ), covered (oid) AS (
    SELECT r.prrelid FROM p JOIN pg_publication_rel r ON r.prpubid = p.oid AND ${isPublished}
    UNION SELECT i.inhrelid FROM covered JOIN pg_inherits i ON i.inhparent = covered.oid
      JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition
  ), keyed AS (
    SELECT indrelid, bool_or(indisprimary) AS by_default, bool_or(indisreplident) AS by_index FROM pg_index
    WHERE indisvalid AND indisunique AND indimmediate AND indpred IS NULL AND (indisprimary OR indisreplident) GROUP BY 1
  )
  SELECT (SELECT concat_ws(' ', p.oid, p.written, count(r.oid), md5(coalesce(string_agg(r.oid::text, ',' ORDER BY r.oid), '')),
            (SELECT count(*) FROM pg_depend d WHERE d.refclassid = 'pg_publication'::regclass AND d.refobjid = p.oid))
          FROM p LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid GROUP BY p.oid, p.written) AS signature,
    array_to_string(ARRAY(SELECT c.oid FROM covered JOIN pg_class c USING (oid) CROSS JOIN p
      LEFT JOIN keyed k ON k.indrelid = c.oid LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid
      WHERE c.relkind = 'r' AND (p.pubupdate OR p.pubdelete) AND (
        CASE c.relreplident WHEN 'f' THEN p.gencols IS NOT NULL WHEN 'd' THEN k.by_default IS NOT TRUE
          WHEN 'i' THEN k.by_index IS NOT TRUE ELSE true END
        OR p.gencols = 'n' OR to_jsonb(r) ->> 'prqual' IS NOT NULL OR to_jsonb(r) ->> 'prattrs' IS NOT NULL)), ',') AS suspects`;

export async function lookAt(client: pg.Client, publication: string): Promise<Look> {
  const { rows } = await client.query<{ signature: string | null; suspects: string }>(query, [publication]);
  const { signature, suspects } = rows[0]!;
  return { signature, suspects: suspects === '' ? [] : suspects.split(',').map(Number) };
}
