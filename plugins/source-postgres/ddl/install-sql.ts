import type { TablesOption } from '../../../core/api/schemas.ts';
import { partsSql, typesSql } from '../../../core/postgres/manifest/parts.ts';
import { quoteIdent, quoteLiteral } from '../../../core/postgres/quote.ts';
import { type DdlObjects, markSql, objectNames, schema } from './objects.ts';

/**
 * The statements that make a source report its DDL (manual: "Event Triggers"). Each command that changes a chosen table
 * writes a logical message in its transaction, with the table's shape before and after, so that the stream brings the
 * message in its place. The earlier shapes are kept in a table: the catalog has only the later ones. I10: no command
 * fails because of this; an error here is reported to the pipeline, which stops.
 */
export function installSql(objects: DdlObjects): string {
  return [
    ...memorySql(objects),
    ddlSql(objects),
    dropSql(objects),
    rewriteSql(objects),
    ...triggerSql(objects),
    ...knownSql(objects),
    ...markSql(objects),
  ].join(';\n');
}

/** What is known of the tables, and functions that report a difference from it. */
export function memorySql(objects: DdlObjects): readonly string[] {
  const names = objectNames(objects.prefix);
  return [
    schemaSql(objects.mark),
    `CREATE TABLE IF NOT EXISTS ${names.memory} (oid oid PRIMARY KEY, shape jsonb NOT NULL, parts jsonb)`,
    // Concurrent DDL must not wait for it.
    `DO $pgsluice$ BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = ${quoteLiteral(names.memory)}::regclass AND attname = 'parts')
       THEN ALTER TABLE ${names.memory} ADD COLUMN parts jsonb; END IF; END $pgsluice$`,
    // Shapes of an older version name their parent without its oid.
    `UPDATE ${names.memory} m SET shape = jsonb_set(m.shape, '{parent,oid}', to_jsonb(p.oid::int8))
       FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class p ON p.oid = i.inhparent JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
       WHERE i.inhrelid = m.oid AND m.shape #>> '{parent,schema}' = n.nspname AND m.shape #>> '{parent,name}' = p.relname
         AND m.shape #> '{parent,oid}' IS NULL`,
    describeSql(names.describe),
    ...partsSqlOf(objects),
    chosenSql(names.chosen, objects.tables),
  ];
}

function knownSql(objects: DdlObjects): readonly string[] {
  const names = objectNames(objects.prefix);
  return [
    `INSERT INTO ${names.memory} SELECT c.oid, ${names.describe}(c.oid) FROM pg_catalog.pg_class c
       WHERE ${names.chosen}(c.oid) AND (c.relkind = 'p' OR EXISTS (SELECT FROM pg_catalog.pg_publication_rel r
         JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
         WHERE r.prrelid = c.oid AND p.pubname = ${quoteLiteral(objects.publication)}))
       ON CONFLICT (oid) DO NOTHING`,
    `UPDATE ${names.memory} m SET parts = (SELECT jsonb_object_agg(p.key, p.seen) FROM ${names.parts}(m.oid) p) WHERE parts IS NULL`,
  ];
}

/** An existing schema keeps its owner. */
function schemaSql(mark: string): string {
  const make = `CREATE SCHEMA ${schema}; COMMENT ON SCHEMA ${schema} IS ${quoteLiteral(mark)};`;
  return `DO ${quoteLiteral(`BEGIN IF to_regnamespace('${schema}') IS NULL THEN ${make} END IF; END`)}`;
}

/** Values in messages (of columns added with a default) have the format of the stream. */
export const messageForm = `SET search_path = pg_catalog, pg_temp SET DateStyle = 'ISO, MDY' SET TimeZone = 'UTC'
  SET IntervalStyle = 'postgres' SET extra_float_digits = 3 SET bytea_output = 'hex' SET quote_all_identifiers = off`;

