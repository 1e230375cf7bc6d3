import type pg from 'pg';
import type { KeyCut, KeyFit } from '../../../core/api/snapshot.ts';
import { qualified, quoteIdent } from '../../../core/postgres/quote.ts';
import type { Relation } from '../../../core/postgres/relation.ts';
import type { Tuple } from '../../../core/postgres/tuple.ts';

/** Keys of the sample per range: enough for ranges that differ in size by a tenth or so. */
const samples = 100;
/** Below it neighbours in the key lie on pages far apart, and every range would read most of the table. */
const leastCorrelation = 0.9;

interface Facts {
  readonly index: boolean;
  readonly texts: boolean;
  readonly correlation: number | null;
  readonly unique: string | null;
  readonly rows: number;
}

/**
 * Whether the key has an index in its order, whether texts in it compare by their bytes, and how the rows lie (of the first column: the
 * statistics have nothing else). A default collation is libc's C only where the database's provider is libc.
 */
const facts = `
  SELECT json_build_object(
    'index', EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid
      AND ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (n, o)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.n WHERE k.o <= i.indnkeyatts ORDER BY k.o) = $2::text[]),
    'texts', (SELECT coalesce(bool_and(getdatabaseencoding() = 'UTF8' AND CASE WHEN l.collname = 'default'
        THEN coalesce(to_jsonb(d)->>'datlocprovider', 'c') = 'c' AND d.datcollate IN ('C', 'POSIX')
        ELSE l.collprovider = 'c' AND l.collcollate IN ('C', 'POSIX') END), true)
      FROM pg_attribute a JOIN pg_collation l ON l.oid = a.attcollation, pg_database d
      WHERE a.attrelid = c.oid AND a.attname = ANY($2::text[]) AND d.datname = current_database()),
    'correlation', (SELECT abs(s.correlation) FROM pg_stats s JOIN pg_namespace n ON n.nspname = s.schemaname
      WHERE n.oid = c.relnamespace AND s.tablename = c.relname AND s.attname = ($2::text[])[1] AND NOT s.inherited),
    'unique', (SELECT i.indexrelid::regclass FROM pg_index i
      WHERE i.indrelid = c.oid AND NOT i.indisprimary AND (i.indisunique OR i.indisexclusion) ORDER BY 1 LIMIT 1),
    'rows', c.reltuples)::text
  FROM pg_class c WHERE c.oid = $1`;

/** See SnapshotSession.keyRanges. */
export async function cutByKey(
  client: pg.Client,
  relation: Relation,
  of: { readonly columns: readonly string[]; readonly bytes: number; readonly chunkBytes: number },
): Promise<KeyCut | string> {
  const { columns, bytes, chunkBytes } = of;
  const fit = await fitOf(client, relation, columns);
  if (typeof fit === 'string') return fit;
  const parts = Math.max(1, Math.ceil(bytes / Math.max(1, chunkBytes)));
  return { bounds: await bounds(client, relation, { columns, parts, rows: fit.rows }), bytes };
}

/** See SnapshotSource.keyFit. */
export async function fitOf(
  client: pg.Client,
  relation: Relation,
  columns: readonly string[],
): Promise<(KeyFit & { readonly rows: number }) | string> {
  const asked = await client.query<string[]>({
    text: facts,
    values: [relation.oid, columns],
    rowMode: 'array',
  } as unknown as pg.QueryArrayConfig);
  const found = JSON.parse(asked.rows[0]?.[0] ?? 'null') as Facts | null;
  if (found === null || !found.index) return 'its primary key has no valid index';
  if (!found.texts) return 'its key has a text whose collation is not "C"';
  if (found.correlation === null) return 'it was never analyzed, so how its rows lie is not known';
  if (found.correlation < leastCorrelation)
    return `its rows do not lie in the order of the key (correlation ${found.correlation.toFixed(2)})`;
  return { ...found, correlation: found.correlation };
}

/** Every so many keys of a sample of whole pages, ordered by the server. */
async function bounds(
  client: pg.Client,
  relation: Relation,
  of: { readonly columns: readonly string[]; readonly parts: number; readonly rows: number },
): Promise<readonly Tuple[]> {
  if (of.parts === 1) return [];
  const percent = Math.min(100, Math.max(0.01, (100 * of.parts * samples) / Math.max(1, of.rows)));
  const key = of.columns.map(quoteIdent);
  const { rows } = await client.query<string[]>({
    text: `
      WITH sample AS MATERIALIZED (
        SELECT ${key.join(', ')} FROM ONLY ${qualified(relation)} TABLESAMPLE SYSTEM (${percent})
      ), placed AS (
        SELECT ${key.join(', ')}, ntile(${of.parts}) OVER (ORDER BY ${key.join(', ')}) AS pgsluice_part FROM sample
      ), first AS (
        SELECT DISTINCT ON (pgsluice_part) * FROM placed ORDER BY pgsluice_part, ${key.join(', ')}
      )
      SELECT ${key.map((name) => `${name}::text`).join(', ')} FROM first WHERE pgsluice_part > 1 ORDER BY pgsluice_part`,
    rowMode: 'array',
  } as unknown as pg.QueryArrayConfig);
  // A key is unique, so neighbours differ.
  return rows;
}

/**
 * A rewrite and a TRUNCATE give the table another file, and an ALTER of a column writes its row in pg_attribute again (what ANALYZE and
 * VACUUM change they change in pg_class, in place). A GRANT on columns does, too, and is taken for one; one on the table is not.
 */
export async function standingOf(client: pg.Client, relation: Relation): Promise<string> {
  const { rows } = await client.query<string[]>({
    text: `
      SELECT concat_ws(' ', c.oid, c.relfilenode, c.relnatts, c.relreplident, c.relpersistence, c.relispartition, quote_ident(c.relname), c.relnamespace,
        (SELECT md5(string_agg(a.attnum || ' ' || a.xmin, ',' ORDER BY a.attnum)) FROM pg_attribute a WHERE a.attrelid = c.oid))
      FROM pg_class c WHERE c.oid = $1`,
    values: [relation.oid],
    rowMode: 'array',
  } as unknown as pg.QueryArrayConfig);
  return rows[0]?.[0] ?? 'gone';
}
