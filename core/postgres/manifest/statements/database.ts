import { type Acl, defaultAcl, parseAcl, privilegesOf } from '../acl.ts';
import type { ManifestObject } from '../types.ts';
import { commonSteps, grants, optionChanges, optionMap } from './common.ts';
import { literalOrNull, objectTypes, reference } from './refs.ts';
import { type Step, type Writing, bare, list, needsSource, safe, sqlName } from './step.ts';

export function alterDatabase(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] {
  // The target's database has a name of its own.
  const here = { ...wanted, facts: there.facts };
  return [...settingSteps(there, wanted, `ALTER ${reference(here)}`), ...commonSteps(there, here, writing)];
}

export function roleSettings(
  there: ManifestObject | null,
  wanted: ManifestObject,
  { there: manifest }: Writing,
): Step[] {
  const database = manifest.objects.get('database\0database')?.facts['name'] ?? wanted.facts['database'] ?? '';
  return settingSteps(there, wanted, `ALTER ROLE ${bare(wanted.name[0]!)} IN DATABASE ${bare(database)}`);
}

export function dropRoleSettings(there: ManifestObject): Step[] {
  return [safe(`ALTER ROLE ${bare(there.name[0]!)} IN DATABASE ${bare(there.facts['database'] ?? '')} RESET ALL`)];
}

/** Lists are stored as the text of SET: each of their elements is quoted in it. */
const listSettings: ReadonlySet<string> = new Set([
  'DateStyle',
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'temp_tablespaces',
]);

function settingSteps(there: ManifestObject | null, wanted: ManifestObject, alter: string): Step[] {
  const [from, to] = [optionMap(there?.props['settings'] ?? null), optionMap(wanted.props['settings'] ?? null)];
  const value = (name: string, text: string): string =>
    listSettings.has(name) && text !== '' ? text : literalOrNull(text);
  return [
    ...[...to]
      .filter(([name, text]) => from.get(name) !== text)
      .map(([name, text]) => safe(`${alter} SET ${settingName(name)} TO ${value(name, text)}`)),
    ...[...from.keys()].filter((name) => !to.has(name)).map((name) => safe(`${alter} RESET ${settingName(name)}`)),
  ];
}

function settingName(name: string): string {
  return name.split('.').map(bare).join('.');
}

export function createSchema(wanted: ManifestObject, writing: Writing): Step[] {
  return [safe(`CREATE SCHEMA ${bare(wanted.name[0]!)}`), ...commonSteps(null, wanted, writing)];
}

export function createExtension(wanted: ManifestObject, writing: Writing): Step[] {
  const { name, props } = wanted;
  return [
    safe(`CREATE EXTENSION ${bare(name[0]!)} WITH SCHEMA ${bare(props['schema']!)}`),
    ...commonSteps(null, wanted, writing),
  ];
}

export function alterExtension(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] {
  const alter = `ALTER ${reference(wanted)}`;
  const { props } = wanted;
  return [
    ...(there.props['version'] === props['version']
      ? []
      : [safe(`${alter} UPDATE TO ${literalOrNull(props['version']!)}`)]),
    ...(there.props['schema'] === props['schema'] ? [] : [safe(`${alter} SET SCHEMA ${bare(props['schema']!)}`)]),
    ...commonSteps(there, wanted, writing),
  ];
}

export function defaultPrivileges(
  there: ManifestObject | null,
  wanted: ManifestObject | null,
  writing: Writing,
): Step[] {
  const { name } = (wanted ?? there)!;
  const [role, schema, letter] = name as [string, string, string];
  const type = letter === 'S' ? 's' : letter;
  // Without a schema they replace the kind's own privileges; with a schema they are added to them.
  const base: Acl = schema === '' ? defaultAcl(type, writing.major) : {};
  const acl = (object: ManifestObject | null): Acl => {
    const text = object?.props['acl'] ?? 'default';
    return text === 'default' ? base : parseAcl(text);
  };
  const words = `ALTER DEFAULT PRIVILEGES FOR ROLE ${bare(role)}${schema === '' ? '' : ` IN SCHEMA ${bare(schema)}`} `;
  return grants({
    from: acl(there),
    to: acl(wanted),
    all: privilegesOf(type, writing.major),
    on: objectTypes[letter] ?? letter,
    owner: bare(role),
    column: null,
    prefix: words,
  });
}

export function createWrapper(wanted: ManifestObject, writing: Writing): Step[] {
  const { props } = wanted;
  const handler = (props['handler'] ?? null) === null ? '' : ` HANDLER ${props['handler']}`;
  const validator = (props['validator'] ?? null) === null ? '' : ` VALIDATOR ${props['validator']}`;
  return [
    safe(`CREATE ${reference(wanted)}${handler}${validator}${options(null, wanted)}`),
    ...commonSteps(null, wanted, writing),
  ];
}

function options(there: ManifestObject | null, wanted: ManifestObject): string {
  const text = optionChanges(there?.props['foreign options'] ?? null, wanted.props['foreign options'] ?? null);
  return text === '' ? '' : ` ${text}`;
}

