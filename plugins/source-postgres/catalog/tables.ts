import type pg from 'pg';
import { isServiceSchema } from '../services.ts';
import type { Oid } from '../../../core/postgres/relation.ts';

/** A table of the source from the catalog, before choosing. */
export interface CatalogTable {
  readonly oid: Oid;
  readonly schema: string;
  readonly name: string;
  /** pg_class.relkind: r plain, p partitioned, f foreign. */
  readonly relkind: 'r' | 'p' | 'f';
  readonly isPartition: boolean;
  readonly unlogged: boolean;
  /** pg_class.relreplident. */
  readonly replicaIdentity: string;
  readonly bytes: number;
  readonly rows: number;
  /** Direct parent of a partition, else null. */
  readonly parent: Oid | null;
  /** The parents that it inherits from without being a partition. */
  readonly inherits: readonly Oid[];
  /** In a schema of the managed service, or of an extension. */
  readonly service?: boolean;
}

/**
 * User tables: not of the system, not ours, not an extension's (pg_depend deptype e), not temporary. Sizes only for
 * tables with storage.
 */
const query = `
  SELECT c.oid, n.nspname, c.relname, c.relkind, c.relispartition, c.relpersistence = 'u', c.relreplident,
         CASE WHEN c.relkind = 'r' THEN pg_table_size(c.oid) ELSE 0 END, c.reltuples, i.inhparent,
         (SELECT string_agg(h.inhparent::text, ',') FROM pg_inherits h WHERE h.inhrelid = c.oid AND NOT c.relispartition),
         n.nspname <> 'public' AND ${isServiceSchema}
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_inherits i ON c.relispartition AND i.inhrelid = c.oid
  WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'pgsluice')
    AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e')
  ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"`;

export async function readTables(client: pg.Client): Promise<readonly CatalogTable[]> {
  const { rows } = await client.query<(string | null)[]>({
    text: query,
    rowMode: 'array',
  } as unknown as pg.QueryArrayConfig);
  return rows.map((row) => ({
    oid: Number(row[0]),
    schema: row[1]!,
    name: row[2]!,
    relkind: row[3] as CatalogTable['relkind'],
    isPartition: row[4] === 't',
    unlogged: row[5] === 't',
    replicaIdentity: row[6]!,
    // Null if the table was dropped meanwhile.
    bytes: Number(row[7] ?? 0),
    rows: Number(row[8]),
    parent: row[9] === null || row[9] === undefined ? null : Number(row[9]),
    inherits: (row[10] ?? '').split(',').filter(Boolean).map(Number),
    service: row[11] === 't',
  }));
}
