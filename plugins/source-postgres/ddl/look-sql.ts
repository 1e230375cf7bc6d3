import { typesSql } from '../../../core/postgres/manifest/parts.ts';
import { quoteLiteral } from '../../../core/postgres/quote.ts';
import { emit, memorySql, messageForm } from './install-sql.ts';
import { type DdlObjects, markSql, objectNames } from './objects.ts';

/**
 * If event triggers are not allowed, the catalog is looked at. Each catalog row that a command writes has another xmin,
 * which is compared first, for all tables in one statement; a table whose rows differ is locked against DDL and
 * described again, and the message about the difference is in the same transaction. So from that position on the table
 * is as the message says. At most 300 tables at once, as each takes an entry in the server's lock table.
 */
export function installLookSql(objects: DdlObjects): string {
  const { memory, look } = objectNames(objects.prefix);
  return [
    ...memorySql(objects),
    `DO $pgsluice$ BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = ${quoteLiteral(memory)}::regclass AND attname = 'types')
       THEN ALTER TABLE ${memory} ADD COLUMN IF NOT EXISTS seen text, ADD COLUMN IF NOT EXISTS stored jsonb, ADD COLUMN types jsonb; END IF; END $pgsluice$`,
    seenFunction(objects),
    storedFunction(objects),
    typesFunction(objects),
    lookFunction(objects),
    ...markSql(objects),
    `SET LOCAL lock_timeout = '200ms'`,
    `SELECT ${look}()`,
  ].join(';\n');
}

/** For each table in memory, or for one: a digest of its catalog rows and of its parts. */
function seenFunction({ prefix }: DdlObjects): string {
  const { memory, seen } = objectNames(prefix);
  return `CREATE OR REPLACE FUNCTION ${seen}(only_rel oid) RETURNS TABLE (rel oid, digest text) LANGUAGE sql STABLE
  SET search_path = pg_catalog, pg_temp AS $pgsluice$
  WITH at AS MATERIALIZED (SELECT m.oid FROM ${memory} m WHERE only_rel IS NULL OR m.oid = only_rel),
  owned AS (SELECT d.refobjid AS rel, d.objid AS seq FROM at JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = at.oid
    WHERE d.classid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')),
  parts AS (
    SELECT 'pg_class'::regclass AS class, c.oid, c.oid AS rel, c.xmin FROM at JOIN pg_class c USING (oid)
    UNION ALL SELECT 'pg_class'::regclass, c.oid, x.indrelid, c.xmin FROM at JOIN pg_index x ON x.indrelid = at.oid JOIN pg_class c ON c.oid = x.indexrelid
    UNION ALL SELECT 'pg_index'::regclass, x.indexrelid, x.indrelid, x.xmin FROM at JOIN pg_index x ON x.indrelid = at.oid
    UNION ALL SELECT 'pg_constraint'::regclass, k.oid, k.conrelid, k.xmin FROM at JOIN pg_constraint k ON k.conrelid = at.oid
    UNION ALL SELECT 'pg_trigger'::regclass, g.oid, g.tgrelid, g.xmin FROM at JOIN pg_trigger g ON g.tgrelid = at.oid
    UNION ALL SELECT 'pg_rewrite'::regclass, r.oid, r.ev_class, r.xmin FROM at JOIN pg_rewrite r ON r.ev_class = at.oid
    UNION ALL SELECT 'pg_policy'::regclass, p.oid, p.polrelid, p.xmin FROM at JOIN pg_policy p ON p.polrelid = at.oid
    UNION ALL SELECT 'pg_statistic_ext'::regclass, s.oid, s.stxrelid, s.xmin FROM at JOIN pg_statistic_ext s ON s.stxrelid = at.oid
    UNION ALL SELECT 'pg_sequence'::regclass, s.seqrelid, owned.rel, s.xmin FROM owned JOIN pg_sequence s ON s.seqrelid = owned.seq
    UNION ALL SELECT 'pg_class'::regclass, c.oid, owned.rel, c.xmin FROM owned JOIN pg_class c ON c.oid = owned.seq),
  all_of AS (
    SELECT class::oid::text || '.' || oid AS part, rel, xmin FROM parts
    UNION ALL SELECT 'a' || a.attnum, a.attrelid, a.xmin FROM at JOIN pg_attribute a ON a.attrelid = at.oid AND a.attnum > 0
    UNION ALL SELECT 'd' || d.adnum, d.adrelid, d.xmin FROM at JOIN pg_attrdef d ON d.adrelid = at.oid
    UNION ALL SELECT 'i' || i.inhrelid || '.' || i.inhparent, at.oid, i.xmin FROM at JOIN pg_inherits i ON at.oid IN (i.inhrelid, i.inhparent)
    UNION ALL SELECT 'c' || d.classoid || '.' || d.objoid || '.' || d.objsubid, parts.rel, d.xmin FROM parts
      JOIN pg_description d ON d.classoid = parts.class AND d.objoid = parts.oid)
  SELECT a.rel, md5(string_agg(a.part || ':' || a.xmin::text, ' ' ORDER BY a.part COLLATE "C")) FROM all_of a GROUP BY a.rel
$pgsluice$`;
}

