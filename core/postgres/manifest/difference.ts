import { sameRights } from './acl.ts';
import { type Manifest, type ManifestObject } from './types.ts';

/** A change that turns the existing object into the wanted one. */
export type Change =
  | { readonly change: 'missing'; readonly key: string; readonly wanted: ManifestObject }
  | { readonly change: 'extra'; readonly key: string; readonly there: ManifestObject }
  | {
      readonly change: 'changed';
      readonly key: string;
      readonly there: ManifestObject;
      readonly wanted: ManifestObject;
      /** Names of the properties that differ. */
      readonly props: readonly string[];
    };

export interface Comparing {
  /** False: owners differ on purpose, as the target was restored without them. */
  readonly owners?: boolean;
  /** Whether two different texts mean the same; called only for texts that differ. */
  readonly same?: (property: Property, a: string, b: string) => boolean;
}

export interface Property {
  readonly object: ManifestObject;
  readonly name: string;
}

/** Properties that only one of the two versions knows, and whose absence has no meaning. */
const onlyWhereBoth: ReadonlySet<string> = new Set(['not null name']);

/** One pass over both. A property that one side's version does not know counts as unset there. */
export function difference(there: Manifest, wanted: Manifest, comparing: Comparing = {}): readonly Change[] {
  const changes: Change[] = [];
  for (const [key, object] of wanted.objects) {
    const found = there.objects.get(key);
    if (found === undefined) {
      changes.push({ change: 'missing', key, wanted: object });
      continue;
    }
    const props = differing(found, object, comparing);
    if (props.length > 0) changes.push({ change: 'changed', key, there: found, wanted: object, props });
  }
  for (const [key, object] of there.objects) {
    if (!wanted.objects.has(key)) changes.push({ change: 'extra', key, there: object });
  }
  return changes;
}

function differing(there: ManifestObject, wanted: ManifestObject, comparing: Comparing): string[] {
  // A schema that a rename creates has no owner or grants on the source.
  if (wanted.kind === 'schema' && Object.keys(wanted.props).length === 0) return [];
  const names = new Set([...Object.keys(there.props), ...Object.keys(wanted.props)]);
  return [...names].filter((name) => {
    const [a, b] = [there.props[name], wanted.props[name]];
    if ((a ?? null) === (b ?? null)) return false;
    if (name === 'owner' && comparing.owners === false) return false;
    if (name === 'acl' && sameRights(there, wanted)) return false;
    if ((a === undefined || b === undefined) && onlyWhereBoth.has(name)) return false;
    if (typeof a !== 'string' || typeof b !== 'string') return true;
    return comparing.same?.({ object: wanted, name }, a, b) !== true;
  });
}