/** The fields of `Column` and `Relation` in core/api, and the attribute numbers that identify columns. */
function describeSql(name: string): string {
  return `CREATE OR REPLACE FUNCTION ${name}(rel oid) RETURNS jsonb LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $pgsluice$
  SELECT jsonb_build_object(
    'oid', c.oid::int8, 'schema', n.nspname, 'name', c.relname,
    'kind', CASE WHEN c.relkind = 'p' THEN 'partitioned' WHEN c.relispartition THEN 'partition' ELSE 'table' END,
    'identity', c.relreplident, 'partitionBy', pg_get_partkeydef(c.oid), 'bound', pg_get_expr(c.relpartbound, c.oid),
    'parent', (SELECT jsonb_build_object('oid', p.oid::int8, 'schema', pn.nspname, 'name', p.relname,
        'siblings', (SELECT jsonb_agg(s.inhrelid::int8) FROM (SELECT inhrelid FROM pg_inherits
          WHERE inhparent = p.oid AND inhrelid <> c.oid ORDER BY inhrelid LIMIT 20) s))
      FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
      WHERE c.relispartition AND i.inhrelid = c.oid),
    'members', CASE c.relkind WHEN 'p' THEN (SELECT count(*) FROM pg_inherits i WHERE i.inhparent = c.oid) END,
    'inherits', (SELECT jsonb_agg(jsonb_build_object('oid', p.oid::int8, 'schema', pn.nspname, 'name', p.relname) ORDER BY i.inhseqno)
      FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
      WHERE NOT c.relispartition AND i.inhrelid = c.oid),
    'primaryKey', coalesce((SELECT jsonb_agg(k.attnum ORDER BY k.o) FROM pg_index x,
        unnest(x.indkey::int2[]) WITH ORDINALITY k (attnum, o)
      WHERE x.indrelid = c.oid AND x.indisprimary AND x.indimmediate AND x.indisvalid AND k.o <= x.indnkeyatts), '[]'),
    'index', (SELECT jsonb_agg(k.attnum ORDER BY k.o) FROM pg_index x, unnest(x.indkey::int2[]) WITH ORDINALITY k (attnum, o)
      WHERE x.indrelid = c.oid AND x.indisreplident AND k.o <= x.indnkeyatts),
    'columns', coalesce((SELECT jsonb_agg(jsonb_build_object(
        'attnum', a.attnum, 'name', a.attname, 'type', a.atttypid::int8, 'typmod', a.atttypmod,
        'typeName', format_type(a.atttypid, a.atttypmod),
        'typeKind', CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'c' THEN 'composite' WHEN 'r' THEN 'range'
          WHEN 'm' THEN 'multirange' WHEN 'p' THEN 'pseudo'
          ELSE CASE WHEN t.typsubscript = 'array_subscript_handler'::regproc THEN 'array' ELSE 'base' END END,
        'baseType', (WITH RECURSIVE up AS (SELECT t.oid, t.typtype, t.typbasetype
            UNION ALL SELECT u.oid, u.typtype, u.typbasetype FROM up JOIN pg_type u ON u.oid = up.typbasetype WHERE up.typtype = 'd')
          SELECT oid::int8 FROM up WHERE typtype <> 'd'),
        'notNull', a.attnotnull,
        'generated', CASE a.attgenerated WHEN 's' THEN 'stored' WHEN 'v' THEN 'virtual' ELSE 'never' END,
        'identity', CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'default' ELSE 'never' END,
        'fallback', CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
        'missing', CASE WHEN a.atthasmissing THEN CASE t.typdelim WHEN ',' THEN (a.attmissingval::text::text[])[1]
          ELSE substr(a.attmissingval::text, 2, length(a.attmissingval::text) - 2) END END
      ) ORDER BY a.attnum) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]'))
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = rel
$pgsluice$`;
}

/**
 * `parts`: the parts of a table, each with its identity and a digest of its state. `tell`: which parts of these tables
 * are new, changed or dropped since the last report, whatever command caused it.
 */
