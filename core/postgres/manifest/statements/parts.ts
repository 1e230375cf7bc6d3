import type { ManifestObject } from '../types.ts';
import { commonSteps, parameterChanges, withParameters } from './common.ts';
import { sequenceOptions } from './column.ts';
import { type Step, type Writing, bare, list, locks, relationOf, safe, sqlName } from './step.ts';

export function createConstraint(wanted: ManifestObject, writing: Writing): Step[] {
  const { name, facts } = wanted;
  const relation = relationOf(writing.wanted, name);
  const isNew = relationOf(writing.there, name) === null;
  // A check of the parent is inherited, or existed before the table was attached.
  if (facts['type'] === 'c' && facts['inherited'] === 't' && (facts['partition'] === 't' || facts['local'] === 'f'))
    return isNew || fromParent(wanted, writing) ? commonSteps(null, wanted, writing) : [addition(wanted, '', relation)];
  const alone = ['p', 'u', 'x'].includes(facts['type'] ?? '') ? 'ONLY ' : '';
  return [addition(wanted, alone, relation), ...commonSteps(null, wanted, writing)];
}

function addition({ name, props, facts }: ManifestObject, only: string, relation: ManifestObject | null): Step {
  const word = relation?.kind === 'foreign table' ? 'FOREIGN TABLE' : 'TABLE';
  const notValid =
    props['valid'] === 'f' &&
    props['definition']?.endsWith(' NOT ENFORCED') !== true &&
    ['c', 'f'].includes(facts['type'] ?? '')
      ? ' NOT VALID'
      : '';
  const sql = `ALTER ${word} ${only}${sqlName(name[0], name[1])} ADD CONSTRAINT ${bare(name[2]!)} ${props['definition']}${notValid}`;
  return notValid === '' ? locks(sql) : safe(sql);
}

/** The parent's constraint is missing as well, and creates this one. */
function fromParent(wanted: ManifestObject, { there, wanted: manifest }: Writing): boolean {
  const parents = list<[string, string]>(relationOf(manifest, wanted.name)?.props['parents']);
  return parents.some(([schema, name]) => {
    const key = `constraint\0${schema}\0${name}\0${wanted.name[2]}`;
    return manifest.objects.has(key) && !there.objects.has(key);
  });
}

export function alterConstraint(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] | null {
  if (there.props['definition'] !== wanted.props['definition']) return null;
  const steps: Step[] = [];
  if (there.props['valid'] !== wanted.props['valid']) {
    if (wanted.props['valid'] === 'f') return null;
    steps.push(
      locks(`ALTER TABLE ${sqlName(wanted.name[0], wanted.name[1])} VALIDATE CONSTRAINT ${bare(wanted.name[2]!)}`),
    );
  }
  return [...steps, ...commonSteps(there, wanted, writing)];
}

export function createIndex(wanted: ManifestObject, writing: Writing): Step[] {
  const { props, facts } = wanted;
  const index = sqlName(...wanted.name);
  const own = (props['constraint'] ?? null) === null;
  const main = own
    ? [locks(facts['create'] ?? '')]
    : parameterChanges(null, props['options'] ?? null).map((one) => safe(`ALTER INDEX ${index} ${one}`));
  return [...main, ...attachIndex(wanted, writing), ...indexRest(null, wanted), ...commonSteps(null, wanted, writing)];
}

/**
 * A new table's indexes find their parents when the table is attached. A table that is not part of the request keeps
 * its place.
 */
function attachIndex(wanted: ManifestObject, { there, wanted: manifest }: Writing): Step[] {
  const parent = list(wanted.props['parent']);
  const table = list(wanted.props['table']);
  if (parent.length === 0) return [];
  const now = relationOf(there, table);
  const then = relationOf(manifest, table) ?? now;
  if (now === null || now.props['parents'] !== then?.props['parents']) return [];
  return [safe(`ALTER INDEX ${sqlName(...parent)} ATTACH PARTITION ${sqlName(...wanted.name)}`)];
}

function indexRest(there: ManifestObject | null, wanted: ManifestObject): Step[] {
  const table = sqlName(...list(wanted.props['table']));
  const steps: Step[] = [];
  if ((there?.props['clustered'] ?? 'f') !== wanted.props['clustered'])
    steps.push(
      safe(
        wanted.props['clustered'] === 't'
          ? `ALTER TABLE ${table} CLUSTER ON ${bare(wanted.name[1]!)}`
          : `ALTER TABLE ${table} SET WITHOUT CLUSTER`,
      ),
    );
  const [before, after] = [there, wanted].map(
    (object) => new Map(list<[number, number]>(object?.props['statistics targets'])),
  ) as [Map<number, number>, Map<number, number>];
  for (const column of new Set([...before.keys(), ...after.keys()]))
    if (before.get(column) !== after.get(column))
      steps.push(
        safe(`ALTER INDEX ${sqlName(...wanted.name)} ALTER COLUMN ${column} SET STATISTICS ${after.get(column) ?? -1}`),
      );
  return steps;
}

