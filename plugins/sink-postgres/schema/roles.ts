import type pg from 'pg';
import { type PostgresSinkOptions, roleMap } from '../options.ts';
import { bulkError } from '../errors.ts';
import type { RolesHere } from './fit-roles.ts';

/** The target's roles as our user sees them. */
export interface TargetRoles {
  readonly there: ReadonlySet<string>;
  /**
   * Roles that our user may make owners and whose objects it may still alter: it must be able to SET ROLE to them, and
   * have their privileges by inheritance.
   */
  readonly ownable: ReadonlySet<string>;
  /** Only a superuser may become one of these roles. */
  readonly superusers: ReadonlySet<string>;
  readonly superuser: boolean;
  readonly version: number;
}

export async function readTargetRoles(client: pg.Client): Promise<TargetRoles> {
  const { rows: facts } = await client.query<{ version: string; superuser: string }>(
    `SELECT current_setting('server_version_num') AS version, current_setting('is_superuser') AS superuser`,
  );
  // From 16 on the right to SET ROLE is separate from membership.
  const version = Number(facts[0]!.version);
  const may = version >= 160_000 ? `pg_has_role(oid, 'SET')` : `pg_has_role(oid, 'MEMBER')`;
  const { rows } = await client.query<{ name: string; ownable: string; super: string }>(
    `SELECT rolname AS name, rolsuper::text AS super, (pg_has_role(oid, 'USAGE') AND ${may})::text AS ownable FROM pg_roles`,
  );
  return {
    there: new Set(rows.map(({ name }) => name)),
    ownable: new Set(rows.filter(({ ownable }) => ownable === 'true').map(({ name }) => name)),
    superusers: new Set(rows.filter((row) => row.super === 'true').map(({ name }) => name)),
    superuser: facts[0]!.superuser === 'on',
    version,
  };
}

/** Pure. */
export function rolesHere(target: TargetRoles, options: Pick<PostgresSinkOptions, 'owners' | 'roles'>): RolesHere {
  const map = roleMap(options);
  return {
    nameFor: (role) => {
      const name = map.get(role) ?? role;
      return target.there.has(name) ? name : null;
    },
    mayOwn: (role) => target.ownable.has(role),
    wanted: options.owners !== 'skip',
    superuser: target.superuser,
    lacks: target.version >= 170_000 ? [] : ['MAINTAIN'],
  };
}

/** With `owners: keep` a role that the target lacks, or that may not own, is an error. */
export function refuseLeftOut(
  roles: readonly string[],
  options: Pick<PostgresSinkOptions, 'owners'>,
  connection: string,
): void {
  if (options.owners !== 'keep' || roles.length === 0) return;
  const names = [...new Set(roles)].sort();
  throw bulkError('PGS3003', `the target lacks these roles, or our user may not act as them: ${names.join(', ')}`, {
    where: { connection },
    remedy: 'pgsluice check prints the statements that make and grant them; or leave `owners` out, or map them.',
  });
}