function partsSqlOf({ pipeline, prefix, major }: DdlObjects): string[] {
  const { memory, parts, tell, describe } = objectNames(prefix);
  return [
    `CREATE OR REPLACE FUNCTION ${parts}(rel oid) RETURNS TABLE (key text, seen jsonb, kind text, "row" jsonb)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $pgsluice$
  SELECT p.kind || ' ' || p.part, jsonb_build_array(md5(p."row"::text), p.name), p.kind, p."row" FROM (${partsSql(major, 'SELECT rel')}) p
$pgsluice$`,
    `CREATE OR REPLACE FUNCTION ${tell}(rels oid[], tag text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $pgsluice$
DECLARE at oid; was jsonb; fresh jsonb; lost jsonb; seen_now jsonb; here text[]; tables jsonb := '[]'; news jsonb := '[]'; gone jsonb := '[]';
BEGIN
  FOREACH at IN ARRAY rels LOOP
    SELECT m.parts INTO was FROM ${memory} m WHERE m.oid = at;
    CONTINUE WHEN NOT FOUND;
    SELECT ARRAY[n.nspname, c.relname] INTO here FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = at;
    WITH now AS MATERIALIZED (SELECT p.key, p.seen, p.kind, p."row" FROM ${parts}(at) p),
      old AS (SELECT e.key, e.value FROM jsonb_each(coalesce(was, '{}')) e)
    SELECT (SELECT jsonb_agg(jsonb_build_object('kind', now.kind, 'row', now."row", 'was', old.value ->> 1))
        FROM now LEFT JOIN old USING (key) WHERE old.value ->> 0 IS DISTINCT FROM now.seen ->> 0),
      (SELECT jsonb_agg(jsonb_build_object('kind', split_part(old.key, ' ', 1), 'table', to_jsonb(here), 'name', old.value ->> 1))
        FROM old WHERE NOT EXISTS (SELECT FROM now WHERE now.key = old.key)),
      (SELECT jsonb_object_agg(now.key, now.seen) FROM now)
    INTO fresh, lost, seen_now;
    CONTINUE WHEN fresh IS NULL AND lost IS NULL;
    UPDATE ${memory} m SET parts = seen_now WHERE m.oid = at;
    tables := tables || jsonb_build_array(${describe}(at));
    news := news || coalesce(fresh, '[]');
    gone := gone || coalesce(lost, '[]');
  END LOOP;
  IF tables <> '[]' THEN
    ${emit(pipeline, `'op', 'parts', 'tag', tag, 'version', current_setting('server_version_num')::int, 'tables', tables, 'now', news, 'gone', gone`)}
  END IF;
END
$pgsluice$`,
  ];
}

/** The file's patterns, applied to a table and to the partitioned tables above it, as at the start. */
function chosenSql(name: string, { include, exclude }: TablesOption): string {
  const any = (patterns: readonly string[]) =>
    `EXISTS (SELECT FROM line WHERE ${patterns.length === 0 ? 'false' : patterns.map((glob) => `label ~ ${quoteLiteral(regexOf(glob))}`).join(' OR ')})`;
  return `CREATE OR REPLACE FUNCTION ${name}(rel oid) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $pgsluice$
  WITH RECURSIVE up AS (
    SELECT rel AS oid UNION ALL SELECT i.inhparent FROM up JOIN pg_class c ON c.oid = up.oid AND c.relispartition
      JOIN pg_inherits i ON i.inhrelid = up.oid
  ), line AS (SELECT n.nspname || '.' || c.relname AS label FROM up JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace)
  SELECT ${any(include ?? ['*.*'])} AND NOT ${any(exclude ?? [])} AND EXISTS (
    SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = rel AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND n.nspname !~ '^pg_'
      AND n.nspname NOT IN ('information_schema', 'pgsluice')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
        AND d.objsubid = 0 AND d.deptype = 'e'))
$pgsluice$`;
}

