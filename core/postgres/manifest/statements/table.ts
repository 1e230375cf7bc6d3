import type { ManifestObject } from '../types.ts';
import { alterColumn, columnDefinition, columnRest } from './column.ts';
import { commonSteps, optionChanges, parameterChanges, withParameters } from './common.ts';
import { type Step, type Writing, bare, list, locks, objectOf, safe, sqlName } from './step.ts';

/** CREATE TABLE, columns and all. A partition is made alone and attached later, when it has the indexes of its parent. */
export function createTable(wanted: ManifestObject, writing: Writing): Step[] {
  const { props, kind } = wanted;
  const table = sqlName(...wanted.name);
  const columns = writing.columnsOf(writing.wanted, wanted.name);
  const partition = isPartition(wanted);
  const parents = partition ? [] : list<[string, string]>(props['parents']);
  const ofType = props['of type'] ?? null;
  const own = ofType !== null ? [] : columns.filter((column) => partition || column.facts['local'] !== 'f');
  const lines = [
    ...own.map((column) => columnDefinition(column, writing, kind === 'foreign table')),
    ...inheritedChecks(wanted, writing),
  ];
  const body = ofType !== null ? ` OF ${ofType}` : ` (${lines.length === 0 ? '' : `\n  ${lines.join(',\n  ')}\n`})`;
  const words = `CREATE ${props['persistence'] === 'u' ? 'UNLOGGED ' : ''}${kind.toUpperCase()} ${table}${body}`;
  const inherits = parents.length === 0 ? '' : ` INHERITS (${parents.map((parent) => sqlName(...parent)).join(', ')})`;
  const by = (props['partition key'] ?? null) === null ? '' : ` PARTITION BY ${props['partition key']}`;
  const using = (props['access method'] ?? null) === null ? '' : ` USING ${bare(props['access method']!)}`;
  const server = kind === 'foreign table' ? ` SERVER ${bare(props['server']!)}` : '';
  const options = kind === 'foreign table' ? spaced(optionChanges(null, props['foreign options'] ?? null)) : '';
  const parameters = withParameters(props['options'] ?? null, props['toast options'] ?? null);
  return [
    safe(`${words}${inherits}${by}${using}${server}${options}${parameters}`),
    ...columns.flatMap((column) => afterCreation(column, own.includes(column), writing)),
    ...rowSecurity(null, wanted),
    ...commonSteps(null, wanted, writing),
  ];
}

function spaced(text: string): string {
  return text === '' ? '' : ` ${text}`;
}

export function isPartition({ props }: ManifestObject): boolean {
  return (props['partition bound'] ?? null) !== null;
}

/** ATTACH requires that a partition has the checks of its parent. */
function inheritedChecks(wanted: ManifestObject, { wanted: manifest, constraintsOf }: Writing): string[] {
  if (!isPartition(wanted)) return [];
  return constraintsOf(manifest, wanted.name)
    .filter(({ facts }) => facts['type'] === 'c' && facts['inherited'] === 't')
    .map(({ name, props }) => `CONSTRAINT ${bare(name[2]!)} ${props['definition']}`);
}

/** Columns from a parent or a type are created as they are there, and then altered. */
function afterCreation(column: ManifestObject, defined: boolean, writing: Writing): Step[] {
  if (defined) return columnRest(null, column, writing);
  const relation = writing.wanted.objects.get(`table\0${column.name[0]}\0${column.name[1]}`);
  const parents = list<[string, string]>(relation?.props['parents']);
  const given = parents.flatMap(
    ([schema, name]) => objectOf(writing.wanted, 'column', [schema, name, column.name[2]!]) ?? [],
  )[0];
  const bareColumn: ManifestObject = {
    ...column,
    facts: {},
    props: { type: column.props['type'] ?? null, collation: column.props['collation'] ?? null, 'not null': 'f' },
  };
  const start =
    given === undefined
      ? bareColumn
      : {
          ...column,
          props: { ...given.props, comment: null, acl: null, 'statistics target': null, options: null },
        };
  return alterColumn(start, column, writing) ?? [];
}

function rowSecurity(there: ManifestObject | null, { name, props }: ManifestObject): Step[] {
  const alter = `ALTER TABLE ${sqlName(...name)}`;
  const steps: Step[] = [];
  const now = (prop: string): string => there?.props[prop] ?? 'f';
  if (now('row security') !== (props['row security'] ?? 'f'))
    steps.push(safe(`${alter} ${props['row security'] === 't' ? 'ENABLE' : 'DISABLE'} ROW LEVEL SECURITY`));
  if (now('forced row security') !== (props['forced row security'] ?? 'f'))
    steps.push(safe(`${alter} ${props['forced row security'] === 't' ? 'FORCE' : 'NO FORCE'} ROW LEVEL SECURITY`));
  return steps;
}

