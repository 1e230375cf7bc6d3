import { type KindQuery, functionName, nameOf, notOfExtension } from './kind-query.ts';

/** Text search. */
export const searchQueries: readonly KindQuery[] = [
  {
    kind: 'text search parser',
    catalog: 'pg_ts_parser',
    sql: `SELECT p.oid, n.nspname AS n1, p.prsname AS n2, ${functionName('p.prsstart::oid')} AS start, ${functionName('p.prstoken::oid')} AS gettoken,
      ${functionName('p.prsend::oid')} AS "end", ${functionName('p.prslextype::oid')} AS lextypes, ${functionName('p.prsheadline::oid')} AS headline
      FROM pg_ts_parser p JOIN n ON n.oid = p.prsnamespace WHERE ${notOfExtension('pg_ts_parser', 'p.oid')}`,
  },
  {
    kind: 'text search template',
    catalog: 'pg_ts_template',
    sql: `SELECT t.oid, n.nspname AS n1, t.tmplname AS n2, ${functionName('t.tmplinit::oid')} AS init, ${functionName('t.tmpllexize::oid')} AS lexize
      FROM pg_ts_template t JOIN n ON n.oid = t.tmplnamespace WHERE ${notOfExtension('pg_ts_template', 't.oid')}`,
  },
  {
    kind: 'text search dictionary',
    catalog: 'pg_ts_dict',
    sql: `SELECT d.oid, n.nspname AS n1, d.dictname AS n2, pg_get_userbyid(d.dictowner) AS owner, ${nameOf('pg_ts_template', 'tmpl', 'd.dicttemplate')} AS template,
      d.dictinitoption AS options FROM pg_ts_dict d JOIN n ON n.oid = d.dictnamespace WHERE ${notOfExtension('pg_ts_dict', 'd.oid')}`,
  },
  {
    kind: 'text search configuration',
    catalog: 'pg_ts_config',
    sql: `SELECT c.oid, n.nspname AS n1, c.cfgname AS n2, pg_get_userbyid(c.cfgowner) AS owner, ${nameOf('pg_ts_parser', 'prs', 'c.cfgparser')} AS parser,
      (SELECT json_agg(json_build_array(q.alias, q.dictionaries) ORDER BY q.alias) FROM (
        SELECT (SELECT tt.alias FROM ts_token_type(c.cfgparser) tt WHERE tt.tokid = m.maptokentype) AS alias,
          json_agg(json_build_array(dn.nspname, d.dictname) ORDER BY m.mapseqno) AS dictionaries
        FROM pg_ts_config_map m JOIN pg_ts_dict d ON d.oid = m.mapdict JOIN pg_namespace dn ON dn.oid = d.dictnamespace
        WHERE m.mapcfg = c.oid GROUP BY m.maptokentype) q)::text AS mappings
      FROM pg_ts_config c JOIN n ON n.oid = c.cfgnamespace WHERE ${notOfExtension('pg_ts_config', 'c.oid')}`,
  },
];
