import type { Change } from '../difference.ts';
import type { Manifest, ManifestObject, ObjectKind } from '../types.ts';
import { kindRules } from './kinds.ts';
import { type Step, type Writing, bare, relationOf, safe, sqlName } from './step.ts';

export interface Remakes {
  /** Dropped and made again. */
  readonly again: ReadonlySet<string>;
  /** Types whose columns are turned over to a new one. */
  readonly swapped: ReadonlySet<string>;
  /** Why something that did not change is made again: key of the change. */
  readonly causes: ReadonlyMap<string, string>;
  /** Before everything else. */
  readonly before: ReadonlyMap<string, readonly Step[]>;
  /** Columns whose default goes for a while. */
  readonly defaults: ReadonlySet<string>;
  readonly unmended: ReadonlySet<string>;
}

/** No definition brings back what they hold. */
const keeps: ReadonlySet<ObjectKind> = new Set([
  'table',
  'foreign table',
  'schema',
  'extension',
  'database',
  'large objects',
  'sequence',
  'subscription',
]);
const types: ReadonlySet<ObjectKind> = new Set(['enum', 'domain', 'range type', 'composite type']);
/** What ALTER COLUMN … TYPE carries along by itself. */
const carried: ReadonlySet<ObjectKind> = new Set([
  'constraint',
  'index',
  'statistics',
  'sequence',
  'table',
  'column',
  'attribute',
]);

/** What has to be made again, and whatever depends on it there. */
export function remakes(changes: readonly Change[], writing: Writing): Remakes {
  const again = new Set<string>();
  const swapped = new Set<string>();
  const unmended = new Set<string>();
  const causes = new Map<string, string>();
  const before = new Map<string, Step[]>();
  const defaults = new Set<string>();
  const dependents = dependentsOf(writing.there);
  const queue: { key: string; retyped: boolean }[] = [];
  for (const change of changes) {
    if (change.change === 'missing') continue;
    if (change.change === 'extra') {
      queue.push({ key: change.key, retyped: false });
      continue;
    }
    const { there, wanted, key } = change;
    if (kindRules[wanted.kind].alter(there, wanted, writing) === null) {
      if (types.has(wanted.kind)) swapped.add(key);
      else if (keeps.has(wanted.kind)) unmended.add(key);
      else again.add(key);
      queue.push({ key, retyped: false });
    } else if (wanted.kind === 'column' && change.props.some((name) => name === 'type' || name === 'collation')) {
      queue.push({ key, retyped: true });
    }
    const pre = wanted.kind === 'column' ? dropIdentity(there, wanted) : [];
    if (pre.length > 0) before.set(key, pre);
  }
  const extra = new Set(changes.filter(({ change }) => change === 'extra').map(({ key }) => key));
  for (let at = 0; at < queue.length; at++) {
    const { key, retyped } = queue[at]!;
    for (const dependent of dependents.get(key) ?? []) {
      const object = writing.there.objects.get(dependent)!;
      if (extra.has(dependent) || again.has(dependent) || swapped.has(dependent) || keeps.has(object.kind)) continue;
      if (retyped && carried.has(object.kind) && (object.props['generated'] ?? null) === null) continue;
      if (object.kind === 'column' && (object.props['generated'] ?? null) === null) {
        const steps = withoutDefault(object, key, writing);
        if (steps.length === 0 || defaults.has(dependent)) continue;
        before.set(dependent, [...(before.get(dependent) ?? []), ...steps]);
        defaults.add(dependent);
        if (!causes.has(dependent)) causes.set(dependent, causes.get(key) ?? key);
        continue;
      }
      if (types.has(object.kind) || object.kind === 'attribute') continue;
      if (!writing.wanted.objects.has(dependent)) continue;
      again.add(dependent);
      causes.set(dependent, causes.get(key) ?? key);
      queue.push({ key: dependent, retyped: false });
    }
  }
  return { again, swapped, causes, before, defaults, unmended };
}

/** Its sequence may have to be made again under the same name. */
function dropIdentity(there: ManifestObject, wanted: ManifestObject): Step[] {
  if ((there.props['identity'] ?? null) === null || (wanted.props['identity'] ?? null) !== null) return [];
  return [
    safe(`ALTER TABLE ${sqlName(there.name[0], there.name[1])} ALTER COLUMN ${bare(there.name[2]!)} DROP IDENTITY`),
  ];
}

/** A default that calls what goes; it is set again with the column's own change, or here where the column has none. */
function withoutDefault(column: ManifestObject, cause: string, writing: Writing): Step[] {
  const object = writing.there.objects.get(cause)!;
  if (
    (column.props['default'] ?? null) === null ||
    relationOf(writing.there, column.name)?.kind.endsWith('view') === true
  )
    return [];
  return ['function', 'sequence', 'operator', 'aggregate'].includes(object.kind)
    ? [
        safe(
          `ALTER TABLE ONLY ${sqlName(column.name[0], column.name[1])} ALTER COLUMN ${bare(column.name[2]!)} DROP DEFAULT`,
        ),
      ]
    : [];
}

function dependentsOf(manifest: Manifest): ReadonlyMap<string, readonly string[]> {
  const dependents = new Map<string, string[]>();
  for (const [key, { needs }] of manifest.objects) {
    for (const need of needs) {
      const there = dependents.get(need);
      if (there === undefined) dependents.set(need, [key]);
      else there.push(key);
    }
  }
  return dependents;
}
