import type pg from 'pg';
import type { Owner } from '../state.ts';

/**
 * The server itself writes definitions (pg_get_indexdef, pg_get_constraintdef) directly into the state, in the
 * transaction that drops the objects: at no moment is a definition neither in the catalog nor saved (I10).
 *
 * status: `aside` dropped · `indexed` its index exists, the constraint does not · `unchecked` exists, but temporarily
 * NOT VALID · `built` restored.
 */
export type DefinitionStatus = 'aside' | 'indexed' | 'unchecked' | 'built';

/**
 * Properties that are restored with an index: comments, replica identity, CLUSTER, statistics targets of expressions.
 */
const afterIndex = `
  array_remove(ARRAY[
    'COMMENT ON INDEX ' || ix || ' IS ' || quote_literal(obj_description(i.indexrelid, 'pg_class')),
    'COMMENT ON CONSTRAINT ' || quote_ident(k.conname) || ' ON ' || tbl || ' IS ' || quote_literal(obj_description(k.oid, 'pg_constraint')),
    CASE WHEN i.indisreplident THEN 'ALTER TABLE ' || tbl || ' REPLICA IDENTITY USING INDEX ' || quote_ident(ic.relname) END,
    CASE WHEN i.indisclustered THEN 'ALTER TABLE ' || tbl || ' CLUSTER ON ' || quote_ident(ic.relname) END
  ] || ARRAY(
    SELECT 'ALTER INDEX ' || ix || ' ALTER COLUMN ' || a.attnum || ' SET STATISTICS ' || a.attstattarget
    FROM pg_attribute a WHERE a.attrelid = i.indexrelid AND a.attstattarget >= 0 ORDER BY a.attnum
  ), NULL)`;

/**
 * Unique constraints and primary keys on a btree are restored as an index and then a constraint USING INDEX, so that
 * the build holds no exclusive lock; others (exclusion, WITHOUT OVERLAPS, partitioned tables) as ALTER TABLE … ADD; so
 * are primary keys of inheriting tables, as USING INDEX would give them a NOT NULL of their own (18). An index that is
 * attached, at any level, to an index of a table outside the set stays: it cannot be dropped alone. So does one below
 * an index that is not valid yet, as long as a partition has none of its own: the parent's index cannot be built, only
 * created ON ONLY.
 */
const indexes = `
  SELECT i.indrelid, CASE WHEN k.oid IS NULL THEN 'index' ELSE 'constraint' END, ic.relname,
         CASE WHEN k.oid IS NULL OR swap
              THEN CASE WHEN s.spcname IS NOT NULL THEN 'SET LOCAL default_tablespace = ' || quote_literal(s.spcname) || '; ' ELSE '' END
                   || pg_get_indexdef(i.indexrelid) END,
         CASE WHEN k.oid IS NULL THEN NULL
              WHEN swap
              THEN CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END || ' USING INDEX ' || quote_ident(ic.relname)
                   || CASE WHEN k.condeferrable THEN ' DEFERRABLE' ELSE '' END
                   || CASE WHEN k.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END
              ELSE pg_get_constraintdef(k.oid) END,
         ${afterIndex}, p.inhparent IS NULL, t.relkind = 'p', ix, p.inhparent::regclass::text, NULL::oid
  FROM pg_index i
  JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_am am ON am.oid = ic.relam
  JOIN pg_namespace ns ON ns.oid = ic.relnamespace
  JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
  LEFT JOIN pg_tablespace s ON s.oid = ic.reltablespace
  LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
  LEFT JOIN pg_inherits p ON p.inhrelid = i.indexrelid,
  LATERAL (SELECT format('%I.%I', ns.nspname, ic.relname) AS ix, format('%I.%I', tn.nspname, t.relname) AS tbl,
    k.contype IN ('p', 'u') AND am.amname = 'btree' AND t.relkind <> 'p'
      AND (k.contype = 'u' OR t.relispartition OR NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = t.oid)) AS swap) q
  WHERE i.indrelid = ANY($3::oid[]) AND i.indisvalid AND NOT (i.indisunique AND i.indrelid = ANY($4::oid[]))
    AND NOT EXISTS (SELECT FROM pg_partition_ancestors(i.indexrelid) a JOIN pg_index up ON up.indexrelid = a.relid
      WHERE NOT up.indisvalid OR up.indrelid <> ALL($3::oid[]))
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.deptype = 'e')`;

const comment = `array_remove(ARRAY['COMMENT ON CONSTRAINT ' || quote_ident(k.conname) || ' ON ' || k.conrelid::regclass::text
  || ' IS ' || quote_literal(obj_description(k.oid, 'pg_constraint'))], NULL)`;

/**
 * Foreign keys of the tables, and foreign keys that refer to them or to the tables that they are partitions of,
 * including those of tables that are not ours: a referenced table cannot be truncated.
 */
const foreignKeys = `
  SELECT k.conrelid, 'foreign key', k.conname, NULL, pg_get_constraintdef(k.oid), ${comment}, true, t.relkind = 'p', NULL, NULL, k.confrelid
  FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid
  WHERE k.contype = 'f' AND k.conparentid = 0 AND (k.conrelid = ANY($3::oid[]) OR k.confrelid = ANY($3::oid[])
      OR k.confrelid IN (SELECT a.relid FROM unnest($3::oid[]) r, pg_partition_ancestors(r) a))`;

/**
 * Checks (18: also NOT NULL) that are NOT VALID: rows of the source may break them, and COPY would refuse those rows.
 */
const notValid = `
  SELECT k.conrelid, 'check', k.conname, NULL, pg_get_constraintdef(k.oid), ${comment}, true, t.relkind = 'p', NULL, NULL, NULL::oid
  FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid
  WHERE k.contype IN ('c', 'n') AND NOT k.convalidated AND k.coninhcount = 0 AND k.conrelid = ANY($3::oid[])`;

/** What is left in place. */
export interface Staying {
  /** Tables so small that their indexes cost less to fill than to drop and build. */
  readonly small: ReadonlySet<number>;
  /** Tables that keep what is unique, as the stream finds rows of theirs while they are filled. */
  readonly keyed: ReadonlySet<number>;
}

/**
 * An object that another session drops at this moment, after it has
 * saved it, has no definition any longer (pg_get_constraintdef reads the present catalog), and the saved one must not
 * be overwritten.
 */
export async function saveDefinitions(
  client: pg.Client,
  owner: Owner,
  relids: readonly number[],
  { small: stay, keyed }: Staying,
): Promise<void> {
  const withIndexes = relids.filter((relid) => !stay.has(relid));
  for (const select of [indexes, foreignKeys, notValid]) {
    await client.query(
      `INSERT INTO pgsluice.definition (pipeline, sink, relid, kind, name, create_sql, constraint_sql, after_sql, top, partitioned,
         index_name, parent_index, ref_relid, status)
       SELECT $1, $2, d.*, 'aside' FROM (${select} OFFSET 0) AS d (relid, kind, name, create_sql, constraint_sql)
       WHERE coalesce(d.create_sql, d.constraint_sql) IS NOT NULL
       ON CONFLICT (pipeline, sink, relid, kind, name) DO UPDATE SET (create_sql, constraint_sql, after_sql, top, partitioned, index_name,
         parent_index, ref_relid, status) = (excluded.create_sql, excluded.constraint_sql, excluded.after_sql, excluded.top,
         excluded.partitioned, excluded.index_name, excluded.parent_index, excluded.ref_relid, 'aside')`,
      select === indexes ? [owner.pipeline, owner.sink, withIndexes, [...keyed]] : [owner.pipeline, owner.sink, relids],
    );
  }
}
