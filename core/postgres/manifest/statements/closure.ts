import type { Change } from '../difference.ts';
import { type Manifest, type ManifestObject, type ObjectKind, keyOf } from '../types.ts';
import { kindRules } from './kinds.ts';
import { identitySequence } from './column.ts';
import { type Step, type Writing, bare, loses, relationOf, safe, sqlName } from './step.ts';

export interface Remakes {
  /** Objects that are dropped and created again. */
  readonly again: ReadonlySet<string>;
  /** Types whose columns are moved to a new type. */
  readonly swapped: ReadonlySet<string>;
  /** Why an unchanged object is created again: key of the change. */
  readonly causes: ReadonlyMap<string, string>;
  /** Before everything else. */
  readonly before: ReadonlyMap<string, readonly Step[]>;
  /** Columns whose default is dropped temporarily. */
  readonly defaults: ReadonlySet<string>;
  readonly unmended: ReadonlySet<string>;
}

/** No definition restores their contents. */
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
/** Objects that ALTER COLUMN … TYPE carries along itself. */
const carried: ReadonlySet<ObjectKind> = new Set([
  'constraint',
  'index',
  'statistics',
  'sequence',
  'table',
  'column',
  'attribute',
]);

/** Objects that have to be created again, and everything that depends on them in the target. */
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
    if (wanted.kind === 'sequence' && movesWithLoss(there, wanted)) again.add(key);
    if (wanted.kind === 'sequence' && !again.has(key) && leavesItsTable(there, wanted))
      before.set(key, [safe(`ALTER SEQUENCE ${sqlName(...there.name)} OWNED BY NONE`)]);
    const plain = wanted.kind === 'column' ? sequenceAfterIdentity(there, wanted, writing) : null;
    if (plain !== null) {
      again.add(plain);
      causes.set(plain, key);
    }
    const pre = wanted.kind === 'column' ? changeOfIdentity(there, wanted, writing) : [];
    if (pre.length > 0) before.set(key, pre);
  }
  const extra = new Set(changes.filter(({ change }) => change === 'extra').map(({ key }) => key));
  for (let at = 0; at < queue.length; at++) {
    const { key, retyped } = queue[at]!;
    // An object that needs a column of a view needs the view.
    if (again.has(key) && key.includes('view\0')) {
      for (const column of writing.columnsOf(writing.there, key.split('\0').slice(1))) {
        const part = keyOf(column);
        causes.set(part, causes.get(key) ?? key);
        queue.push({ key: part, retyped: false });
      }
    }
    for (const dependent of dependents.get(key) ?? []) {
      const object = writing.there.objects.get(dependent)!;
      if (extra.has(dependent) || again.has(dependent) || swapped.has(dependent) || keeps.has(object.kind)) continue;
      if (retyped && carried.has(object.kind) && (object.props['generated'] ?? null) === null) continue;
      if (object.kind === 'column' && (object.props['generated'] ?? null) === null) {
        // Its column is moved to the new type.
        if (swapped.has(key)) {
          causes.set(dependent, key);
          queue.push({ key: dependent, retyped: true });
          continue;
        }
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

/** An identity's sequence is dropped with its column. */
function movesWithLoss(there: ManifestObject, wanted: ManifestObject): boolean {
  const identity = there.facts['identity'] === 't' || wanted.facts['identity'] === 't';
  return identity && there.props['owned by'] !== wanted.props['owned by'];
}

/** Its table may be dropped, and must not take the sequence along. */
function leavesItsTable(there: ManifestObject, wanted: ManifestObject): boolean {
  return (there.props['owned by'] ?? null) !== null && there.props['owned by'] !== wanted.props['owned by'];
}

/** A sequence of the same name that the source has beside a column that is no identity there. */
function sequenceAfterIdentity(there: ManifestObject, wanted: ManifestObject, writing: Writing): string | null {
  if ((there.props['identity'] ?? null) === null || (wanted.props['identity'] ?? null) !== null) return null;
  const sequence = identitySequence(there, writing.there);
  return sequence !== null && writing.wanted.objects.has(keyOf(sequence)) ? keyOf(sequence) : null;
}

/** The sequence of an identity and the one of a serial cannot exist under one name at the same time. */
function changeOfIdentity(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] {
  const [from, to] = [there.props['identity'] ?? null, wanted.props['identity'] ?? null];
  const column = `ALTER TABLE ${sqlName(there.name[0], there.name[1])} ALTER COLUMN ${bare(there.name[2]!)}`;
  if (from !== null && to === null) return [loses(`${column} DROP IDENTITY`)];
  if (from !== null || to === null) return [];
  const sequence = identitySequence(wanted, writing.wanted);
  const old = sequence === null ? undefined : writing.there.objects.get(keyOf(sequence));
  if (old === undefined) return [];
  const value = (there.props['default'] ?? null) === null ? [] : [safe(`${column} DROP DEFAULT`)];
  return [...value, loses(`DROP SEQUENCE ${sqlName(...old.name)}`)];
}

/**
 * A default that calls a dropped function is set again with the column's own change, or here if the column has none.
 */
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
