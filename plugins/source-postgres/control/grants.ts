import type pg from 'pg';

/** A privilege to write in a table, or in one column of it. All names are SQL, quoted where need be. */
export interface Grant {
  readonly table: string;
  readonly column: string | null;
  readonly grantee: string;
  readonly privilege: string;
  readonly grantable: boolean;
}

const writing = `('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')`;

/**
 * Who may write in these tables, and in the partitioned tables above them: a write through a parent is checked by the
 * parent's privileges alone. Where a table has no list yet, its owner's implicit privileges are told.
 */
export async function readGrants(
  client: pg.Client,
  tables: readonly string[],
): Promise<{ readonly all: readonly string[]; readonly grants: readonly Grant[] }> {
  const wanted = `WITH t AS (
    SELECT DISTINCT c.oid, c.relacl, c.relowner, format('%I.%I', n.nspname, c.relname) AS name
    FROM unnest($1::text[]) AS w (name),
         LATERAL (SELECT w.name::regclass::oid AS oid UNION SELECT relid FROM pg_partition_ancestors(w.name::regclass)) AS a
    JOIN pg_class c ON c.oid = a.oid JOIN pg_namespace n ON n.oid = c.relnamespace)`;
  const all = await client.query<{ name: string }>(`${wanted} SELECT name FROM t ORDER BY name`, [tables]);
  const { rows } = await client.query<Record<'name' | 'col' | 'grantee' | 'privilege' | 'grantable', string | null>>(
    `${wanted}, acl AS (
       SELECT t.name, NULL AS col, a.* FROM t, aclexplode(coalesce(t.relacl, acldefault('r', t.relowner))) AS a
       UNION ALL
       SELECT t.name, quote_ident(c.attname), a.* FROM t
       JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum > 0 AND NOT c.attisdropped, aclexplode(c.attacl) AS a)
     SELECT acl.name, acl.col, coalesce(quote_ident(r.rolname), 'PUBLIC') AS grantee, acl.privilege_type AS privilege,
            acl.is_grantable::text AS grantable
     FROM acl LEFT JOIN pg_roles r ON r.oid = acl.grantee
     WHERE acl.privilege_type IN ${writing} ORDER BY 1, 2, 3, 4`,
    [tables],
  );
  return {
    all: all.rows.map((row) => row.name),
    grants: rows.map((row) => ({
      table: row.name!,
      column: row.col,
      grantee: row.grantee!,
      privilege: row.privilege!,
      grantable: row.grantable === 'true',
    })),
  };
}

/** Taking a privilege on a table takes it on its columns, too (manual: REVOKE). */
export function revokeSql(grants: readonly Grant[]): readonly string[] {
  const pairs = new Set(grants.map(({ table, grantee }) => `ON TABLE ${table} FROM ${grantee}`));
  return [...pairs].map((pair) => `REVOKE INSERT, UPDATE, DELETE, TRUNCATE ${pair} CASCADE`);
}

export function grantSql(grants: readonly Grant[]): readonly string[] {
  return grants.map(({ table, column, grantee, privilege, grantable }) => {
    const what = column === null ? privilege : `${privilege} (${column})`;
    return `GRANT ${what} ON TABLE ${table} TO ${grantee}${grantable && grantee !== 'PUBLIC' ? ' WITH GRANT OPTION' : ''}`;
  });
}
