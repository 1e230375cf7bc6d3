import type pg from 'pg';
import type { TablesOption } from '../../../core/api/schemas.ts';
import type { TablePresence } from '../../../core/api/source-database.ts';
import { collationSql } from '../../../core/postgres/columns.ts';
import { chosenOids } from '../catalog/choose.ts';
import { isPublished } from '../publication/definition.ts';
import { writersSql, writtenSql } from './stored-rows.ts';

/**
 * A partition that is being detached (DETACH CONCURRENTLY) is no longer a member. Columns by number, as numbers stay
 * through renames and are never reused (manual: pg_attribute).
 */
const query = `
  WITH excepted AS (SELECT r.prrelid FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
    WHERE p.pubname = $1 AND NOT (${isPublished}))
  SELECT c.oid, n.nspname, c.relname, c.relkind, c.relispartition,
    r.prrelid IS NOT NULL OR EXISTS (SELECT FROM pg_publication WHERE pubname = $1 AND puballtables) AND NOT EXISTS (
      SELECT FROM excepted e WHERE e.prrelid = c.oid OR e.prrelid IN (SELECT relid FROM pg_partition_ancestors(c.oid))),
    to_jsonb(r) ->> 'prattrs' IS NOT NULL,
    pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid),
    (SELECT json_agg(i.inhparent::int8 ORDER BY i.inhseqno)::text FROM pg_inherits i WHERE i.inhrelid = c.oid AND NOT i.inhdetachpending),
    (SELECT json_agg(json_build_array(a.attnum, a.attname, a.atttypid::int8, a.atttypmod, ${collationSql}, ${writtenSql}) ORDER BY a.attnum)::text
     FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    c.relreplident = 'f' OR EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indimmediate AND x.indisvalid
      AND CASE c.relreplident WHEN 'd' THEN x.indisprimary WHEN 'i' THEN x.indisreplident END),
    EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e'),
    c.relpersistence = 'u',
    c.relfilenode::text, ${writersSql}
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN (pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid AND p.pubname = $1 AND ${isPublished}) ON r.prrelid = c.oid
  WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
    AND n.nspname NOT IN ('information_schema', 'pgsluice')`;

/** Every user table as it is now. */
export async function readPublished(
  client: pg.Client,
  publication: string,
  patterns: TablesOption,
): Promise<readonly TablePresence[]> {
  const { rows } = await client.query<(string | null)[]>({
    text: query,
    values: [publication],
    rowMode: 'array',
  } as unknown as pg.QueryArrayConfig);
  const found = rows.map((row) => ({ ...presenceOf(row), extension: row[12] === 't' }));
  const candidates = found
    .filter(({ extension }) => !extension)
    .map(({ oid, schema, name, bound, parents }) => ({
      oid,
      schema,
      name,
      parent: bound === null ? null : (parents[0] ?? null),
      inherits: bound === null ? parents : [],
    }));
  const chosen = chosenOids(candidates, patterns);
  return found.map(({ extension: _, ...table }) => ({ ...table, chosen: chosen.has(table.oid) }));
}

function presenceOf(row: readonly (string | null)[]): Omit<TablePresence, 'chosen'> {
  const columns = JSON.parse(row[10] ?? '[]') as [number, string, number, number, string | null, string][];
  const parents = JSON.parse(row[9] ?? '[]') as number[];
  const written = Object.fromEntries(columns.map((column) => [column[0], column[5]]));
  return {
    oid: Number(row[0]),
    schema: row[1]!,
    name: row[2]!,
    kind: row[3] === 'p' ? 'partitioned' : row[4] === 't' && parents.length > 0 ? 'partition' : 'table',
    published: row[5] === 't',
    listed: row[6] === 't',
    bound: parents.length > 0 ? (row[7] ?? null) : null,
    partitionBy: row[8] ?? null,
    parents,
    columns: columns.map(([attnum, name, type, typmod, collation]) => ({ attnum, name, type, typmod, collation })),
    keyed: row[11] === 't',
    unlogged: row[13] === 't',
    ...(row[3] === 'p' ? {} : { stored: { file: row[14]!, written: row[15]!, columns: written } }),
  };
}