/**
 * ALTER COLUMN … TYPE and a volatile default write the table's rows into another file; so do TRUNCATE and VACUUM FULL,
 * which leave the rows of pg_attribute. A false report of a rewrite costs a copy of the table, and no value.
 */
function storedFunction({ prefix }: DdlObjects): string {
  const { stored } = objectNames(prefix);
  return `CREATE OR REPLACE FUNCTION ${stored}(rel oid) RETURNS jsonb LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $pgsluice$
  SELECT jsonb_build_object('file', c.relfilenode::int8, 'columns', (SELECT jsonb_object_agg(a.attnum, a.xmin::text)
    FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)) FROM pg_class c WHERE c.oid = rel
$pgsluice$`;
}

/**
 * For each table in memory, or for one: the user types of its columns, also under arrays, domains, ranges and
 * attributes, with a digest each.
 */
function typesFunction({ prefix }: DdlObjects): string {
  const { memory, types } = objectNames(prefix);
  return `CREATE OR REPLACE FUNCTION ${types}(only_rel oid) RETURNS TABLE (rel oid, digests jsonb) LANGUAGE sql STABLE
  SET search_path = pg_catalog, pg_temp AS $pgsluice$
  WITH RECURSIVE used AS (
    SELECT a.attrelid AS rel, a.atttypid AS oid FROM ${memory} m JOIN pg_attribute a ON a.attrelid = m.oid
    WHERE (only_rel IS NULL OR m.oid = only_rel) AND a.attnum > 0 AND a.atttypid >= 16384
    UNION SELECT used.rel, x.oid FROM used JOIN pg_type t USING (oid), LATERAL (
      SELECT t.typelem AS oid UNION ALL SELECT t.typbasetype
      UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
      UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0) x WHERE x.oid >= 16384
  ), told AS (
    SELECT t.oid, md5(concat_ws(' ', t.xmin,
      (SELECT string_agg(e.oid || ':' || e.xmin, ' ' ORDER BY e.oid) FROM pg_enum e WHERE e.enumtypid = t.oid),
      (SELECT string_agg(k.oid || ':' || k.xmin, ' ' ORDER BY k.oid) FROM pg_constraint k WHERE k.contypid = t.oid),
      (SELECT string_agg(a.attnum || ':' || a.xmin, ' ' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = t.typrelid))) AS digest
    FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE t.oid IN (SELECT oid FROM used) AND t.typtype IN ('e', 'd', 'c') AND (t.typrelid = 0 OR c.relkind = 'c'))
  SELECT m.oid, coalesce(jsonb_object_agg(told.oid, told.digest) FILTER (WHERE told.oid IS NOT NULL), '{}')
  FROM ${memory} m LEFT JOIN used ON used.rel = m.oid LEFT JOIN told ON told.oid = used.oid
  WHERE only_rel IS NULL OR m.oid = only_rel GROUP BY m.oid
$pgsluice$`;
}

