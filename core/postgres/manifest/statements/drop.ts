import type { ManifestObject, ObjectKind } from '../types.ts';
import { dropColumn } from './column.ts';
import { defaultPrivileges, dropRoleSettings } from './database.ts';
import { reference } from './refs.ts';
import { type Step, type Writing, bare, list, loses, relationOf, safe, sqlName } from './step.ts';
import { dropAttribute } from './types.ts';
import { isPartition } from './table.ts';

/** Objects that hold values, or that no definition restores. */
const withValues: ReadonlySet<ObjectKind> = new Set(['table', 'sequence', 'extension', 'schema', 'large objects']);

export function dropSteps(there: ManifestObject, writing: Writing): Step[] {
  const { kind, name } = there;
  switch (kind) {
    case 'column':
      return [dropColumn(there, writing.there)];
    case 'attribute':
      return [dropAttribute(there)];
    case 'constraint': {
      const word = relationOf(writing.there, name)?.kind === 'foreign table' ? 'FOREIGN TABLE' : 'TABLE';
      return [safe(`ALTER ${word} ${sqlName(name[0], name[1])} DROP CONSTRAINT ${bare(name[2]!)}`)];
    }
    case 'domain constraint':
      return [safe(`ALTER DOMAIN ${sqlName(name[0], name[1])} DROP CONSTRAINT ${bare(name[2]!)}`)];
    case 'role settings':
      return dropRoleSettings(there);
    case 'default privileges':
      return defaultPrivileges(there, null, writing);
    case 'large objects':
    case 'database':
      return [];
    case 'subscription':
      return [
        safe(`ALTER ${reference(there)} DISABLE`),
        safe(`ALTER ${reference(there)} SET (slot_name = NONE)`),
        loses(`DROP ${reference(there)}`),
      ];
    default: {
      const sql = `DROP ${reference(there)}`;
      return [withValues.has(kind) ? loses(sql) : safe(sql)];
    }
  }
}

/**
 * Dropped before anything is created, because the object is in the way or depends on what will change. Everything else
 * is dropped at the end.
 */
const early: ReadonlySet<ObjectKind> = new Set([
  'view',
  'materialized view',
  'rule',
  'trigger',
  'policy',
  'constraint',
  'domain constraint',
  'index',
  'statistics',
  'event trigger',
  'publication',
]);

const relationKinds: ReadonlySet<ObjectKind> = new Set([
  'table',
  'foreign table',
  'view',
  'materialized view',
  'sequence',
  'index',
  'composite type',
]);
const typeKinds: ReadonlySet<ObjectKind> = new Set([
  'enum',
  'composite type',
  'domain',
  'range type',
  'base type',
  'table',
  'foreign table',
  'view',
  'materialized view',
]);
const routineKinds: ReadonlySet<ObjectKind> = new Set(['function', 'procedure', 'aggregate']);
const spaces = [relationKinds, typeKinds, routineKinds];

/** Names that new objects need, by name space. */
export function takenNames(made: Iterable<ManifestObject>): ReadonlySet<string> {
  const taken = new Set<string>();
  for (const object of made)
    for (const [i, space] of spaces.entries()) if (space.has(object.kind)) taken.add(`${i} ${object.name.join('\0')}`);
  return taken;
}

/** Another partition may take its place. */
export function dropsEarly(there: ManifestObject): boolean {
  return early.has(there.kind) || (there.kind === 'table' && isPartition(there));
}

export function namesTaken(there: ManifestObject, taken: ReadonlySet<string>): boolean {
  return spaces.some((space, i) => space.has(there.kind) && taken.has(`${i} ${there.name.join('\0')}`));
}

/** It is dropped with another object: its table, its parent, its constraint. */
export function goesAlong(there: ManifestObject, writing: Writing, going: ReadonlySet<string>): boolean {
  const { kind, name, props, facts } = there;
  const manifest = writing.there;
  const parents = (): readonly (readonly [string, string])[] =>
    list<[string, string]>(relationOf(manifest, name)?.props['parents']);
  switch (kind) {
    case 'column':
      if (relationOf(manifest, name)?.kind.endsWith('view') === true) return true;
      return (
        facts['inherited'] === 't' &&
        facts['local'] !== 't' &&
        parents().some(([schema, table]) => going.has(`column\0${schema}\0${table}\0${name[2]}`))
      );
    case 'constraint': {
      const parent = list(writing.there.objects.get(`index\0${name[0]}\0${name[2]}`)?.props['parent']);
      if (parent.length > 0 && going.has(`index\0${parent.join('\0')}`)) return true;
      return (
        facts['inherited'] === 't' &&
        facts['local'] !== 't' &&
        parents().some(([schema, table]) => going.has(`constraint\0${schema}\0${table}\0${name[2]}`))
      );
    }
    case 'index': {
      if ((props['constraint'] ?? null) !== null) return true;
      const parent = list(props['parent']);
      return parent.length > 0 && going.has(`index\0${parent.join('\0')}`);
    }
    case 'sequence': {
      if (facts['identity'] === 't') return true;
      const owner = list(props['owned by']);
      return owner.length > 0 && going.has(`column\0${owner.join('\0')}`);
    }
    default:
      return false;
  }
}
