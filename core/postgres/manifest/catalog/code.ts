import { type KindQuery, functionName, nameOf, notOfExtension } from './kind-query.ts';

/** Functions and objects made of them. */
export function codeQueries(major: number): readonly KindQuery[] {
  return [functions, aggregates, operators, operatorClasses, operatorFamilies, casts, collations(major), ...others];
}

const functions: KindQuery = {
  kind: 'function',
  catalog: 'pg_proc',
  acl: 'f',
  sql: `SELECT p.oid, n.nspname AS n1, p.proname AS n2, oidvectortypes(p.proargtypes) AS n3, CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END AS _kind,
    pg_get_userbyid(p.proowner) AS owner, p.proacl AS acl, pg_get_functiondef(p.oid) AS definition, pg_get_function_result(p.oid) AS result,
    pg_get_function_arguments(p.oid) AS arguments
    FROM pg_proc p JOIN n ON n.oid = p.pronamespace WHERE p.prokind <> 'a' AND ${notOfExtension('pg_proc', 'p.oid')}
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i')`,
};

const aggregates: KindQuery = {
  kind: 'aggregate',
  catalog: 'pg_proc',
  acl: 'f',
  sql: `SELECT p.oid, n.nspname AS n1, p.proname AS n2, oidvectortypes(p.proargtypes) AS n3, pg_get_userbyid(p.proowner) AS owner, p.proacl AS acl,
    pg_get_function_arguments(p.oid) AS arguments, pg_get_function_identity_arguments(p.oid) AS _signature, a.aggkind AS kind, a.aggnumdirectargs AS "direct arguments",
    ${functionName('a.aggtransfn::oid')} AS sfunc, format_type(a.aggtranstype, NULL) AS stype, nullif(a.aggtransspace, 0) AS sspace,
    ${functionName('a.aggfinalfn::oid')} AS finalfunc, a.aggfinalextra AS finalfunc_extra, a.aggfinalmodify AS finalfunc_modify,
    ${functionName('a.aggcombinefn::oid')} AS combinefunc, ${functionName('a.aggserialfn::oid')} AS serialfunc, ${functionName('a.aggdeserialfn::oid')} AS deserialfunc,
    a.agginitval AS initcond, ${functionName('a.aggmtransfn::oid')} AS msfunc, ${functionName('a.aggminvtransfn::oid')} AS minvfunc,
    CASE WHEN a.aggmtranstype <> 0 THEN format_type(a.aggmtranstype, NULL) END AS mstype, nullif(a.aggmtransspace, 0) AS msspace,
    ${functionName('a.aggmfinalfn::oid')} AS mfinalfunc, a.aggmfinalextra AS mfinalfunc_extra, a.aggmfinalmodify AS mfinalfunc_modify, a.aggminitval AS minitcond,
    CASE WHEN a.aggsortop <> 0 THEN ${nameOf('pg_operator', 'opr', 'a.aggsortop')} END AS sortop, nullif(p.proparallel, 'u') AS parallel
    FROM pg_proc p JOIN n ON n.oid = p.pronamespace JOIN pg_aggregate a ON a.aggfnoid = p.oid WHERE ${notOfExtension('pg_proc', 'p.oid')}`,
};

const operators: KindQuery = {
  kind: 'operator',
  catalog: 'pg_operator',
  sql: `SELECT o.oid, n.nspname AS n1, o.oprname AS n2,
    concat_ws(',', CASE WHEN o.oprleft = 0 THEN 'NONE' ELSE format_type(o.oprleft, NULL) END, CASE WHEN o.oprright = 0 THEN 'NONE' ELSE format_type(o.oprright, NULL) END) AS n3,
    pg_get_userbyid(o.oprowner) AS owner, CASE WHEN o.oprleft <> 0 THEN format_type(o.oprleft, NULL) END AS leftarg,
    CASE WHEN o.oprright <> 0 THEN format_type(o.oprright, NULL) END AS rightarg, ${functionName('o.oprcode::oid')} AS function,
    ${nameOf('pg_operator', 'opr', 'o.oprcom')} AS commutator, ${nameOf('pg_operator', 'opr', 'o.oprnegate')} AS negator,
    ${functionName('o.oprrest::oid')} AS restrict, ${functionName('o.oprjoin::oid')} AS join, o.oprcanhash AS hashes, o.oprcanmerge AS merges
    FROM pg_operator o JOIN n ON n.oid = o.oprnamespace WHERE o.oprcode <> 0 AND ${notOfExtension('pg_operator', 'o.oid')}`,
};

/** Members that belong to the class itself, or (for a family) loosely to the family. */
const members = (catalog: 'pg_opclass' | 'pg_opfamily', oid: string): string => {
  const of = (members: string, member: string): string =>
    `EXISTS (SELECT FROM pg_depend d WHERE d.classid = '${members}'::regclass AND d.objid = ${member} AND d.refclassid = '${catalog}'::regclass AND d.refobjid = ${oid})`;
  return `(SELECT json_agg(m ORDER BY m) FROM (
      SELECT 'OPERATOR ' || o.amopstrategy || ' ' || quote_ident(xn.nspname) || '.' || x.oprname
        || '(' || format_type(o.amoplefttype, NULL) || ', ' || format_type(o.amoprighttype, NULL) || ')'
        || coalesce((SELECT ' FOR ORDER BY ' || quote_ident(sn.nspname) || '.' || quote_ident(sf.opfname) FROM pg_opfamily sf
             JOIN pg_namespace sn ON sn.oid = sf.opfnamespace WHERE sf.oid = o.amopsortfamily), '') AS m
      FROM pg_amop o JOIN pg_operator x ON x.oid = o.amopopr JOIN pg_namespace xn ON xn.oid = x.oprnamespace WHERE ${of('pg_amop', 'o.oid')}
      UNION ALL SELECT 'FUNCTION ' || o.amprocnum || ' (' || format_type(o.amproclefttype, NULL) || ', ' || format_type(o.amprocrighttype, NULL) || ') '
        || o.amproc::oid::regprocedure::text
      FROM pg_amproc o WHERE ${of('pg_amproc', 'o.oid')}) q)::text`;
};