export function alterIndex(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] | null {
  const [from, to] = [there.props, wanted.props];
  const changed = (name: string): boolean => (from[name] ?? null) !== (to[name] ?? null);
  if (
    changed('definition') ||
    changed('constraint') ||
    changed('table') ||
    (changed('valid') && from['valid'] === 'f' && (to['parent'] ?? null) !== null)
  )
    return null;
  if (
    changed('valid') &&
    from['valid'] === 'f' &&
    relationOf(writing.wanted, list(to['table']))?.props['partition key'] === null
  )
    return null;
  const options = changed('options')
    ? parameterChanges(from['options'] ?? null, to['options'] ?? null).map((one) =>
        safe(`ALTER INDEX ${sqlName(...wanted.name)} ${one}`),
      )
    : [];
  const attach = changed('parent') ? attachIndex(wanted, writing) : [];
  return [...options, ...attach, ...indexRest(there, wanted), ...commonSteps(there, wanted, writing)];
}

const enabled: Readonly<Record<string, string>> = {
  O: 'ENABLE',
  D: 'DISABLE',
  R: 'ENABLE REPLICA',
  A: 'ENABLE ALWAYS',
};

function enabling(there: ManifestObject | null, wanted: ManifestObject, word: 'TRIGGER' | 'RULE'): Step[] {
  const state = wanted.props['enabled'] ?? 'O';
  if ((there?.props['enabled'] ?? 'O') === state) return [];
  return [
    safe(`ALTER TABLE ${sqlName(wanted.name[0], wanted.name[1])} ${enabled[state]} ${word} ${bare(wanted.name[2]!)}`),
  ];
}

export function createTrigger(wanted: ManifestObject, writing: Writing): Step[] {
  return [
    safe(wanted.props['definition'] ?? ''),
    ...enabling(null, wanted, 'TRIGGER'),
    ...commonSteps(null, wanted, writing),
  ];
}

export function alterTrigger(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] | null {
  if (there.props['definition'] !== wanted.props['definition']) return null;
  return [...enabling(there, wanted, 'TRIGGER'), ...commonSteps(there, wanted, writing)];
}

export function createRule(wanted: ManifestObject, writing: Writing): Step[] {
  return [
    safe(withoutSemicolon(wanted.props['definition'] ?? '')),
    ...enabling(null, wanted, 'RULE'),
    ...commonSteps(null, wanted, writing),
  ];
}

export function alterRule(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] | null {
  if (there.props['definition'] !== wanted.props['definition']) return null;
  return [...enabling(there, wanted, 'RULE'), ...commonSteps(there, wanted, writing)];
}

const commands: Readonly<Record<string, string>> = { '*': 'ALL', r: 'SELECT', a: 'INSERT', w: 'UPDATE', d: 'DELETE' };

export function createPolicy(wanted: ManifestObject, writing: Writing): Step[] {
  const { name, props } = wanted;
  const kind = props['permissive'] === 't' ? '' : ' AS RESTRICTIVE';
  const using = (props['using'] ?? null) === null ? '' : ` USING (${props['using']})`;
  const check = (props['with check'] ?? null) === null ? '' : ` WITH CHECK (${props['with check']})`;
  const sql = `CREATE POLICY ${bare(name[2]!)} ON ${sqlName(name[0], name[1])}${kind} FOR ${commands[props['command'] ?? '*']} TO ${roleList(props['roles'])}${using}${check}`;
  return [safe(sql), ...commonSteps(null, wanted, writing)];
}

function roleList(text: string | null | undefined): string {
  return list(text)
    .map((role) => (role === '' ? 'PUBLIC' : bare(role)))
    .join(', ');
}

export function createStatistics(wanted: ManifestObject, writing: Writing): Step[] {
  const target = wanted.props['target'] ?? null;
  return [
    safe(wanted.props['definition'] ?? ''),
    ...(target === null ? [] : [safe(`ALTER STATISTICS ${sqlName(...wanted.name)} SET STATISTICS ${target}`)]),
    ...commonSteps(null, wanted, writing),
  ];
}

export function alterStatistics(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] | null {
  if (there.props['definition'] !== wanted.props['definition'] || there.props['table'] !== wanted.props['table'])
    return null;
  const target =
    (there.props['target'] ?? null) === (wanted.props['target'] ?? null)
      ? []
      : [safe(`ALTER STATISTICS ${sqlName(...wanted.name)} SET STATISTICS ${wanted.props['target'] ?? -1}`)];
  return [...target, ...commonSteps(there, wanted, writing)];
}

export function createView(wanted: ManifestObject, writing: Writing, replace = false): Step[] {
  const { kind, props, facts } = wanted;
  const using = (props['access method'] ?? null) === null ? '' : ` USING ${bare(props['access method']!)}`;
  const noData = kind === 'materialized view' && facts['populated'] === 'f' ? ' WITH NO DATA' : '';
  const create = replace ? 'CREATE OR REPLACE' : 'CREATE';
  const sql = `${create} ${kind.toUpperCase()} ${sqlName(...wanted.name)}${using}${withParameters(props['options'] ?? null)} AS\n${withoutSemicolon(props['definition'] ?? '')}${noData}`;
  const main = kind === 'view' ? safe(sql) : locks(sql);
  if (replace) return [main];
  return [
    main,
    ...writing.columnsOf(writing.wanted, wanted.name).flatMap((column) => viewColumn(null, column, writing)),
    ...commonSteps(null, wanted, writing),
  ];
}

