import type pg from 'pg';
import type { Dependent, LeftOut } from '../../../core/api/source-database.ts';

/**
 * Objects that prevent a DROP with RESTRICT (manual: pg_depend, deptype n), on the target likewise, as its schema is
 * the same: views (readers of views first), policies, triggers, generated columns, and foreign keys of tables that
 * stay. A column that only gets another type keeps its foreign keys.
 */
const query = `
WITH going AS (
  SELECT c.oid, g.schema || '.' || g.name || coalesce('.' || col.name, '') AS label, coalesce(a.attnum, 0) AS attnum
  FROM jsonb_to_recordset($1::jsonb) g (schema text, name text, columns jsonb)
  JOIN pg_namespace n ON n.nspname = g.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = g.name
  LEFT JOIN LATERAL jsonb_array_elements_text(g.columns) col (name) ON g.columns IS NOT NULL
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = col.name
), direct AS (
  SELECT DISTINCT ON (d.classid, d.objid, d.objsubid) d.classid, d.objid, d.objsubid, g.label, g.oid AS of
  FROM going g JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = g.oid
    AND (g.attnum = 0 OR d.refobjsubid = g.attnum) AND d.deptype = 'n'
  -- What goes with its column without a word, such as a check.
  WHERE NOT EXISTS (SELECT FROM pg_depend w WHERE w.classid = d.classid AND w.objid = d.objid AND w.objsubid = d.objsubid
    AND w.refclassid = d.refclassid AND w.refobjid = d.refobjid AND w.refobjsubid = d.refobjsubid AND w.deptype IN ('a', 'i'))
), named AS (
  SELECT label, CASE
    WHEN classid = 'pg_rewrite'::regclass THEN (SELECT pg_describe_object('pg_class'::regclass, ev_class, 0) FROM pg_rewrite r WHERE r.oid = objid)
    WHEN classid = 'pg_attrdef'::regclass THEN (SELECT pg_describe_object('pg_class'::regclass, adrelid, adnum) FROM pg_attrdef f WHERE f.oid = objid)
    ELSE pg_describe_object(classid, objid, objsubid) END AS object,
    CASE
    WHEN classid = 'pg_rewrite'::regclass THEN (SELECT ev_class FROM pg_rewrite r WHERE r.oid = objid)
    WHEN classid = 'pg_attrdef'::regclass THEN (SELECT adrelid FROM pg_attrdef f WHERE f.oid = objid)
    WHEN classid = 'pg_constraint'::regclass THEN (SELECT conrelid FROM pg_constraint k WHERE k.oid = objid)
    WHEN classid = 'pg_policy'::regclass THEN (SELECT polrelid FROM pg_policy p WHERE p.oid = objid)
    WHEN classid = 'pg_trigger'::regclass THEN (SELECT tgrelid FROM pg_trigger t WHERE t.oid = objid)
    END AS owner,
    CASE WHEN classid = 'pg_attrdef'::regclass THEN (SELECT adnum FROM pg_attrdef f WHERE f.oid = objid) END AS attnum,
    of, classid = 'pg_class'::regclass AS partition
  FROM direct WHERE classid <> 'pg_publication_rel'::regclass
  UNION ALL
  SELECT g.label, pg_describe_object('pg_constraint'::regclass, k.oid, 0), k.conrelid, NULL, g.oid, false
  FROM going g JOIN pg_constraint k ON k.contype = 'f' AND k.confrelid = g.oid AND (g.attnum = 0 OR g.attnum = ANY (k.confkey))
    AND k.conparentid = 0
)
SELECT DISTINCT object, label FROM named
WHERE NOT partition AND object IS NOT NULL
  AND NOT EXISTS (SELECT FROM going g WHERE g.oid = named.owner AND (g.attnum = 0 OR g.attnum = named.attnum))
ORDER BY label, object`;

export async function readDependents(client: pg.Client, going: readonly LeftOut[]): Promise<readonly Dependent[]> {
  if (going.length === 0) return [];
  const { rows } = await client.query<{ object: string; label: string }>(query, [JSON.stringify(going)]);
  return rows.map(({ object, label }) => ({ object, needs: label }));
}
