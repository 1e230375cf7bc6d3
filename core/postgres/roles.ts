import { quoteIdent, quoteLiteral } from './quote.ts';
import type { Membership, Role } from './role.ts';

export interface RoleTarget {
  /** server_version_num. */
  readonly version: number;
  /** Whether our user may give SUPERUSER, REPLICATION and BYPASSRLS. */
  readonly superuser: boolean;
}

const reserved: ReadonlySet<string> = new Set(['SUPERUSER', 'REPLICATION', 'BYPASSRLS']);

/** CREATE ROLE of each, then their settings; run before {@link grantStatements}. */
export function createStatements(roles: readonly Role[], target: RoleTarget): readonly string[] {
  return roles.flatMap(({ name, attributes, settings }) => {
    const given = attributes.filter((attribute) => target.superuser || !reserved.has(attribute));
    const create = ['CREATE ROLE', quoteIdent(name), ...given].join(' ');
    const set = settings.map((each) => `ALTER ROLE ${quoteIdent(name)} SET ${settingSql(each)};`);
    return [`${create};`, ...set];
  });
}

export function grantStatements(memberships: readonly Membership[], target: RoleTarget): readonly string[] {
  return memberships.map(({ role, member, admin, inherit, set }) => {
    const options = [
      ...(admin ? ['ADMIN TRUE'] : []),
      ...(inherit === null ? [] : [`INHERIT ${word(inherit)}`]),
      ...(set === null ? [] : [`SET ${word(set)}`]),
    ];
    const grant = `GRANT ${quoteIdent(role)} TO ${quoteIdent(member)}`;
    if (target.version >= 160_000) return `${grant}${options.length === 0 ? '' : ` WITH ${options.join(', ')}`};`;
    return `${grant}${admin ? ' WITH ADMIN OPTION' : ''};`;
  });
}

function word(value: boolean): string {
  return value ? 'TRUE' : 'FALSE';
}

/** Settings whose value is a list of names; each name is quoted separately (pg_dump: variable_is_guc_list_quote). */
const lists: ReadonlySet<string> = new Set([
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'shared_preload_libraries',
  'temp_tablespaces',
  'unix_socket_directories',
]);

/** `name TO value`, as ALTER … SET accepts it. The catalog has a list as it was written, quotes included. */
export function settingSql({ name, value }: { readonly name: string; readonly value: string }): string {
  const key = name.split('.').map(quoteIdent).join('.');
  if (!lists.has(name.toLowerCase())) return `${key} TO ${quoteLiteral(value).trim()}`;
  const words = [...value.matchAll(/"((?:[^"]|"")*)"|[^,\s]+/g)].map(
    ([all, quoted]) => quoted?.replaceAll('""', '"') ?? all,
  );
  return `${key} TO ${words.length === 0 ? "''" : words.map((each) => quoteLiteral(each).trim()).join(', ')}`;
}
