import type { ManifestObject } from '../types.ts';
import { collate } from './column.ts';
import { commonSteps } from './common.ts';
import { literalOrNull } from './refs.ts';
import { type Step, type Writing, bare, list, locks, loses, objectOf, relationOf, safe, sqlName } from './step.ts';

export function createType(wanted: ManifestObject, writing: Writing): Step[] {
  return [safe(typeSql(wanted, writing)), ...attributesRest(wanted, writing), ...commonSteps(null, wanted, writing)];
}

function attributesRest(wanted: ManifestObject, writing: Writing): Step[] {
  if (wanted.kind !== 'composite type') return [];
  return writing.columnsOf(writing.wanted, wanted.name).flatMap((attribute) => commonSteps(null, attribute, writing));
}

function typeSql(wanted: ManifestObject, writing: Writing): string {
  const { kind, props } = wanted;
  const type = sqlName(...wanted.name);
  const some = (words: string, name: string): string =>
    (props[name] ?? null) === null ? '' : `, ${words} = ${props[name]}`;
  const named = (words: string, name: string): string =>
    (props[name] ?? null) === null ? '' : `, ${words} = ${sqlName(...list(props[name]))}`;
  switch (kind) {
    case 'enum':
      return `CREATE TYPE ${type} AS ENUM (${list(props['labels'])
        .map((label) => literalOrNull(label))
        .join(', ')})`;
    case 'composite type': {
      const attributes = writing
        .columnsOf(writing.wanted, wanted.name)
        .map((one) => `${bare(one.name[2]!)} ${one.props['type']}${collate(one.props['collation'])}`);
      return `CREATE TYPE ${type} AS (${attributes.join(', ')})`;
    }
    case 'domain':
      return `CREATE DOMAIN ${type} AS ${props['type']}${collate(props['collation'])}${(props['default'] ?? null) === null ? '' : ` DEFAULT ${props['default']}`}${props['not null'] === 't' ? ' NOT NULL' : ''}`;
    case 'range type':
      return `CREATE TYPE ${type} AS RANGE (SUBTYPE = ${props['subtype']}${named('SUBTYPE_OPCLASS', 'operator class')}${named('COLLATION', 'collation')}${some('CANONICAL', 'canonical')}${some('SUBTYPE_DIFF', 'difference')}${named('MULTIRANGE_TYPE_NAME', 'multirange')})`;
    default:
      return `CREATE TYPE ${type} (INPUT = ${props['input']}, OUTPUT = ${props['output']}${some('RECEIVE', 'receive')}${some('SEND', 'send')}${some('TYPMOD_IN', 'typmod_in')}${some('TYPMOD_OUT', 'typmod_out')}${some('ANALYZE', 'analyze')}${some('SUBSCRIPT', 'subscript')}, INTERNALLENGTH = ${props['internallength'] === '-1' ? 'VARIABLE' : props['internallength']}${props['passedbyvalue'] === 't' ? ', PASSEDBYVALUE' : ''}, ALIGNMENT = ${alignments[props['alignment'] ?? 'i']}, STORAGE = ${storages[props['storage'] ?? 'p']}, CATEGORY = '${props['category']}'${props['preferred'] === 't' ? ', PREFERRED = true' : ''}${(props['default'] ?? null) === null ? '' : `, DEFAULT = ${literalOrNull(props['default']!)}`}${some('ELEMENT', 'element')}, DELIMITER = '${props['delimiter']}'${props['collatable'] === 't' ? ', COLLATABLE = true' : ''})`;
  }
}

const alignments: Readonly<Record<string, string>> = { c: 'char', s: 'int2', i: 'int4', d: 'double' };
const storages: Readonly<Record<string, string>> = { p: 'plain', e: 'external', m: 'main', x: 'extended' };

/** Removing a label needs a new type. */
export function alterEnum(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] | null {
  const steps = labelSteps(there, wanted);
  return steps === null ? null : [...steps, ...commonSteps(there, wanted, writing)];
}

/** Labels are added in their place and renamed. Null: a label is removed, or has another place. */
export function labelSteps(there: ManifestObject, wanted: ManifestObject): Step[] | null {
  const [from, to] = [list(there.props['labels']), list(wanted.props['labels'])];
  const type = `ALTER TYPE ${sqlName(...wanted.name)}`;
  const renamed = renames(from, to);
  const steps: Step[] = renamed.map(([a, b]) =>
    safe(`${type} RENAME VALUE ${literalOrNull(a)} TO ${literalOrNull(b)}`),
  );
  const now = from.map((label) => renamed.find(([a]) => a === label)?.[1] ?? label);
  if (
    now.filter((label) => to.includes(label)).join('\0') !== to.filter((label) => now.includes(label)).join('\0') ||
    now.some((label) => !to.includes(label))
  )
    return null;
  for (const [i, label] of to.entries()) {
    if (now.includes(label)) continue;
    const place =
      i > 0 ? ` AFTER ${literalOrNull(to[i - 1]!)}` : now.length > 0 ? ` BEFORE ${literalOrNull(now[0]!)}` : '';
    steps.push(safe(`${type} ADD VALUE ${literalOrNull(label)}${place}`));
    now.splice(i, 0, label);
  }
  return steps;
}

