import type { SchemaView } from '../../api/schema-reader.ts';
import { parseAcl, printAcl } from '../../postgres/manifest/acl.ts';
import { type Manifest, type ManifestObject, type ObjectKind, keyOf } from '../../postgres/manifest/types.ts';

/** Kinds that are in no schema: their names begin with another object's name. */
const outside: ReadonlySet<ObjectKind> = new Set<ObjectKind>([
  'access method',
  'cast',
  'database',
  'default privileges',
  'event trigger',
  'extension',
  'foreign data wrapper',
  'foreign server',
  'language',
  'large objects',
  'publication',
  'role settings',
  'subscription',
  'transform',
  'user mapping',
]);

/**
 * The source's manifest without the parts that the target does not get, and with the target's roles in place of the
 * source's. Pure.
 */
export function asTarget(manifest: Manifest, { exclude, roles }: Pick<SchemaView, 'exclude' | 'roles'>): Manifest {
  const objects = [...manifest.objects.values()]
    .filter((object) => exclude === undefined || !isExcluded(object, exclude))
    .map((object) => (roles === undefined || roles.size === 0 ? object : withRoles(object, roles)));
  return { ...manifest, objects: new Map(objects.map((object) => [keyOf(object), object])) };
}

function isExcluded(
  { kind, name }: ManifestObject,
  { extensions, schemas }: NonNullable<SchemaView['exclude']>,
): boolean {
  if (kind === 'extension') return extensions.includes(name[0]!);
  return !outside.has(kind) && schemas.includes(name[0]!);
}

function withRoles(object: ManifestObject, roles: ReadonlyMap<string, string>): ManifestObject {
  const named = (role: string): string => roles.get(role) ?? role;
  const { owner, acl, roles: of } = object.props;
  const props: Record<string, string | null> = { ...object.props };
  if (typeof owner === 'string') props['owner'] = named(owner);
  if (typeof acl === 'string') {
    const entries = Object.entries(parseAcl(acl)).map(([grantee, rights]) => [named(grantee), rights] as const);
    props['acl'] = printAcl(Object.fromEntries(entries.filter(([grantee]) => grantee !== props['owner'])));
  }
  if (object.kind === 'policy' && typeof of === 'string')
    props['roles'] = JSON.stringify((JSON.parse(of) as string[]).map(named).toSorted());
  if (object.kind !== 'default privileges' && object.kind !== 'role settings') return { ...object, props };
  return { ...object, props, name: [named(object.name[0]!), ...object.name.slice(1)] };
}
