import type pg from 'pg';
import type { SchemaObject } from '../../../core/api/snapshot.ts';

/**
 * Roles that the schema names as owner or grantee. GRANT and REVOKE lines are read as pg_dump writes them, one statement a
 * line; PUBLIC is no role.
 */
export function rolesOf(objects: readonly SchemaObject[]): ReadonlySet<string> {
  const roles = new Set<string>();
  for (const object of objects) {
    if (object.owner !== null && object.owner !== '') roles.add(object.owner);
    if (!isGrant(object)) continue;
    for (const match of object.sql.matchAll(/ (?:TO|FROM|FOR ROLE) ("(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)/g)) {
      const role = unquote(match[1]!);
      if (role !== 'public' || match[1]!.startsWith('"')) roles.add(role);
    }
  }
  roles.delete('PUBLIC');
  return roles;
}

export function isGrant(object: { readonly type: string }): boolean {
  return object.type === 'ACL' || object.type === 'DEFAULT ACL';
}

/** Those that the target lacks, or that we may not make an owner. */
export async function missingRoles(client: pg.Client, roles: ReadonlySet<string>): Promise<string[]> {
  const { rows } = await client.query<{ role: string }>(
    `SELECT w.role FROM unnest($1::text[]) AS w (role) LEFT JOIN pg_roles r ON r.rolname = w.role
     WHERE r.oid IS NULL OR NOT pg_has_role(r.oid, 'MEMBER') ORDER BY 1`,
    [[...roles]],
  );
  return rows.map((row) => row.role);
}

/** Without the `ALTER … OWNER TO …;` that pg_dump puts at the end of an object. */
export function withoutOwner(sql: string): string {
  return sql.replace(/\n+ALTER [^\n]* OWNER TO (?:"(?:[^"]|"")+"|\S+);\s*$/, '\n');
}

function unquote(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}
