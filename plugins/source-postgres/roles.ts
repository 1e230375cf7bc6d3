import type pg from 'pg';
import type { Membership, Role } from '../../core/postgres/role.ts';

export interface NeededRoles {
  readonly roles: readonly Role[];
  readonly memberships: readonly Membership[];
}

/**
 * The places where the database names roles. pg_shdepend has every owner, grantee, policy, user mapping and default
 * privilege, except for the bootstrap superuser, whose objects are searched. Members of extensions are created with the
 * extension, and excluded tables not at all.
 */
const named = `
  SELECT d.refobjid AS role,
         CASE WHEN d.classid = 'pg_user_mapping'::regclass THEN 'has % user mappings'
              WHEN d.classid = 'pg_default_acl'::regclass THEN 'is in % default privileges'
              WHEN d.deptype = 'o' THEN 'owns % objects' WHEN d.deptype = 'r' THEN 'is in % policies'
              ELSE 'has rights on % objects' END AS how, d.classid, d.objid
  FROM pg_shdepend d JOIN pg_database b ON b.datname = current_database()
  WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype IN ('o', 'a', 'r')
    AND (d.dbid = b.oid OR d.dbid = 0 AND d.classid = 'pg_database'::regclass AND d.objid = b.oid)
  UNION ALL SELECT relowner, 'owns % objects', 'pg_class'::regclass, oid FROM pg_class WHERE relowner = 10 AND oid >= 16384
  UNION ALL SELECT proowner, 'owns % objects', 'pg_proc'::regclass, oid FROM pg_proc WHERE proowner = 10 AND oid >= 16384
  UNION ALL SELECT typowner, 'owns % objects', 'pg_type'::regclass, oid FROM pg_type WHERE typowner = 10 AND oid >= 16384 AND typrelid = 0 AND typcategory <> 'A'
  UNION ALL SELECT nspowner, 'owns % objects', 'pg_namespace'::regclass, oid FROM pg_namespace WHERE nspowner = 10 AND oid >= 16384`;

const counted = `
  SELECT n.role, n.how, count(DISTINCT (n.classid, n.objid)) AS n
  FROM (${named}) n LEFT JOIN pg_class c ON n.classid = 'pg_class'::regclass AND c.oid = n.objid
    LEFT JOIN pg_namespace cn ON cn.oid = c.relnamespace
  WHERE NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = n.classid AND e.objid = n.objid AND e.deptype = 'e' AND n.how ~ '^owns')
    AND (c.oid IS NULL OR c.relkind NOT IN ('i', 'I', 't'))
    AND NOT EXISTS (SELECT FROM pg_namespace s WHERE (s.nspname = 'pgsluice' OR s.nspname ~ '^pg_(toast_)?temp_')
                    AND (s.oid = c.relnamespace OR n.classid = 'pg_namespace'::regclass AND s.oid = n.objid))
    AND NOT EXISTS (SELECT FROM unnest($1::text[], $2::text[]) AS x (schema, name)
                    WHERE x.name = c.relname AND x.schema = cn.nspname)
  GROUP BY 1, 2`;

const needed = `
  WITH RECURSIVE counted AS (${counted}),
  down AS (SELECT DISTINCT role FROM counted UNION SELECT m.member FROM down JOIN pg_auth_members m ON m.roleid = down.role),
  up AS (SELECT role FROM down UNION SELECT m.roleid FROM up JOIN pg_auth_members m ON m.member = up.role)
  SELECT r.rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls,
         rolconnlimit, rolvaliduntil::text, to_json(rolconfig)::text,
         (SELECT json_agg(replace(c.how, '%', c.n::text) ORDER BY c.how)::text FROM counted c WHERE c.role = r.oid)
  FROM up JOIN pg_roles r ON r.oid = up.role WHERE r.rolname !~ '^pg_' ORDER BY r.rolname COLLATE "C"`;

/** Reads catalogs that every role may read. */
export async function readRoles(
  client: pg.Client,
  excluded: readonly { readonly schema: string; readonly name: string }[],
): Promise<NeededRoles> {
  const { rows } = await client.query<(string | null)[]>({
    text: needed,
    values: [excluded.map(({ schema }) => schema), excluded.map(({ name }) => name)],
    rowMode: 'array',
  } as unknown as pg.QueryArrayConfig);
  const roles = rows.map(roleOf);
  return { roles, memberships: await readMemberships(client, roles) };
}

function roleOf(row: readonly (string | null)[]): Role {
  const [name, superuser, inherit, createRole, createDb, login, replication, bypass, limit, until, config, how] = row;
  const named = how === null || how === undefined ? [] : (JSON.parse(how) as string[]);
  const on = (value: string | null | undefined, word: string): string[] => (value === 't' ? [word] : []);
  return {
    name: name!,
    attributes: [
      ...on(superuser, 'SUPERUSER'),
      ...(inherit === 't' ? [] : ['NOINHERIT']),
      ...on(createRole, 'CREATEROLE'),
      ...on(createDb, 'CREATEDB'),
      ...on(login, 'LOGIN'),
      ...on(replication, 'REPLICATION'),
      ...on(bypass, 'BYPASSRLS'),
      ...(limit === '-1' ? [] : [`CONNECTION LIMIT ${limit}`]),
      ...(until === null || until === undefined ? [] : [`VALID UNTIL '${until}'`]),
    ],
    settings: (config === null || config === undefined ? [] : (JSON.parse(config) as string[])).map(settingOf),
    named: named.map((words) => words.replace(/\b1 (object|policie|user mapping|default privilege)s\b/, singular)),
    owns: named.some((words) => words.startsWith('owns')),
  };
}

function singular(_: string, noun: string): string {
  return `1 ${noun === 'policie' ? 'policy' : noun}`;
}

/** `name=value` of rolconfig and setconfig. */
export function settingOf(text: string): { name: string; value: string } {
  const at = text.indexOf('=');
  return { name: text.slice(0, at), value: text.slice(at + 1) };
}

async function readMemberships(client: pg.Client, roles: readonly Role[]): Promise<readonly Membership[]> {
  const { rows: version } = await client.query<{ v: string }>(`SELECT current_setting('server_version_num') AS v`);
  const options = Number(version[0]!.v) >= 160_000 ? 'bool_or(inherit_option), bool_or(set_option)' : 'NULL, NULL';
  const { rows } = await client.query<(string | null)[]>({
    text: `SELECT r.rolname, m.rolname, bool_or(a.admin_option), ${options}
           FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
           WHERE m.rolname = ANY($1::text[]) GROUP BY 1, 2 ORDER BY 1, 2`,
    values: [roles.map(({ name }) => name)],
    rowMode: 'array',
  } as unknown as pg.QueryArrayConfig);
  return rows.map(([role, member, admin, inherit, set]) => ({
    role: role!,
    member: member!,
    admin: admin === 't',
    inherit: inherit === null || inherit === undefined ? null : inherit === 't',
    set: set === null || set === undefined ? null : set === 't',
  }));
}