const operatorClasses: KindQuery = {
  kind: 'operator class',
  catalog: 'pg_opclass',
  sql: `SELECT k.oid, n.nspname AS n1, k.opcname AS n2, am.amname AS n3, pg_get_userbyid(k.opcowner) AS owner, k.opcdefault AS "default",
    format_type(k.opcintype, NULL) AS type, ${nameOf('pg_opfamily', 'opf', 'k.opcfamily')} AS family,
    CASE WHEN k.opckeytype <> 0 THEN format_type(k.opckeytype, NULL) END AS storage, ${members('pg_opclass', 'k.oid')} AS members
    FROM pg_opclass k JOIN n ON n.oid = k.opcnamespace JOIN pg_am am ON am.oid = k.opcmethod WHERE ${notOfExtension('pg_opclass', 'k.oid')}`,
};

const operatorFamilies: KindQuery = {
  kind: 'operator family',
  catalog: 'pg_opfamily',
  sql: `SELECT f.oid, n.nspname AS n1, f.opfname AS n2, am.amname AS n3, pg_get_userbyid(f.opfowner) AS owner, ${members('pg_opfamily', 'f.oid')} AS members
    FROM pg_opfamily f JOIN n ON n.oid = f.opfnamespace JOIN pg_am am ON am.oid = f.opfmethod WHERE ${notOfExtension('pg_opfamily', 'f.oid')}`,
};

const casts: KindQuery = {
  kind: 'cast',
  catalog: 'pg_cast',
  sql: `SELECT k.oid, format_type(k.castsource, NULL) AS n1, format_type(k.casttarget, NULL) AS n2, k.castcontext AS context, k.castmethod AS method,
    CASE WHEN k.castfunc <> 0 THEN k.castfunc::regprocedure::text END AS function FROM pg_cast k WHERE k.oid >= 16384 AND ${notOfExtension('pg_cast', 'k.oid')}
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_cast'::regclass AND d.objid = k.oid AND d.deptype = 'i')`,
};

const collations = (major: number): KindQuery => ({
  kind: 'collation',
  catalog: 'pg_collation',
  sql: `SELECT k.oid, n.nspname AS n1, k.collname AS n2, pg_get_userbyid(k.collowner) AS owner, k.collprovider AS provider, k.collisdeterministic AS deterministic,
    ${major >= 17 ? 'coalesce(k.colllocale, k.collcollate)' : major >= 15 ? 'coalesce(k.colliculocale, k.collcollate)' : 'k.collcollate'} AS locale,
    CASE WHEN k.collprovider = 'c' THEN k.collctype END AS ctype
    ${major >= 16 ? ', k.collicurules AS rules' : ''}
    FROM pg_collation k JOIN n ON n.oid = k.collnamespace WHERE ${notOfExtension('pg_collation', 'k.oid')}`,
});

const others: readonly KindQuery[] = [
  {
    kind: 'conversion',
    catalog: 'pg_conversion',
    sql: `SELECT k.oid, n.nspname AS n1, k.conname AS n2, pg_get_userbyid(k.conowner) AS owner, pg_encoding_to_char(k.conforencoding) AS "from",
      pg_encoding_to_char(k.contoencoding) AS "to", ${functionName('k.conproc::oid')} AS function, k.condefault AS "default"
      FROM pg_conversion k JOIN n ON n.oid = k.connamespace WHERE ${notOfExtension('pg_conversion', 'k.oid')}`,
  },
  {
    kind: 'language',
    catalog: 'pg_language',
    acl: 'l',
    sql: `SELECT l.oid, l.lanname AS n1, pg_get_userbyid(l.lanowner) AS owner, l.lanacl AS acl, l.lanpltrusted AS trusted, ${functionName('l.lanplcallfoid')} AS handler,
      ${functionName('l.laninline')} AS inline, ${functionName('l.lanvalidator')} AS validator
      FROM pg_language l WHERE l.oid >= 16384 AND ${notOfExtension('pg_language', 'l.oid')}`,
  },
  {
    kind: 'transform',
    catalog: 'pg_transform',
    sql: `SELECT t.oid, format_type(t.trftype, NULL) AS n1, l.lanname AS n2, CASE WHEN t.trffromsql <> 0 THEN t.trffromsql::regprocedure::text END AS "from sql",
      CASE WHEN t.trftosql <> 0 THEN t.trftosql::regprocedure::text END AS "to sql"
      FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang WHERE ${notOfExtension('pg_transform', 't.oid')}`,
  },
  {
    kind: 'access method',
    catalog: 'pg_am',
    sql: `SELECT a.oid, a.amname AS n1, a.amtype AS type, ${functionName('a.amhandler::oid')} AS handler FROM pg_am a WHERE a.oid >= 16384 AND ${notOfExtension('pg_am', 'a.oid')}`,
  },
  {
    kind: 'event trigger',
    catalog: 'pg_event_trigger',
    sql: `SELECT e.oid, e.evtname AS n1, pg_get_userbyid(e.evtowner) AS owner, e.evtevent AS event, e.evtfoid::regproc::text AS function, e.evtenabled AS enabled,
      array_to_json(e.evttags)::text AS tags FROM pg_event_trigger e WHERE ${notOfExtension('pg_event_trigger', 'e.oid')}`,
  },
];
