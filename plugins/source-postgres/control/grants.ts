import pg from 'pg';

/** A privilege to write in a table, or in one column of it. All names are SQL, quoted where need be. */
export interface Grant {
  readonly table: string;
  readonly column: string | null;
  readonly grantee: string;
  readonly privilege: string;
  readonly grantable: boolean;
  /** A role with the grant option that granted it; null: the owner. Notes of older versions lack it. */
  readonly grantor?: string | null;
}

const writing = `('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')`;

/**
 * The privileges to write to these tables, and to the partitioned tables above them: a write through a parent is
 * checked against the parent's privileges alone. If a table has no ACL yet, its owner's implicit privileges are
 * returned.
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
  const { rows } = await client.query<
    Record<'name' | 'col' | 'grantee' | 'privilege' | 'grantable' | 'grantor', string | null>
  >(
    `${wanted}, acl AS (
       SELECT t.name, t.relowner, NULL AS col, a.* FROM t, aclexplode(coalesce(t.relacl, acldefault('r', t.relowner))) AS a
       UNION ALL
       SELECT t.name, t.relowner, quote_ident(c.attname), a.* FROM t
       JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum > 0 AND NOT c.attisdropped, aclexplode(c.attacl) AS a)
     SELECT acl.name, acl.col, coalesce(quote_ident(r.rolname), 'PUBLIC') AS grantee, acl.privilege_type AS privilege,
            acl.is_grantable::text AS grantable, CASE WHEN acl.grantor <> acl.relowner THEN quote_ident(pg_get_userbyid(acl.grantor)) END AS grantor
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
      grantor: row.grantor,
    })),
  };
}

/**
 * Revoking a privilege on a table revokes it on its columns, too (manual: REVOKE), except on columns that a role with
 * the grant option on the table granted: those are revoked first, as that role.
 */
export async function takeAway(client: pg.Client, grants: readonly Grant[]): Promise<void> {
  for (const { table, column, grantee, privilege, grantor = null } of grants) {
    if (column === null || grantor === null) continue;
    const sql = `REVOKE ${privilege} (${column}) ON TABLE ${table} FROM ${grantee} CASCADE`;
    await asRole(client, grantor, sql);
  }
  const pairs = new Set(grants.map(({ table, grantee }) => `ON TABLE ${table} FROM ${grantee}`));
  for (const pair of pairs) await client.query(`REVOKE INSERT, UPDATE, DELETE, TRUNCATE ${pair} CASCADE`);
}

/** False if this session may not act as the role. */
async function asRole(client: pg.Client, role: string, sql: string): Promise<boolean> {
  try {
    await client.query(`BEGIN; SET LOCAL ROLE ${role}; ${sql}; COMMIT`);
    return true;
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.code !== '42501') throw error;
    await client.query('ROLLBACK');
    return false;
  }
}

function grantSql({ table, column, grantee, privilege, grantable }: Grant): string {
  const what = column === null ? privilege : `${privilege} (${column})`;
  return `GRANT ${what} ON TABLE ${table} TO ${grantee}${grantable && grantee !== 'PUBLIC' ? ' WITH GRANT OPTION' : ''}`;
}

/** The grantor of a privilege gets it first, with the grant option. */
function inOrder(grants: readonly Grant[]): readonly Grant[] {
  const may = new Set<string>();
  const key = ({ table, privilege }: Grant, role: string, column: string | null) =>
    JSON.stringify([table, privilege, column, role]);
  const ordered: Grant[] = [];
  let left = grants;
  for (let before = -1; before !== left.length; ) {
    before = left.length;
    const ready = left.filter((grant) => {
      const { grantor = null, column } = grant;
      return grantor === null || may.has(key(grant, grantor, column)) || may.has(key(grant, grantor, null));
    });
    for (const grant of ready) if (grant.grantable) may.add(key(grant, grant.grantee, grant.column));
    ordered.push(...ready);
    left = left.filter((grant) => !ready.includes(grant));
  }
  return [...ordered, ...left];
}

/**
 * Each as the role that granted it. Returns those that the owner granted instead, as this session may not act as that
 * role.
 */
export async function giveBack(client: pg.Client, grants: readonly Grant[]): Promise<readonly string[]> {
  const instead: string[] = [];
  for (const grant of inOrder(grants)) {
    const sql = grantSql(grant);
    const { grantor = null } = grant;
    if (grantor !== null && (await asRole(client, grantor, sql))) continue;
    if (grantor !== null) instead.push(`${sql}, which ${grantor} had given`);
    await client.query(sql);
  }
  return instead;
}
