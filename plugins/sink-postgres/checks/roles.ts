import type { Finding, Surroundings } from '../../../core/api/check.ts';
import { quoteIdent } from '../../../core/postgres/quote.ts';
import type { Role } from '../../../core/postgres/role.ts';
import { createStatements, grantStatements } from '../../../core/postgres/roles.ts';
import type { PostgresSinkOptions } from '../options.ts';
import { rolesHere } from '../schema/roles.ts';
import type { TargetSurroundings } from './surroundings.ts';

type Found = Omit<Finding, 'subject'>;

const check = 'target-roles';

/**
 * Pure: every role that the schema names and the target lacks, at once, with the statements that create them as on the
 * source; then existing roles that our user may not make owners.
 */
export function roleFindings(source: Surroundings, target: TargetSurroundings, options: PostgresSinkOptions): Found[] {
  const here = rolesHere(target.roles, options);
  // Policies and user mappings name roles whether or not owners are wanted.
  const counts = options.owners === 'skip' ? /polic|user mapping/ : /./;
  const named = source.roles.filter((role) => role.named.some((words) => counts.test(words)));
  const missing = named.filter(({ name }) => here.nameFor(name) === null);
  const findings = [
    ...(missing.length === 0 ? [] : [missingFinding(missing, source, { target, options })]),
    ...(options.owners === 'skip' ? [] : notOurs(named, target, options)),
  ];
  if (findings.length > 0) return findings;
  const message =
    options.owners === 'skip'
      ? 'owners and grants are not wanted; roles of policies and user mappings are there'
      : `${named.length} roles that the schema names are there`;
  return [{ check, level: 'ok', message, remedy: null }];
}

function missingFinding(
  missing: readonly Role[],
  source: Surroundings,
  { target, options }: { readonly target: TargetSurroundings; readonly options: PostgresSinkOptions },
): Found {
  const here = rolesHere(target.roles, options);
  // With the roles that reach the named ones through membership: the applications' logins.
  const absent = source.roles.filter(({ name }) => here.nameFor(name) === null);
  const names = new Set(source.roles.map(({ name }) => name));
  const memberships = source.memberships.filter(({ role, member }) => {
    const known = (name: string): boolean => names.has(name) || target.roles.there.has(name);
    return known(role) && known(member) && !target.memberships.has(JSON.stringify([role, member]));
  });
  const may = { version: target.version, superuser: target.roles.superuser };
  const statements = [...createStatements(absent, may), ...grantStatements(memberships, may), ...ours(missing, target)];
  const said = missing.map(({ name, named }) => `${name} (${named.join(', ')})`).join('; ');
  const level = options.owners === 'keep' ? 'error' : 'warning';
  const rest = level === 'error' ? '' : ': left out in the target; everything else is kept';
  return {
    check,
    level,
    message: `the target lacks ${missing.length} roles that the schema names: ${said}${rest}`,
    remedy: statements.join(' '),
    statements,
  };
}

/** A user without superuser rights must be a member of an owner. */
function ours(missing: readonly Role[], { roles, user }: TargetSurroundings): readonly string[] {
  if (roles.superuser) return [];
  return missing.filter(({ owns }) => owns).map(({ name }) => `GRANT ${quoteIdent(name)} TO ${quoteIdent(user)};`);
}

function notOurs(named: readonly Role[], target: TargetSurroundings, options: PostgresSinkOptions): Found[] {
  const here = rolesHere(target.roles, options);
  const owners = named.flatMap(({ name, owns }) => {
    const there = owns ? here.nameFor(name) : null;
    return there === null || here.mayOwn(there) ? [] : [there];
  });
  if (owners.length === 0) return [];
  const names = [...new Set(owners)];
  const statements = names
    .filter((name) => !target.roles.superusers.has(name))
    .map((name) => `GRANT ${quoteIdent(name)} TO ${quoteIdent(target.user)};`);
  const map = `owners: { map: { ${names.map((name) => `${JSON.stringify(name)}: ${JSON.stringify(target.user)}`).join(', ')} } }`;
  return [
    {
      check,
      level: options.owners === 'keep' ? 'error' : 'warning',
      message: `${target.user} may not make ${names.join(', ')} an owner: what belongs to it on the source will belong to ${target.user}`,
      remedy: [...statements, `Or say so in the file: ${map}.`].join(' '),
      statements,
    },
  ];
}