export function createServer(wanted: ManifestObject, writing: Writing): Step[] {
  const { props } = wanted;
  const type = (props['type'] ?? null) === null ? '' : ` TYPE ${literalOrNull(props['type']!)}`;
  const version = (props['version'] ?? null) === null ? '' : ` VERSION ${literalOrNull(props['version']!)}`;
  return [
    safe(
      `CREATE ${reference(wanted)}${type}${version} FOREIGN DATA WRAPPER ${bare(props['wrapper']!)}${options(null, wanted)}`,
    ),
    ...commonSteps(null, wanted, writing),
  ];
}

export function alterForeign(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] | null {
  const { kind, props } = wanted;
  const differs = (name: string): boolean => (there.props[name] ?? null) !== (props[name] ?? null);
  if (differs('wrapper') || differs('type')) return null;
  const clauses =
    kind === 'foreign data wrapper'
      ? wrapperClauses(differs, props)
      : differs('version')
        ? ` VERSION ${literalOrNull(props['version'] ?? null)}`
        : '';
  const changed = `${clauses}${differs('foreign options') ? options(there, wanted) : ''}`;
  return [
    ...(changed === '' ? [] : [safe(`ALTER ${reference(wanted)}${changed}`)]),
    ...commonSteps(there, wanted, writing),
  ];
}

function wrapperClauses(differs: (name: string) => boolean, props: ManifestObject['props']): string {
  const clause = (name: string): string => {
    if (!differs(name)) return '';
    return (props[name] ?? null) === null ? ` NO ${name.toUpperCase()}` : ` ${name.toUpperCase()} ${props[name]}`;
  };
  return `${clause('handler')}${clause('validator')}`;
}

/** Its password exists only on the source. */
export function createMapping(wanted: ManifestObject): Step[] {
  const shown = list(wanted.facts['options']).filter((one) => !one.startsWith('password='));
  const text = optionChanges(null, shown.length === 0 ? null : JSON.stringify(shown));
  return [needsSource(`CREATE ${reference(wanted)}${text === '' ? '' : ` ${text}`}`)];
}

type Published = readonly [string, string, readonly string[] | null, string | null];

export function createPublication(wanted: ManifestObject, writing: Writing): Step[] {
  const { props } = wanted;
  const whole = publishedWhole(props);
  const targets = whole === '' ? publishedList(wanted) : ` FOR ${whole}`;
  return [
    safe(`CREATE ${reference(wanted)}${targets} WITH (${parameters(wanted)})`),
    ...commonSteps(null, wanted, writing),
  ];
}

/** Sequences and EXCEPT are of PostgreSQL 19. */
function publishedWhole(props: ManifestObject['props']): string {
  const except = list<readonly [string, string]>(props['except']).map(([schema, table]) => sqlName(schema, table));
  const tables = `ALL TABLES${except.length === 0 ? '' : ` EXCEPT (TABLE ${except.join(', ')})`}`;
  return [
    ...(props['all tables'] === 't' ? [tables] : []),
    ...(props['all sequences'] === 't' ? ['ALL SEQUENCES'] : []),
  ].join(', ');
}

function publishedList({ props }: ManifestObject): string {
  const tables = list<Published>(props['tables']).map(([schema, table, columns, where]) => {
    const chosen = columns === null ? '' : ` (${columns.map(bare).join(', ')})`;
    return `ONLY ${sqlName(schema, table)}${chosen}${where === null ? '' : ` WHERE ${where.startsWith('(') ? where : `(${where})`}`}`;
  });
  const schemas = list(props['schemas']).map((schema) => `TABLES IN SCHEMA ${bare(schema)}`);
  // One list: 14 does not accept the word twice.
  const all = [...(tables.length === 0 ? [] : [`TABLE ${tables.join(', ')}`]), ...schemas];
  return all.length === 0 ? '' : ` FOR ${all.join(', ')}`;
}

function parameters({ props }: ManifestObject): string {
  const generated = (props['generated columns'] ?? null) === null ? '' : `, publish_generated_columns = stored`;
  return `publish = '${props['publish']}', publish_via_partition_root = ${props['via root'] === 't'}${generated}`;
}

export function alterPublication(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] | null {
  const differs = (name: string): boolean => (there.props[name] ?? null) !== (wanted.props[name] ?? null);
  if (['all tables', 'all sequences', 'except', 'generated columns'].some(differs)) return null;
  const targets = publishedList(wanted);
  // SET requires at least one element; a publication without any is created again.
  if ((differs('tables') || differs('schemas')) && targets === '') return null;
  return [
    ...(differs('tables') || differs('schemas')
      ? [safe(`ALTER ${reference(wanted)} SET${targets.replace(/^ FOR/, '')}`)]
      : []),
    ...(differs('publish') || differs('via root')
      ? [safe(`ALTER ${reference(wanted)} SET (${parameters(wanted)})`)]
      : []),
    ...commonSteps(there, wanted, writing),
  ];
}

/**
 * Its connection string, with the password, exists only on the source; and a second subscriber of one publication is
 * rarely wanted.
 */
export function createSubscription(wanted: ManifestObject): Step[] {
  const names = list(wanted.props['publications']).map(bare).join(', ');
  return [
    needsSource(
      `CREATE ${reference(wanted)} CONNECTION 'dbname=…' PUBLICATION ${names} WITH (connect = false, slot_name = NONE)`,
    ),
  ];
}