/** A glob of the file as a regular expression of the server: every other character matches itself. */
export function regexOf(glob: string): string {
  const whole = glob.includes('.') ? glob : `public.${glob}`;
  const body = whole
    .replace(/[\\^$.|+()[\]{}]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return `^${body}$`;
}

function trigger(name: string, body: string): string {
  return `CREATE OR REPLACE FUNCTION ${name}() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER ${messageForm} AS $pgsluice$
${body}
$pgsluice$`;
}

/** The server writes a message's bytes unchanged: as text they would have the encoding of the database. */
export const emit = (pipeline: string, fields: string): string =>
  `PERFORM pg_logical_emit_message(true, 'pgsluice', convert_to(jsonb_build_object('pipeline', ${quoteLiteral(pipeline)}, 'kind', 'ddl', ${fields})::text, 'UTF8'));`;

const guarded = (pipeline: string, body: string): string => `BEGIN
${body}
EXCEPTION WHEN OTHERS THEN
  BEGIN
    ${emit(pipeline, `'op', 'failed', 'tag', tg_tag, 'sqlstate', SQLSTATE, 'message', SQLERRM`)}
  EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'pgsluice could not tell of this command: %', SQLERRM;
  END;
END`;

/** The table that a command of pg_event_trigger_ddl_commands changed. */
const tableOfCommand = `CASE d.classid
  WHEN 'pg_class'::regclass THEN coalesce((SELECT i.indrelid FROM pg_index i WHERE i.indexrelid = d.objid),
    (SELECT o.refobjid FROM pg_class s JOIN pg_depend o ON o.classid = 'pg_class'::regclass AND o.objid = s.oid AND o.refclassid = 'pg_class'::regclass
      AND o.refobjsubid > 0 AND o.deptype IN ('a', 'i') WHERE s.oid = d.objid AND s.relkind = 'S'), d.objid)
  WHEN 'pg_trigger'::regclass THEN (SELECT g.tgrelid FROM pg_trigger g WHERE g.oid = d.objid)
  WHEN 'pg_rewrite'::regclass THEN (SELECT r.ev_class FROM pg_rewrite r WHERE r.oid = d.objid)
  WHEN 'pg_policy'::regclass THEN (SELECT p.polrelid FROM pg_policy p WHERE p.oid = d.objid)
  WHEN 'pg_constraint'::regclass THEN (SELECT k.conrelid FROM pg_constraint k WHERE k.oid = d.objid)
  WHEN 'pg_statistic_ext'::regclass THEN (SELECT s.stxrelid FROM pg_statistic_ext s WHERE s.oid = d.objid) END`;
const tableTags = ['CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'CREATE SCHEMA'];
/** Commands that change the parts of a table. */
const partTags = ['INDEX', 'TRIGGER', 'RULE', 'POLICY', 'STATISTICS', 'SEQUENCE'].flatMap((what) => [
  `CREATE ${what}`,
  `ALTER ${what}`,
]);

const typeTags = ['CREATE TYPE', 'ALTER TYPE', 'CREATE DOMAIN', 'ALTER DOMAIN'];
/** The type that such a command created or changed. */
const typeOfCommand = `CASE d.classid WHEN 'pg_type'::regclass THEN d.objid
  WHEN 'pg_class'::regclass THEN (SELECT c.reltype FROM pg_class c WHERE c.oid = d.objid AND c.relkind = 'c')
  WHEN 'pg_constraint'::regclass THEN (SELECT k.contypid FROM pg_constraint k WHERE k.oid = d.objid) END`;

const textArray = (words: readonly string[]): string => `ARRAY[${words.map(quoteLiteral).join(', ')}]`;

function ddlSql({ pipeline, publication, prefix, major }: DdlObjects): string {
  const { memory, describe, chosen, tell, functions } = objectNames(prefix);
  const body = `
  IF tg_tag = ANY (${textArray(typeTags)}) THEN
    SELECT array_agg(${typeOfCommand}) INTO types FROM pg_event_trigger_ddl_commands() d;
    SELECT jsonb_agg(jsonb_build_object('kind', p.kind, 'row', p."row")) INTO now FROM (${typesSql(major, 'SELECT unnest(types)')}) p;
    IF now IS NOT NULL THEN
      ${emit(pipeline, `'op', 'types', 'tag', tg_tag, 'version', current_setting('server_version_num')::int, 'now', now`)}
    END IF;
  END IF;
  SELECT array_agg(o.oid ORDER BY o.relkind, o.depth, o.oid) INTO rels FROM (
    WITH RECURSIVE told AS (SELECT DISTINCT ${tableOfCommand} AS oid FROM pg_event_trigger_ddl_commands() d
      UNION SELECT c.oid FROM pg_class c WHERE c.reloftype = ANY (types)),
      -- DETACH is a command on the parent: what it took out is known from before.
      at AS (SELECT oid FROM told UNION SELECT m.oid FROM told JOIN ${memory} m ON m.shape #>> '{parent,oid}' = told.oid::text),
      below AS (SELECT oid, 0 AS depth FROM at UNION SELECT i.inhrelid, depth + 1 FROM below JOIN pg_inherits i ON i.inhparent = below.oid)
    SELECT c.oid, c.relkind, max(depth) AS depth FROM below JOIN pg_class c USING (oid)
    WHERE c.relkind IN ('r', 'p') GROUP BY c.oid, c.relkind) o;
  FOREACH rel IN ARRAY coalesce(rels, '{}') LOOP
    now := ${describe}(rel);
    SELECT shape INTO before FROM ${memory} m WHERE m.oid = rel;
    IF before IS NOT NULL THEN
      retyped := coalesce(current_setting('pgsluice.retyped', true), '') LIKE '%,' || rel || ',%';
      IF before IS DISTINCT FROM now OR retyped OR coalesce(current_setting('pgsluice.rewritten', true), '') LIKE '%,' || rel || ',%' THEN
        UPDATE ${memory} m SET shape = now WHERE m.oid = rel;
        ${emit(
          pipeline,
          `'op', 'shape', 'tag', tg_tag, 'before', before, 'after', now, 'plain', said !~* '\\m(using|do|call|select|execute|perform)\\M',
          'rewritten', coalesce(current_setting('pgsluice.rewritten', true), '') LIKE '%,' || rel || ',%', 'retyped', retyped,
            'along', nullif(current_setting('pgsluice.along', true), '')::jsonb`,
        )}
      END IF;
    ELSIF tg_tag = ANY (${textArray(tableTags)}) AND ${chosen}(rel) THEN
      IF now ->> 'kind' = 'partitioned' THEN
        CONTINUE WHEN tg_tag <> 'CREATE TABLE';
        INSERT INTO ${memory} (oid, shape) VALUES (rel, now);
        ${emit(pipeline, `'op', 'create', 'tag', tg_tag, 'after', now, 'published', true`)}
        CONTINUE;
      END IF;
      EXECUTE format('SELECT EXISTS (SELECT FROM %s)', rel::regclass) INTO filled;
      keyed := (now ->> 'identity' = 'f' AND NOT now -> 'columns' @> '[{"generated":"virtual"}]') OR (now ->> 'identity' = 'd' AND jsonb_array_length(now -> 'primaryKey') > 0)
        OR (now ->> 'identity' = 'i' AND now -> 'index' IS NOT NULL AND now -> 'index' <> 'null');
      IF keyed AND NOT filled THEN
        BEGIN
          patience := current_setting('lock_timeout');
          PERFORM set_config('lock_timeout', '20ms', true);
          IF NOT EXISTS (SELECT FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
              WHERE p.pubname = ${quoteLiteral(publication)} AND r.prrelid = rel) THEN
            EXECUTE format('ALTER PUBLICATION %I ADD TABLE ONLY %s', ${quoteLiteral(publication)}, rel::regclass);
          END IF;
          PERFORM set_config('lock_timeout', patience, true);
          INSERT INTO ${memory} (oid, shape) VALUES (rel, now);
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
          -- Another session has made a table, and holds the publication until its commit. Nobody's command waits: the table is copied.
          keyed := false;
        END;
      END IF;
      ${emit(pipeline, `'op', 'create', 'tag', tg_tag, 'after', now, 'published', keyed AND NOT filled`)}
    END IF;
  END LOOP;
  PERFORM ${tell}(coalesce(rels, '{}'), tg_tag);
  PERFORM set_config('pgsluice.rewritten', '', true), set_config('pgsluice.retyped', '', true), set_config('pgsluice.along', '', true);`;
  return trigger(
    functions[0],
    `DECLARE rels oid[]; types oid[]; rel oid; now jsonb; before jsonb; filled boolean; keyed boolean; retyped boolean; patience text; said text := coalesce(current_query(), 'do');
${guarded(pipeline, body)};`,
  );
}

/**
 * Tables that the command itself alters are reported at its end, after their columns; others are reported here, as
 * their foreign keys would prevent the DROP in the target. The table of a dropped object is found by name: the object
 * is no longer in the catalog. Views and functions that were dropped along are reported with the table, as they prevent
 * its DROP in the target, too.
 */
function dropSql({ pipeline, prefix }: DdlObjects): string {
  const { memory, tell, functions } = objectNames(prefix);
  const body = `
  SELECT array_agg(DISTINCT m.oid) INTO rels FROM pg_event_trigger_dropped_objects() o JOIN ${memory} m ON CASE o.object_type
    WHEN 'index' THEN EXISTS (SELECT FROM jsonb_object_keys(m.parts) k WHERE k = 'index ' || o.objid)
    WHEN 'statistics object' THEN EXISTS (SELECT FROM jsonb_object_keys(m.parts) k WHERE k = 'statistics ' || o.objid)
    ELSE o.object_type IN ('table constraint', 'trigger', 'rule', 'policy')
      AND m.shape ->> 'schema' = o.address_names[1] AND m.shape ->> 'name' = o.address_names[2] END
    WHERE EXISTS (SELECT FROM pg_class c WHERE c.oid = m.oid) AND (tg_tag <> 'ALTER TABLE' OR m.oid NOT IN (
      WITH RECURSIVE own AS (SELECT b.oid FROM pg_event_trigger_dropped_objects() d JOIN ${memory} b
          ON b.shape ->> 'schema' = d.address_names[1] AND b.shape ->> 'name' = d.address_names[2] WHERE d.original
        UNION SELECT i.inhrelid FROM own JOIN pg_inherits i ON i.inhparent = own.oid) SELECT own.oid FROM own));
  PERFORM ${tell}(coalesce(rels, '{}'), tg_tag);
  SELECT jsonb_agg(jsonb_build_object('type', o.object_type, 'names', to_jsonb(o.address_names), 'identity', o.object_identity)) INTO along
    FROM pg_event_trigger_dropped_objects() o WHERE NOT o.original AND o.object_type IN ('view', 'materialized view', 'function', 'procedure');
  FOR gone IN SELECT m.oid, m.shape FROM pg_event_trigger_dropped_objects() o
    JOIN ${memory} m ON m.oid = o.objid WHERE o.classid = 'pg_class'::regclass AND o.objsubid = 0
    ORDER BY m.shape ->> 'kind' = 'partitioned'
  LOOP
    DELETE FROM ${memory} m WHERE m.oid = gone.oid;
    ${emit(pipeline, `'op', 'drop', 'tag', tg_tag, 'before', gone.shape, 'along', along`)}
  END LOOP;
  PERFORM set_config('pgsluice.along', CASE tg_tag WHEN 'ALTER TABLE' THEN coalesce(along::text, '') ELSE '' END, true);`;
  return trigger(functions[1], `DECLARE rels oid[]; gone record; along jsonb;\n${guarded(pipeline, body)};`);
}

/**
 * A rewrite for a volatile default (reason 2) gives rows values that only the source knows, and so may one for another
 * type (reason 4); after either, the catalog does not have the values that rows got in a new column.
 */
function rewriteSql({ pipeline, prefix }: DdlObjects): string {
  const { functions } = objectNames(prefix);
  const body = `
  FOR setting, bit IN VALUES ('pgsluice.rewritten', 2), ('pgsluice.retyped', 4) LOOP
    CONTINUE WHEN pg_event_trigger_table_rewrite_reason() & bit = 0;
    PERFORM set_config(setting, coalesce(nullif(current_setting(setting, true), ''), ',')
      || pg_event_trigger_table_rewrite_oid() || ',', true);
  END LOOP;`;
  return trigger(functions[2], `DECLARE setting text; bit int;\n${guarded(pipeline, body)};`);
}

function triggerSql({ prefix }: DdlObjects): string[] {
  const { functions, triggers } = objectNames(prefix);
  const tags = `WHEN TAG IN (${[...tableTags, ...partTags, ...typeTags, 'COMMENT'].map(quoteLiteral).join(', ')})`;
  const events = [`ddl_command_end ${tags}`, 'sql_drop', 'table_rewrite'];
  return events.flatMap((event, i) => {
    const name = quoteIdent(triggers[i]!);
    return [
      `DROP EVENT TRIGGER IF EXISTS ${name}`,
      `CREATE EVENT TRIGGER ${name} ON ${event} EXECUTE FUNCTION ${functions[i]}()`,
      // Also in sessions that replay changes of others.
      `ALTER EVENT TRIGGER ${name} ENABLE ALWAYS`,
    ];
  });
}
