import type pg from 'pg';
import type { Oid } from '../../../core/postgres/relation.ts';

/** A table in a publication. */
export interface DefinedTable {
  readonly oid: Oid;
  /**
   * pg_publication_rel.oid: differs for a table that was removed and added again, or that got another filter or list.
   */
  readonly entry: Oid;
  readonly list: readonly number[] | null;
  /** Columns that its row filter reads. */
  readonly filter: readonly number[];
  readonly filtered: boolean;
}

/** A publication from the catalog. */
export interface Definition {
  readonly oid: Oid;
  /** Transaction that wrote its row: ALTER PUBLICATION … SET changes it, also if it sets the same values. */
  readonly written: string;
  readonly owner: string;
  readonly comment: string | null;
  /** FOR ALL TABLES, or FOR TABLES IN SCHEMA. */
  readonly whole: boolean;
  /** As in `publish` of CREATE PUBLICATION. */
  readonly publish: string;
  readonly viaRoot: boolean;
  /** `publish_generated_columns = stored`; false before 18. */
  readonly generated: boolean;
  readonly tables: readonly DefinedTable[];
}

/**
 * For an entry `r` of pg_publication_rel: true if it publishes a table, false if it excludes one from ALL TABLES
 * (EXCEPT, from 19 on).
 */
export const isPublished = `to_jsonb(r) ->> 'prexcept' IS DISTINCT FROM 'true'`;

/**
 * In one query for all majors, so columns that some of them lack are read through jsonb. The columns that a filter
 * reads are in pg_depend (manual: "pg_depend"), which also has an entry for each column of a column list.
 */
const query = `
  SELECT json_build_object('oid', p.oid::int8, 'written', p.xmin::text, 'owner', pg_get_userbyid(p.pubowner),
    'comment', obj_description(p.oid, 'pg_publication'),
    'whole', p.puballtables OR EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_publication'::regclass
      AND d.refobjid = p.oid AND d.classid = to_regclass('pg_catalog.pg_publication_namespace')),
    'publish', concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
      CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END),
    'viaRoot', p.pubviaroot, 'generated', coalesce(to_jsonb(p) ->> 'pubgencols' = 's', false),
    'tables', coalesce((SELECT json_agg(json_build_object('oid', r.prrelid::int8, 'entry', r.oid::int8,
        'filtered', to_jsonb(r) ->> 'prqual' IS NOT NULL,
        'list', to_jsonb(r) -> 'prattrs',
        'filter', ARRAY(SELECT d.refobjsubid FROM pg_depend d WHERE d.classid = 'pg_publication_rel'::regclass AND d.objid = r.oid
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid = r.prrelid AND d.refobjsubid > 0
          GROUP BY d.refobjsubid HAVING count(*) >
            CASE WHEN to_jsonb(r) -> 'prattrs' @> to_jsonb(d.refobjsubid) THEN 1 ELSE 0 END)))
      FROM pg_publication_rel r WHERE r.prpubid = p.oid AND ${isPublished}), '[]'))::text AS definition
  FROM pg_publication p WHERE p.pubname = $1`;

/** Null: there is no publication of this name. */
export async function readDefinition(client: pg.Client, name: string): Promise<Definition | null> {
  const { rows } = await client.query<{ definition: string }>(query, [name]);
  return rows[0] === undefined ? null : (JSON.parse(rows[0].definition) as Definition);
}