/** After its indexes exist: the steps that need them. */
export function attachTable(there: ManifestObject | null, wanted: ManifestObject): Step[] {
  const table = sqlName(...wanted.name);
  const bound = wanted.props['partition bound'] ?? null;
  const same =
    (there?.props['partition bound'] ?? null) === bound &&
    (there?.props['parents'] ?? null) === (wanted.props['parents'] ?? null);
  if (bound === null || same) return [];
  const parent = list<[string, string]>(wanted.props['parents'])[0]!;
  return [locks(`ALTER TABLE ONLY ${sqlName(...parent)} ATTACH PARTITION ${table} ${bound}`)];
}

export function replicaIdentity(there: ManifestObject | null, wanted: ManifestObject): Step[] {
  const identity = wanted.props['replica identity'] ?? null;
  if (wanted.kind !== 'table' || identity === (there?.props['replica identity'] ?? null)) return [];
  const words = identity === null ? 'DEFAULT' : identity.replace(/^INDEX/, 'USING INDEX');
  return [safe(`ALTER TABLE ONLY ${sqlName(...wanted.name)} REPLICA IDENTITY ${words}`)];
}

/** Null if the table would have to be created again: its rows would be lost, and no statement is written for that. */
export function alterTable(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] | null {
  const [from, to] = [there.props, wanted.props];
  const changed = (name: string): boolean => (from[name] ?? null) !== (to[name] ?? null);
  if (changed('partition key') || changed('server')) return null;
  const table = sqlName(...wanted.name);
  const alter = `ALTER ${wanted.kind === 'foreign table' ? 'FOREIGN TABLE' : 'TABLE'} ${table}`;
  const steps: Step[] = [...parentSteps(there, wanted, alter)];
  if (changed('persistence')) steps.push(locks(`${alter} SET ${to['persistence'] === 'u' ? 'UNLOGGED' : 'LOGGED'}`));
  if (changed('access method')) steps.push(locks(`${alter} SET ACCESS METHOD ${bare(to['access method'] ?? 'heap')}`));
  if (changed('of type'))
    steps.push(safe((to['of type'] ?? null) === null ? `${alter} NOT OF` : `${alter} OF ${to['of type']}`));
  if (changed('options'))
    steps.push(
      ...parameterChanges(from['options'] ?? null, to['options'] ?? null).map((one) => safe(`${alter} ${one}`)),
    );
  if (changed('toast options'))
    steps.push(
      ...parameterChanges(from['toast options'] ?? null, to['toast options'] ?? null, 'toast.').map((one) =>
        safe(`${alter} ${one}`),
      ),
    );
  if (changed('foreign options'))
    steps.push(safe(`${alter} ${optionChanges(from['foreign options'] ?? null, to['foreign options'] ?? null)}`));
  return [...steps, ...rowSecurity(there, wanted), ...commonSteps(there, wanted, writing)];
}

/** DETACH and NO INHERIT, then INHERIT; ATTACH comes later. */
function parentSteps(there: ManifestObject, wanted: ManifestObject, alter: string): Step[] {
  const steps = leaving(there, wanted).map((parent) =>
    locks(isPartition(there) ? detach(parent, there) : `${alter} NO INHERIT ${parent}`),
  );
  const before = parentsOf(there);
  if (!isPartition(wanted))
    for (const parent of parentsOf(wanted))
      if (!before.includes(parent) || isPartition(there)) steps.push(locks(`${alter} INHERIT ${parent}`));
  return steps;
}

/** The statements that detach a partition from parents that it no longer has, or not with this bound. */
export function detaching(there: ManifestObject, wanted: ManifestObject): readonly string[] {
  return isPartition(there) ? leaving(there, wanted).map((parent) => detach(parent, there)) : [];
}

const parentsOf = ({ props }: ManifestObject): readonly string[] =>
  list<[string, string]>(props['parents']).map((parent) => sqlName(...parent));

function leaving(there: ManifestObject, wanted: ManifestObject): readonly string[] {
  const bounds = (there.props['partition bound'] ?? null) !== (wanted.props['partition bound'] ?? null);
  const after = parentsOf(wanted);
  return parentsOf(there).filter((parent) => bounds || !after.includes(parent));
}

function detach(parent: string, { name }: ManifestObject): string {
  return `ALTER TABLE ONLY ${parent} DETACH PARTITION ${sqlName(...name)}`;
}
