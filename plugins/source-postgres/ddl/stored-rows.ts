import type pg from 'pg';
import type { StoredRows } from '../../../core/api/source-database.ts';
import type { Oid } from '../../../core/postgres/relation.ts';

/**
 * Of a row `a` of pg_attribute: the transaction that wrote it, and a hash of all that commands change there and leave the column's values
 * alone. A new default is another row of pg_attrdef.
 */
export const writtenSql = `a.xmin::text || ' ' || hashtextextended(concat_ws(',', a.attname, a.attstattarget, a.attacl, a.attoptions,
  a.attfdwoptions, a.attnotnull, a.atthasdef, a.attidentity, a.attgenerated, a.attislocal, a.attinhcount, a.attstorage, a.attcompression,
  CASE WHEN a.atthasdef THEN (SELECT d.oid FROM pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum) END), 0)`;

/**
 * Of a row `c` of pg_class: the transactions that last wrote it, and those of its TOAST table and indexes. Whoever writes all rows again writes
 * each of them; a later command of another kind leaves the latter as they are.
 */
export const writersSql = `concat_ws(' ', c.xmin, (SELECT o.xmin FROM pg_class o WHERE o.oid = c.reltoastrelid),
  (SELECT string_agg(o.xmin::text, ' ') FROM pg_index x JOIN pg_class o ON o.oid = x.indexrelid WHERE x.indrelid = c.oid))`;

const query = `
  SELECT c.oid, c.relfilenode::text, ${writersSql}, (SELECT json_object_agg(a.attnum, ${writtenSql})::text
    FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
  FROM pg_class c WHERE c.oid = ANY ($1::oid[]) AND c.relkind = 'r'`;

/** As the looks at the source's tables read it (published.ts), but as the snapshot of this connection sees the catalog. */
export async function readStored(client: pg.Client, oids: readonly Oid[]): Promise<ReadonlyMap<Oid, StoredRows>> {
  const { rows } = await client.query<[string, string, string, string | null]>({
    text: query,
    values: [oids],
    rowMode: 'array',
  } as unknown as pg.QueryArrayConfig);
  return new Map(
    rows.map(([oid, file, written, columns]) => [
      Number(oid),
      { file, written, columns: JSON.parse(columns ?? '{}') as StoredRows['columns'] },
    ]),
  );
}
