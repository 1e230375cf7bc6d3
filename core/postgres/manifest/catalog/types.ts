import { type KindQuery, functionName, nameOf, notOfExtension } from './kind-query.ts';

const base = `t.oid, n.nspname AS n1, t.typname AS n2, pg_get_userbyid(t.typowner) AS owner, t.typacl AS acl`;
const from = `FROM pg_type t JOIN n ON n.oid = t.typnamespace`;
const own = notOfExtension('pg_type', 't.oid');

/** Types that are not the row type of a table; attributes of composite types are read with the columns. */
export const typeQueries: readonly KindQuery[] = [
  {
    kind: 'enum',
    catalog: 'pg_type',
    acl: 'T',
    sql: `SELECT ${base}, (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid)::text AS labels
      ${from} WHERE t.typtype = 'e' AND ${own}`,
  },
  {
    kind: 'composite type',
    catalog: 'pg_type',
    acl: 'T',
    sql: `SELECT ${base} ${from} JOIN pg_class c ON c.oid = t.typrelid WHERE t.typtype = 'c' AND c.relkind = 'c' AND ${own}`,
  },
  {
    kind: 'domain',
    catalog: 'pg_type',
    acl: 'T',
    sql: `SELECT ${base}, format_type(t.typbasetype, t.typtypmod) AS type, t.typnotnull AS "not null", t.typdefault AS "default",
      CASE WHEN t.typcollation <> b.typcollation THEN ${nameOf('pg_collation', 'coll', 't.typcollation')} END AS collation
      ${from} JOIN pg_type b ON b.oid = t.typbasetype WHERE t.typtype = 'd' AND ${own}`,
  },
  {
    kind: 'domain constraint',
    catalog: 'pg_constraint',
    sql: `SELECT k.oid, n.nspname AS n1, t.typname AS n2, k.conname AS n3, regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', '') AS definition,
      k.convalidated AS valid ${from} JOIN pg_constraint k ON k.contypid = t.oid WHERE k.contype = 'c' AND ${own}`,
  },
  {
    kind: 'range type',
    catalog: 'pg_type',
    acl: 'T',
    sql: `SELECT ${base}, format_type(r.rngsubtype, NULL) AS subtype, ${nameOf('pg_opclass', 'opc', 'r.rngsubopc')} AS "operator class",
      ${nameOf('pg_collation', 'coll', 'nullif(r.rngcollation, s.typcollation)')} AS collation,
      ${functionName('r.rngcanonical::oid')} AS canonical, ${functionName('r.rngsubdiff::oid')} AS difference,
      ${nameOf('pg_type', 'typ', 'r.rngmultitypid')} AS multirange
      ${from} JOIN pg_range r ON r.rngtypid = t.oid JOIN pg_type s ON s.oid = r.rngsubtype WHERE t.typtype = 'r' AND ${own}`,
  },
  {
    kind: 'base type',
    catalog: 'pg_type',
    acl: 'T',
    sql: `SELECT ${base}, t.typisdefined AS defined, ${functionName('t.typinput::oid')} AS input, ${functionName('t.typoutput::oid')} AS output,
      ${functionName('t.typreceive::oid')} AS receive, ${functionName('t.typsend::oid')} AS send, ${functionName('t.typmodin::oid')} AS typmod_in,
      ${functionName('t.typmodout::oid')} AS typmod_out, ${functionName('t.typanalyze::oid')} AS analyze, ${functionName('t.typsubscript::oid')} AS subscript,
      t.typlen AS internallength, t.typbyval AS passedbyvalue, t.typalign AS alignment, t.typstorage AS storage, t.typcategory AS category,
      t.typispreferred AS preferred, t.typdefault AS "default", CASE WHEN t.typelem <> 0 THEN format_type(t.typelem, NULL) END AS element,
      t.typdelim AS delimiter, t.typcollation <> 0 AS collatable
      ${from} WHERE t.typtype IN ('b', 'p') AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid) AND ${own}`,
  },
];
