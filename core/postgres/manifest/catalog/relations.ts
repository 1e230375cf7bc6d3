import { type KindQuery, nameOf, sortedList } from './kind-query.ts';

/** Tables, foreign tables and their columns; sequences; views. */
export function relationQueries(major: number): readonly KindQuery[] {
  return [tables, columns(major), sequences, views];
}

const tables: KindQuery = {
  kind: 'table',
  catalog: 'pg_class',
  acl: 'r',
  sql: `SELECT c.oid, c.nspname AS n1, c.relname AS n2, CASE c.relkind WHEN 'f' THEN 'foreign table' ELSE 'table' END AS _kind,
    pg_get_userbyid(c.relowner) AS owner, c.relacl AS acl, c.relpersistence AS persistence,
    nullif((SELECT amname FROM pg_am WHERE oid = c.relam), 'heap') AS "access method",
    ${sortedList('c.reloptions')} AS options, (SELECT ${sortedList('t.reloptions')} FROM pg_class t WHERE t.oid = c.reltoastrelid) AS "toast options",
    CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END AS "partition key",
    CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END AS "partition bound",
    (SELECT json_agg(json_build_array(pn.nspname, p.relname) ORDER BY i.inhseqno) FROM pg_inherits i
      JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace WHERE i.inhrelid = c.oid)::text AS parents,
    CASE WHEN c.reloftype <> 0 THEN c.reloftype::regtype::text END AS "of type",
    c.relrowsecurity AS "row security", c.relforcerowsecurity AS "forced row security",
    CASE WHEN c.relkind = 'f' THEN NULL ELSE CASE c.relreplident WHEN 'd' THEN NULL WHEN 'i' THEN
      (SELECT 'INDEX ' || quote_ident(ic.relname) FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisreplident)
      WHEN 'f' THEN 'FULL' ELSE 'NOTHING' END END AS "replica identity",
    (SELECT s.srvname FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid) AS server,
    (SELECT ${sortedList('f.ftoptions')} FROM pg_foreign_table f WHERE f.ftrelid = c.oid) AS "foreign options"
    FROM rel c WHERE c.relkind IN ('r', 'p', 'f')`,
};

/** Servers from 15.19 on keep pg_attver in attoptions; it is internal to them, and other servers refuse it. */
const attributeOptions = `(SELECT json_agg(o ORDER BY o) FROM unnest(a.attoptions) AS o WHERE o NOT LIKE 'pg_attver=%')::text`;

/** The identity of a partition is its parent's; from 17 on the catalog shows it for both. */
const columns = (major: number): KindQuery => ({
  kind: 'column',
  catalog: 'pg_class',
  acl: 'c',
  sql: `SELECT c.oid, a.attnum AS _sub, c.nspname AS n1, c.relname AS n2, a.attname AS n3, c.relkind AS _relkind,
    CASE c.relkind WHEN 'c' THEN 'attribute' ELSE 'column' END AS _kind, a.attnum AS _attnum, pg_get_userbyid(c.relowner) AS _owner,
    a.attacl AS acl, format_type(a.atttypid, a.atttypmod) AS type,
    CASE WHEN a.attcollation <> t.typcollation THEN ${nameOf('pg_collation', 'coll', 'a.attcollation')} END AS collation,
    CASE WHEN a.attstorage <> t.typstorage AND c.relkind NOT IN ('v', 'c') THEN a.attstorage END AS storage, t.typstorage AS _storage,
    CASE WHEN c.relkind NOT IN ('v', 'c') THEN nullif(a.attcompression::text, '') END AS compression,
    CASE WHEN a.atthasdef THEN pg_get_expr(d.adbin, d.adrelid) END AS "default",
    nullif(a.attgenerated::text, '') AS generated, CASE WHEN NOT c.relispartition THEN nullif(a.attidentity::text, '') END AS identity,
    CASE WHEN c.relkind <> 'c' THEN a.attnotnull END AS "not null",
    ${major >= 18 ? notNullConstraint : ''}
    nullif(a.attstattarget, -1) AS "statistics target", ${attributeOptions} AS options, ${sortedList('a.attfdwoptions')} AS "foreign options",
    CASE WHEN NOT c.relispartition THEN a.attislocal END AS _local, a.attinhcount > 0 AS _inherited
    FROM rel c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'c') ORDER BY c.oid, a.attnum`,
});

/** NOT NULL constraints have names from 18 on. A name that the server itself would choose counts as none. */
const notNullConstraint = `
    (SELECT CASE WHEN k.conname <> c.relname || '_' || a.attname || '_not_null' THEN k.conname END FROM pg_constraint k
      WHERE k.conislocal AND k.coninhcount = 0 AND k.conrelid = c.oid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum]) AS "not null name",
    (SELECT k.conname FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum]) AS _notnull,
    (SELECT nullif(concat_ws(' ', CASE WHEN k.connoinherit THEN 'NO INHERIT' END, CASE WHEN NOT k.convalidated THEN 'NOT VALID' END), '')
      FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum]) AS "not null more",`;

const sequences: KindQuery = {
  kind: 'sequence',
  catalog: 'pg_class',
  acl: 's',
  sql: `SELECT c.oid, c.nspname AS n1, c.relname AS n2, pg_get_userbyid(c.relowner) AS owner, c.relacl AS acl,
    nullif(c.relpersistence, 'p') AS persistence, format_type(s.seqtypid, NULL) AS type, s.seqstart AS start, s.seqincrement AS increment,
    s.seqmin AS minimum, s.seqmax AS maximum, s.seqcache AS cache, s.seqcycle AS cycle, d.deptype = 'i' AS _identity,
    CASE WHEN d.refobjid IS NOT NULL THEN
      (SELECT json_build_array(tn.nspname, t.relname, a.attname) FROM pg_class t JOIN pg_namespace tn ON tn.oid = t.relnamespace
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid WHERE t.oid = d.refobjid)::text END AS "owned by"
    FROM rel c JOIN pg_sequence s ON s.seqrelid = c.oid
      LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
        AND d.deptype IN ('a', 'i') WHERE c.relkind = 'S'`,
};

const views: KindQuery = {
  kind: 'view',
  catalog: 'pg_class',
  acl: 'r',
  sql: `SELECT c.oid, c.nspname AS n1, c.relname AS n2, CASE c.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END AS _kind,
    pg_get_userbyid(c.relowner) AS owner, c.relacl AS acl, pg_get_viewdef(c.oid) AS definition, ${sortedList('c.reloptions')} AS options,
    nullif((SELECT amname FROM pg_am WHERE oid = c.relam), 'heap') AS "access method", c.relispopulated AS _populated
    FROM rel c WHERE c.relkind IN ('v', 'm')`,
};