/** Defaults, statistics targets, storage, comments and grants of a view's columns. */
export function viewColumn(there: ManifestObject | null, wanted: ManifestObject, writing: Writing): Step[] {
  const relation = relationOf(writing.wanted, wanted.name);
  const alter = `ALTER ${relation?.kind === 'view' ? 'VIEW' : 'MATERIALIZED VIEW'} ${sqlName(wanted.name[0], wanted.name[1])} ALTER COLUMN ${bare(wanted.name[2]!)}`;
  const steps: Step[] = [];
  const value = wanted.props['default'] ?? null;
  if (value !== (there?.props['default'] ?? null))
    steps.push(safe(value === null ? `${alter} DROP DEFAULT` : `${alter} SET DEFAULT ${value}`));
  const target = wanted.props['statistics target'] ?? null;
  if (target !== (there?.props['statistics target'] ?? null))
    steps.push(safe(`${alter} SET STATISTICS ${target ?? -1}`));
  return [...steps, ...commonSteps(there, wanted, writing)];
}

/** Replaced in place if no column changes; otherwise created again. */
export function alterView(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] | null {
  const [from, to] = [there.props, wanted.props];
  const changed = (name: string): boolean => (from[name] ?? null) !== (to[name] ?? null);
  const kind = wanted.kind.toUpperCase();
  const shape = (manifest: Writing['there'], name: readonly string[]): string =>
    JSON.stringify(
      writing
        .columnsOf(manifest, name)
        .map((column) => [column.name[2], column.props['type'], column.props['collation']]),
    );
  const steps: Step[] = [];
  if (changed('definition')) {
    if (wanted.kind === 'materialized view' || shape(writing.there, there.name) !== shape(writing.wanted, wanted.name))
      return null;
    steps.push(...createView(wanted, writing, true));
  } else if (changed('options')) {
    steps.push(
      ...parameterChanges(from['options'] ?? null, to['options'] ?? null).map((one) =>
        safe(`ALTER ${kind} ${sqlName(...wanted.name)} ${one}`),
      ),
    );
  }
  if (changed('access method'))
    steps.push(
      locks(`ALTER ${kind} ${sqlName(...wanted.name)} SET ACCESS METHOD ${bare(to['access method'] ?? 'heap')}`),
    );
  return [...steps, ...commonSteps(there, wanted, writing)];
}

export function createSequence(wanted: ManifestObject, writing: Writing): Step[] {
  // An identity's sequence is created with its column.
  if (wanted.facts['identity'] === 't') return persistence(null, wanted, commonSteps(null, wanted, writing));
  const unlogged = wanted.props['persistence'] === 'u' ? 'UNLOGGED ' : '';
  return [
    safe(`CREATE ${unlogged}SEQUENCE ${sqlName(...wanted.name)} ${sequenceOptions(wanted.props, true)}`),
    ...commonSteps(null, wanted, writing),
  ];
}

function persistence(there: ManifestObject | null, wanted: ManifestObject, others: readonly Step[]): Step[] {
  if (
    wanted.facts['identity'] === 't' ||
    (there?.props['persistence'] ?? null) === (wanted.props['persistence'] ?? null)
  )
    return [...others];
  return [
    safe(
      `ALTER SEQUENCE ${sqlName(...wanted.name)} SET ${wanted.props['persistence'] === 'u' ? 'UNLOGGED' : 'LOGGED'}`,
    ),
    ...others,
  ];
}

/** OWNED BY, once the column exists. */
export function ownSequence(there: ManifestObject | null, wanted: ManifestObject): Step[] {
  const owner = wanted.props['owned by'] ?? null;
  if (wanted.facts['identity'] === 't' || owner === (there?.props['owned by'] ?? null)) return [];
  return [
    safe(`ALTER SEQUENCE ${sqlName(...wanted.name)} OWNED BY ${owner === null ? 'NONE' : sqlName(...list(owner))}`),
  ];
}

export function alterSequence(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] | null {
  if ((there.facts['identity'] === 't') !== (wanted.facts['identity'] === 't')) return [];
  const definition = ['type', 'start', 'increment', 'minimum', 'maximum', 'cache', 'cycle'];
  const alter = `ALTER SEQUENCE ${sqlName(...wanted.name)}`;
  const changed = definition.some((name) => there.props[name] !== wanted.props[name]);
  const type = there.props['type'] === wanted.props['type'] ? '' : `AS ${wanted.props['type']} `;
  return persistence(there, wanted, [
    ...(changed ? [safe(`${alter} ${type}${sequenceOptions(wanted.props, false)}`)] : []),
    ...commonSteps(there, wanted, writing),
  ]);
}

export function withoutSemicolon(text: string): string {
  return text.trim().replace(/;$/, '');
}
