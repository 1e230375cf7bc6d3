import { type KindQuery, notOfExtension, sortedList } from './kind-query.ts';

/** Parts of a relation: constraints, indexes, triggers, rules, policies, statistics. */
export const tablePartQueries: readonly KindQuery[] = [
  {
    kind: 'constraint',
    catalog: 'pg_constraint',
    // A foreign key of a partition is created with its parent's, which is compared instead.
    sql: `SELECT k.oid, c.nspname AS n1, c.relname AS n2, k.conname AS n3, k.contype AS _type,
      regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', '') AS definition, k.convalidated AS valid,
      (SELECT json_build_array(rn.nspname, r.relname) FROM pg_class r JOIN pg_namespace rn ON rn.oid = r.relnamespace WHERE r.oid = k.confrelid)::text AS _references,
      CASE WHEN NOT c.relispartition THEN k.conislocal END AS _local, k.coninhcount > 0 AS _inherited, c.relispartition AS _partition, c.relkind AS _relkind
      FROM rel c JOIN pg_constraint k ON k.conrelid = c.oid
      WHERE k.contype IN ('c', 'p', 'u', 'x') OR (k.contype = 'f' AND k.conparentid = 0)`,
  },
  {
    kind: 'index',
    catalog: 'pg_class',
    sql: `SELECT ic.oid, c.nspname AS n1, ic.relname AS n2, regexp_replace(def.sql, ' WITH \\(([^()]*)\\)( WHERE .*)?$', '\\2') AS definition, def.sql AS _create,
      json_build_array(c.nspname, c.relname)::text AS "table", ${sortedList('ic.reloptions')} AS options, i.indisvalid AS valid, i.indisclustered AS clustered, i.indisreplident AS _replident,
      k.conname AS "constraint", (SELECT json_build_array(pn.nspname, p.relname) FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhparent
        JOIN pg_namespace pn ON pn.oid = p.relnamespace WHERE h.inhrelid = ic.oid)::text AS parent,
      (SELECT json_agg(json_build_array(a.attnum, a.attstattarget) ORDER BY a.attnum) FROM pg_attribute a
        WHERE a.attrelid = ic.oid AND a.attstattarget >= 0)::text AS "statistics targets", c.relkind AS _relkind
      FROM rel c JOIN pg_index i ON i.indrelid = c.oid JOIN pg_class ic ON ic.oid = i.indexrelid CROSS JOIN LATERAL (SELECT pg_get_indexdef(ic.oid) AS sql OFFSET 0) def
        LEFT JOIN pg_constraint k ON k.conindid = ic.oid AND k.conrelid = c.oid AND k.contype IN ('p', 'u', 'x')`,
  },
  {
    kind: 'trigger',
    catalog: 'pg_trigger',
    // Triggers of partitions come with those of their parents.
    sql: `SELECT g.oid, c.nspname AS n1, c.relname AS n2, g.tgname AS n3, pg_get_triggerdef(g.oid) AS definition, g.tgenabled AS enabled, c.relkind AS _relkind
      FROM rel c JOIN pg_trigger g ON g.tgrelid = c.oid WHERE NOT g.tgisinternal AND g.tgparentid = 0
        AND NOT EXISTS (SELECT FROM pg_proc f WHERE f.oid = g.tgfoid AND f.pronamespace = to_regnamespace('pgsluice'))
        AND ${notOfExtension('pg_trigger', 'g.oid')}`,
  },
  {
    kind: 'rule',
    catalog: 'pg_rewrite',
    sql: `SELECT r.oid, c.nspname AS n1, c.relname AS n2, r.rulename AS n3, pg_get_ruledef(r.oid) AS definition, r.ev_enabled AS enabled, c.relkind AS _relkind
      FROM rel c JOIN pg_rewrite r ON r.ev_class = c.oid WHERE r.rulename <> '_RETURN'`,
  },
  {
    kind: 'policy',
    catalog: 'pg_policy',
    sql: `SELECT p.oid, c.nspname AS n1, c.relname AS n2, p.polname AS n3, p.polcmd AS command, p.polpermissive AS permissive,
      (SELECT json_agg(CASE WHEN r = 0 THEN '' ELSE pg_get_userbyid(r) END ORDER BY CASE WHEN r = 0 THEN '' ELSE pg_get_userbyid(r) END) FROM unnest(p.polroles) AS r)::text AS roles,
      pg_get_expr(p.polqual, p.polrelid) AS using, pg_get_expr(p.polwithcheck, p.polrelid) AS "with check"
      FROM rel c JOIN pg_policy p ON p.polrelid = c.oid`,
  },
  {
    kind: 'statistics',
    catalog: 'pg_statistic_ext',
    sql: `SELECT s.oid, n.nspname AS n1, s.stxname AS n2, pg_get_userbyid(s.stxowner) AS owner, pg_get_statisticsobjdef(s.oid) AS definition,
      nullif(s.stxstattarget, -1) AS target, json_build_array(c.nspname, c.relname)::text AS "table"
      FROM pg_statistic_ext s JOIN n ON n.oid = s.stxnamespace JOIN rel c ON c.oid = s.stxrelid`,
  },
];