function renames(from: readonly string[], to: readonly string[]): (readonly [string, string])[] {
  if (from.length !== to.length) return [];
  const pairs = from.flatMap((label, i) => (label === to[i] ? [] : [[label, to[i]!] as const]));
  return pairs.every(([a, b]) => !to.includes(a) && !from.includes(b)) ? pairs : [];
}

export function alterDomain(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] | null {
  const [from, to] = [there.props, wanted.props];
  const changed = (name: string): boolean => (from[name] ?? null) !== (to[name] ?? null);
  if (changed('type') || changed('collation')) return null;
  const alter = `ALTER DOMAIN ${sqlName(...wanted.name)}`;
  const value = to['default'] ?? null;
  return [
    ...(changed('default') ? [safe(value === null ? `${alter} DROP DEFAULT` : `${alter} SET DEFAULT ${value}`)] : []),
    ...(changed('not null')
      ? [to['not null'] === 't' ? locks(`${alter} SET NOT NULL`) : safe(`${alter} DROP NOT NULL`)]
      : []),
    ...commonSteps(there, wanted, writing),
  ];
}

export function createDomainConstraint(wanted: ManifestObject, writing: Writing): Step[] {
  const { name, props } = wanted;
  const notValid = props['valid'] === 'f' ? ' NOT VALID' : '';
  return [
    locks(
      `ALTER DOMAIN ${sqlName(name[0], name[1])} ADD CONSTRAINT ${bare(name[2]!)} ${props['definition']}${notValid}`,
    ),
    ...commonSteps(null, wanted, writing),
  ];
}

export function alterDomainConstraint(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] | null {
  if (
    there.props['definition'] !== wanted.props['definition'] ||
    (there.props['valid'] !== wanted.props['valid'] && wanted.props['valid'] === 'f')
  )
    return null;
  const validate =
    there.props['valid'] === wanted.props['valid']
      ? []
      : [locks(`ALTER DOMAIN ${sqlName(wanted.name[0], wanted.name[1])} VALIDATE CONSTRAINT ${bare(wanted.name[2]!)}`)];
  return [...validate, ...commonSteps(there, wanted, writing)];
}

export function addAttribute(wanted: ManifestObject, writing: Writing): Step[] {
  const { name, props } = wanted;
  return [
    locks(
      `ALTER TYPE ${sqlName(name[0], name[1])} ADD ATTRIBUTE ${bare(name[2]!)} ${props['type']}${collate(props['collation'])} CASCADE`,
    ),
    ...commonSteps(null, wanted, writing),
  ];
}

export function alterAttribute(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] {
  const { name, props } = wanted;
  const retyped =
    there.props['type'] !== props['type'] || (there.props['collation'] ?? null) !== (props['collation'] ?? null);
  const change = retyped
    ? [
        locks(
          `ALTER TYPE ${sqlName(name[0], name[1])} ALTER ATTRIBUTE ${bare(name[2]!)} TYPE ${props['type']}${collate(props['collation'])} CASCADE`,
        ),
      ]
    : [];
  return [...change, ...commonSteps(there, wanted, writing)];
}

export function dropAttribute({ name }: ManifestObject): Step {
  return loses(`ALTER TYPE ${sqlName(name[0], name[1])} DROP ATTRIBUTE ${bare(name[2]!)}`);
}

/** Temporary name of an old type until no column uses it. */
export function asideName(name: readonly string[]): string {
  return `${name[1]!.slice(0, 50)}_replaced`;
}

/** Replaces a type that no ALTER can change: its columns are moved to a new type, value by value as text. */
export function swapType(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] {
  const columns = [...writing.there.objects.values()].filter(
    ({ kind, name, props }) =>
      kind === 'column' &&
      usesType(props['type'] ?? '', there.name) &&
      relationOf(writing.there, name)?.kind.endsWith('table') === true,
  );
  const moves = columns.flatMap((column) => {
    const now = objectOf(writing.wanted, 'column', column.name);
    if (now === null || (column.facts['inherited'] === 't' && column.facts['local'] !== 't')) return [];
    const alter = `ALTER TABLE ${sqlName(column.name[0], column.name[1])} ALTER COLUMN ${bare(column.name[2]!)}`;
    const type = now.props['type']!;
    const text = type.endsWith('[]') ? 'text[]' : 'text';
    const value = (column.props['generated'] ?? null) === null ? (column.props['default'] ?? null) : null;
    return [
      ...(value === null ? [] : [safe(`${alter} DROP DEFAULT`)]),
      locks(`${alter} TYPE ${type} USING ${bare(column.name[2]!)}::${text}::${type}`),
      ...(value === null ? [] : [safe(`${alter} SET DEFAULT ${value}`)]),
    ];
  });
  const word = there.kind === 'domain' ? 'DOMAIN' : 'TYPE';
  return [
    safe(`ALTER ${word} ${sqlName(...there.name)} RENAME TO ${bare(asideName(there.name))}`),
    ...createType(wanted, writing),
    ...moves,
    safe(`DROP ${word} ${sqlName(there.name[0], asideName(there.name))}`),
  ];
}

export function usesType(type: string, name: readonly string[]): boolean {
  const sql = sqlName(name[0], name[1]);
  return type === sql || type.startsWith(`${sql}[`) || type.startsWith(`${sql}(`);
}
