import { type KindQuery, notOfExtension, sortedList } from './kind-query.ts';

/** What belongs to the database as a whole. */
export function databaseQueries(major: number): readonly KindQuery[] {
  return [...database, ...foreign, publications(major), subscriptions(major)];
}

const database: readonly KindQuery[] = [
  {
    kind: 'database',
    catalog: 'pg_database',
    acl: 'd',
    // Read-only by default is a way to fence a source off, and is not carried over.
    sql: `SELECT d.oid, 'database' AS n1, d.datname AS _name, pg_get_userbyid(d.datdba) AS _owner, d.datacl AS acl,
      (SELECT json_agg(o ORDER BY o)::text FROM pg_db_role_setting s, unnest(s.setconfig) AS o
        WHERE s.setdatabase = d.oid AND s.setrole = 0 AND o !~ '^default_transaction_read_only=') AS settings
      FROM pg_database d WHERE d.datname = current_database()`,
  },
  {
    kind: 'role settings',
    catalog: 'pg_db_role_setting',
    sql: `SELECT s.setrole AS oid, pg_get_userbyid(s.setrole) AS n1, ${sortedList('s.setconfig')} AS settings, current_database() AS _database
      FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database() AND s.setrole <> 0`,
  },
  {
    kind: 'schema',
    catalog: 'pg_namespace',
    acl: 'n',
    // The owner of schema public is the server's default until it is changed.
    sql: `SELECT n.oid, n.nspname AS n1, CASE WHEN s.nspname = 'public' AND s.nspowner IN (10, 6171) THEN NULL ELSE pg_get_userbyid(s.nspowner) END AS owner,
      pg_get_userbyid(s.nspowner) AS _owner,
      s.nspacl AS acl
      FROM n JOIN pg_namespace s ON s.oid = n.oid WHERE ${notOfExtension('pg_namespace', 'n.oid')}`,
  },
  {
    kind: 'extension',
    catalog: 'pg_extension',
    sql: `SELECT e.oid, e.extname AS n1, s.nspname AS schema, e.extversion AS version,
      (SELECT json_agg(k::regclass::text ORDER BY k::regclass::text) FROM unnest(e.extconfig) AS k)::text AS _configuration,
      (SELECT a.comment FROM pg_available_extensions a WHERE a.name = e.extname) AS _comment
      FROM pg_extension e JOIN pg_namespace s ON s.oid = e.extnamespace`,
  },
  {
    kind: 'default privileges',
    catalog: 'pg_default_acl',
    sql: `SELECT d.oid, pg_get_userbyid(d.defaclrole) AS n1, coalesce(s.nspname, '') AS n2, d.defaclobjtype AS n3, d.defaclacl AS _acl
      FROM pg_default_acl d LEFT JOIN pg_namespace s ON s.oid = d.defaclnamespace`,
  },
  {
    kind: 'large objects',
    catalog: 'pg_largeobject_metadata',
    sql: `SELECT 0 AS oid, 'large objects' AS n1, count(*) AS count,
      coalesce(sum(hashtextextended(concat_ws(',', m.oid, pg_get_userbyid(m.lomowner), m.lomacl::text), 0)), 0) AS "owners and grants" FROM pg_largeobject_metadata m`,
  },
];

const foreign: readonly KindQuery[] = [
  {
    kind: 'foreign data wrapper',
    catalog: 'pg_foreign_data_wrapper',
    acl: 'F',
    sql: `SELECT w.oid, w.fdwname AS n1, pg_get_userbyid(w.fdwowner) AS owner, w.fdwacl AS acl, CASE WHEN w.fdwhandler <> 0 THEN w.fdwhandler::regproc::text END AS handler,
      CASE WHEN w.fdwvalidator <> 0 THEN w.fdwvalidator::regproc::text END AS validator, ${sortedList('w.fdwoptions')} AS "foreign options"
      FROM pg_foreign_data_wrapper w WHERE ${notOfExtension('pg_foreign_data_wrapper', 'w.oid')}`,
  },
  {
    kind: 'foreign server',
    catalog: 'pg_foreign_server',
    acl: 'S',
    sql: `SELECT s.oid, s.srvname AS n1, pg_get_userbyid(s.srvowner) AS owner, s.srvacl AS acl, w.fdwname AS wrapper, s.srvtype AS type, s.srvversion AS version,
      ${sortedList('s.srvoptions')} AS "foreign options" FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
      WHERE ${notOfExtension('pg_foreign_server', 's.oid')}`,
  },
  {
    kind: 'user mapping',
    catalog: 'pg_user_mapping',
    // Options are visible only to roles that may use them; options that we cannot see are not compared.
    sql: `SELECT u.umid AS oid, u.srvname AS n1, coalesce(u.usename, 'public') AS n2,
      (SELECT json_agg(regexp_replace(o, '^(password=).*', '\\1…') ORDER BY o) FROM unnest(u.umoptions) AS o)::text AS "_options",
      CASE WHEN u.umoptions IS NOT NULL THEN md5((SELECT json_agg(o ORDER BY o) FROM unnest(u.umoptions) AS o)::text) END AS "_digest"
      FROM pg_user_mappings u`,
  },
];

const publications = (major: number): KindQuery => ({
  kind: 'publication',
  catalog: 'pg_publication',
  sql: `SELECT p.oid, p.pubname AS n1, pg_get_userbyid(p.pubowner) AS owner, p.puballtables AS "all tables", ${
    major >= 19
      ? `CASE WHEN p.puballsequences THEN 't' END AS "all sequences", (SELECT json_agg(json_build_array(tn.nspname, t.relname) ORDER BY tn.nspname, t.relname) FROM pg_publication_rel r
          JOIN pg_class t ON t.oid = r.prrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace WHERE r.prpubid = p.oid AND r.prexcept)::text AS "except",`
      : ''
  } p.pubviaroot AS "via root",
    concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END, CASE WHEN p.pubdelete THEN 'delete' END,
      CASE WHEN p.pubtruncate THEN 'truncate' END) AS publish,
    ${major >= 18 ? `CASE p.pubgencols WHEN 's' THEN 'stored' END AS "generated columns",` : ''}
    (SELECT json_agg(json_build_array(tn.nspname, t.relname, ${
      major >= 15
        ? `(SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = ANY(r.prattrs)), pg_get_expr(r.prqual, r.prrelid)`
        : 'NULL::text, NULL::text'
    }) ORDER BY tn.nspname, t.relname)
      FROM pg_publication_rel r JOIN pg_class t ON t.oid = r.prrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace WHERE r.prpubid = p.oid ${major >= 19 ? 'AND NOT r.prexcept' : ''})::text AS tables
    ${major >= 15 ? ', (SELECT json_agg(s.nspname ORDER BY s.nspname) FROM pg_publication_namespace r JOIN pg_namespace s ON s.oid = r.pnnspid WHERE r.pnpubid = p.oid)::text AS schemas' : ''}
    FROM pg_publication p WHERE ${notOfExtension('pg_publication', 'p.oid')}`,
});

const subscriptions = (major: number): KindQuery => ({
  kind: 'subscription',
  catalog: 'pg_subscription',
  sql: `SELECT s.oid, s.subname AS n1, pg_get_userbyid(s.subowner) AS owner, s.subenabled AS _enabled, s.subslotname AS _slot,
    array_to_json(s.subpublications)::text AS publications, s.subbinary AS binary ${major >= 16 ? ', s.suborigin AS origin' : ''}
    FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database()`,
});
