import type pg from 'pg';
import type { TablePresence } from '../../../core/api/source.ts';

/** Every user table with whether the publication has it, and whether with a list of columns. */
export async function readPublished(client: pg.Client, publication: string): Promise<readonly TablePresence[]> {
  const { rows } = await client.query<
    Record<'oid' | 'schema' | 'name' | 'published' | 'unlogged' | 'columns', string | null>
  >(
    `SELECT c.oid, n.nspname AS schema, c.relname AS name, (r.prrelid IS NOT NULL)::text AS published, (c.relpersistence = 'u')::text AS unlogged,
       CASE WHEN to_jsonb(r) ->> 'prattrs' IS NULL THEN NULL ELSE (SELECT json_agg(a.attname)::text FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) END AS columns
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN (pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid AND p.pubname = $1) ON r.prrelid = c.oid
     WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`,
    [publication],
  );
  return rows.map((row) => ({
    oid: Number(row.oid),
    schema: row.schema!,
    name: row.name!,
    published: row.published === 'true',
    unlogged: row.unlogged === 'true',
    listed: row.columns === null ? null : (JSON.parse(row.columns) as string[]),
  }));
}
