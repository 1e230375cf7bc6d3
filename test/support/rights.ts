import type { TestDatabase } from './servers.ts';

/**
 * Who owns what and who may do what, one line each, by the server's own catalogs: relations, columns, functions, types, schemas,
 * default privileges, policies, user mappings, the database. Rights that only the owner has by default are in it, too.
 */
export async function rightsOf(db: TestDatabase): Promise<string[]> {
  const rows = await db.query<{ line: string }>(`
    WITH objects AS (
      SELECT 'relation ' || c.oid::regclass AS object, c.relowner AS owner,
             coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner)) AS acl, c.relnamespace AS n
      FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
      UNION ALL SELECT format('column %s.%s', a.attrelid::regclass, a.attname), 0, a.attacl, c.relnamespace
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attacl IS NOT NULL
      UNION ALL SELECT 'function ' || p.oid::regprocedure, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner)), p.pronamespace FROM pg_proc p
      UNION ALL SELECT 'type ' || t.oid::regtype, t.typowner, coalesce(t.typacl, acldefault('T', t.typowner)), t.typnamespace
      FROM pg_type t WHERE t.typrelid = 0 AND t.typcategory <> 'A'
      UNION ALL SELECT 'schema ' || s.nspname, s.nspowner, coalesce(s.nspacl, acldefault('n', s.nspowner)), s.oid FROM pg_namespace s WHERE s.nspname <> 'public'
      UNION ALL SELECT 'large object ' || l.oid, l.lomowner, coalesce(l.lomacl, acldefault('L', l.lomowner)), 2200 FROM pg_largeobject_metadata l
    ), ours AS (
      SELECT o.* FROM objects o JOIN pg_namespace s ON s.oid = o.n WHERE s.nspname !~ '^pg_|^information_schema$|^pgsluice$'
    )
    SELECT object || ' of ' || pg_get_userbyid(owner) AS line FROM ours WHERE owner <> 0
    UNION ALL SELECT format('%s: %s to %s %s', object, x.privilege_type, coalesce(nullif(x.grantee, 0)::regrole::text, 'PUBLIC'), x.is_grantable)
      FROM ours, aclexplode(acl) x
    UNION ALL SELECT format('default %s in %s by %s: %s to %s', d.defaclobjtype, d.defaclnamespace::regnamespace, d.defaclrole::regrole,
                            x.privilege_type, coalesce(nullif(x.grantee, 0)::regrole::text, 'PUBLIC'))
      FROM pg_default_acl d, aclexplode(d.defaclacl) x
    UNION ALL SELECT format('policy %s on %s for %s', polname, polrelid::regclass, (SELECT array_agg(coalesce(nullif(r, 0)::regrole::text, 'PUBLIC') ORDER BY 1) FROM unnest(polroles) r))
      FROM pg_policy
    UNION ALL SELECT format('mapping of %s on %s', usename, srvname) FROM pg_user_mappings
    ORDER BY 1`);
  return rows.map(({ line }) => line);
}
