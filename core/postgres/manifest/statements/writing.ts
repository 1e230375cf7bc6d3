import type { Manifest, ManifestObject } from '../types.ts';
import type { Writing } from './step.ts';

interface Parts {
  readonly columns: ReadonlyMap<string, readonly ManifestObject[]>;
  readonly constraints: ReadonlyMap<string, readonly ManifestObject[]>;
}

const known = new WeakMap<Manifest, Parts>();

/** Columns and constraints by their relation, once for each manifest. */
function partsOf(manifest: Manifest): Parts {
  let parts = known.get(manifest);
  if (parts === undefined) {
    const [columns, constraints] = [new Map<string, ManifestObject[]>(), new Map<string, ManifestObject[]>()];
    for (const object of manifest.objects.values()) {
      const into =
        object.kind === 'column' || object.kind === 'attribute'
          ? columns
          : object.kind === 'constraint'
            ? constraints
            : null;
      if (into === null) continue;
      const key = relationOnly(object.name);
      const there = into.get(key);
      if (there === undefined) into.set(key, [object]);
      else there.push(object);
    }
    parts = { columns, constraints };
    known.set(manifest, parts);
  }
  return parts;
}

export function newWriting(sides: { readonly there: Manifest; readonly wanted: Manifest }, owners: boolean): Writing {
  const { there, wanted } = sides;
  return {
    there,
    wanted,
    owners,
    major: Math.floor(there.version / 10_000),
    defaults: [...there.objects.values()].filter(({ kind }) => kind === 'default privileges'),
    columnsOf,
    constraintsOf: (manifest, relation) => partsOf(manifest).constraints.get(relationOnly(relation)) ?? [],
  };
}

/** In their order. */
export function columnsOf(manifest: Manifest, relation: readonly string[]): readonly ManifestObject[] {
  return partsOf(manifest).columns.get(relationOnly(relation)) ?? [];
}

function relationOnly(name: readonly string[]): string {
  return `${name[0]}\0${name[1]}`;
}