function lookFunction({ pipeline, prefix, major }: DdlObjects): string {
  const { memory, describe, parts, chosen, tell, seen, stored, types, look } = objectNames(prefix);
  return `CREATE OR REPLACE FUNCTION ${look}() RETURNS void LANGUAGE plpgsql ${messageForm} AS $pgsluice$
DECLARE it record; now jsonb; file jsonb; again boolean; fresh boolean; others oid[] := '{}'; retold oid[];
BEGIN
  FOR it IN SELECT m.oid, m.shape FROM ${memory} m WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = m.oid)
    ORDER BY m.shape ->> 'kind' = 'partitioned' LOOP
    DELETE FROM ${memory} m WHERE m.oid = it.oid;
    ${emit(pipeline, `'op', 'drop', 'tag', 'DROP TABLE', 'before', it.shape`)}
  END LOOP;
  -- Before the pipeline knows of it: its first copy has this shape or a later one, which is told then.
  FOR it IN SELECT c.oid FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
      AND NOT EXISTS (SELECT FROM ${memory} m WHERE m.oid = c.oid) AND ${chosen}(c.oid) LOOP
    INSERT INTO ${memory} (oid, shape, stored, parts) SELECT it.oid, ${describe}(it.oid), ${stored}(it.oid),
      (SELECT jsonb_object_agg(p.key, p.seen) FROM ${parts}(it.oid) p) ON CONFLICT (oid) DO NOTHING;
  END LOOP;
  -- Before the tables that may use them. Those of a new table are in its copy.
  WITH otherwise AS (SELECT m.oid, m.types AS was, t.digests FROM ${types}(NULL) t JOIN ${memory} m ON m.oid = t.rel WHERE m.types IS DISTINCT FROM t.digests),
    noted AS (UPDATE ${memory} m SET types = o.digests FROM otherwise o WHERE m.oid = o.oid)
  SELECT array_agg(DISTINCT d.key::oid) INTO retold FROM otherwise o, jsonb_each_text(o.digests) d
    WHERE o.was ->> d.key IS DISTINCT FROM d.value AND o.was IS NOT NULL;
  IF retold IS NOT NULL THEN
    SELECT jsonb_agg(jsonb_build_object('kind', p.kind, 'row', p."row")) INTO now FROM (${typesSql(major, 'SELECT unnest(retold)')}) p;
    IF now IS NOT NULL THEN
      ${emit(pipeline, `'op', 'types', 'tag', 'ALTER TYPE', 'version', current_setting('server_version_num')::int, 'now', now`)}
    END IF;
  END IF;
  -- What has left its place in a tree goes first: what comes to the tree, or is changed in it, does not touch it. Names are given again by
  -- later commands, mostly.
  FOR it IN SELECT m.oid, m.shape, m.stored, m.seen FROM ${memory} m JOIN ${seen}(NULL) s ON s.rel = m.oid JOIN pg_class c ON c.oid = m.oid
      JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE m.seen IS DISTINCT FROM s.digest
    ORDER BY jsonb_typeof(m.shape -> 'parent') = 'object' AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = m.oid
        AND i.inhparent::text = m.shape #>> '{parent,oid}' AND pg_get_expr(c.relpartbound, c.oid) = m.shape ->> 'bound') DESC,
      c.relkind, EXISTS (SELECT FROM ${memory} o WHERE o.oid <> m.oid AND o.shape ->> 'schema' = n.nspname AND o.shape ->> 'name' = c.relname),
      age(c.xmin) DESC, m.oid LIMIT 300 LOOP
    BEGIN
      EXECUTE format('LOCK TABLE ONLY %s IN ACCESS SHARE MODE', it.oid::regclass);
    EXCEPTION WHEN lock_not_available OR deadlock_detected OR undefined_table OR invalid_schema_name OR syntax_error OR insufficient_privilege THEN
      -- The next look meets it.
      CONTINUE;
    END;
    now := ${describe}(it.oid);
    CONTINUE WHEN now IS NULL;
    file := ${stored}(it.oid);
    again := it.stored IS NOT NULL AND it.stored -> 'file' <> file -> 'file' AND EXISTS (SELECT FROM jsonb_each(it.stored -> 'columns') c
      WHERE c.value <> file -> 'columns' -> c.key);
    fresh := it.stored IS NOT NULL AND it.stored -> 'file' <> file -> 'file'
      AND EXISTS (SELECT FROM jsonb_object_keys(file -> 'columns') k WHERE NOT it.stored -> 'columns' ? k);
    UPDATE ${memory} m SET shape = now, stored = file, seen = (SELECT s.digest FROM ${seen}(it.oid) s) WHERE m.oid = it.oid;
    IF now IS DISTINCT FROM it.shape OR again THEN
      ${emit(pipeline, `'op', 'shape', 'tag', 'ALTER TABLE', 'before', it.shape, 'after', now, 'plain', NOT again, 'rewritten', fresh, 'retyped', again`)}
    END IF;
    others := others || it.oid;
  END LOOP;
  PERFORM ${tell}(others, 'ALTER TABLE');
END
$pgsluice$`;
}
