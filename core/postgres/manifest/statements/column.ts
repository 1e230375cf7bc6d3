import type { ManifestObject } from '../types.ts';
import { commonSteps, optionChanges, parameterChanges } from './common.ts';
import { type Step, type Writing, bare, list, locks, loses, objectOf, relationOf, safe, sqlName } from './step.ts';

const storages: Readonly<Record<string, string>> = { p: 'PLAIN', e: 'EXTERNAL', m: 'MAIN', x: 'EXTENDED' };
const compressions: Readonly<Record<string, string>> = { p: 'pglz', l: 'lz4' };

/** `COLLATE …` of a property that holds [schema, name]. */
export function collate(text: string | null | undefined): string {
  const [schema, name] = list(text);
  return name === undefined ? '' : ` COLLATE ${sqlName(schema, name)}`;
}

/** A column within CREATE TABLE or ADD COLUMN. {@link columnRest} adds what that clause cannot express. */
export function columnDefinition(column: ManifestObject, writing: Writing, inForeign = false): string {
  const { props, name } = column;
  const type = `${bare(name[2]!)} ${props['type']}`;
  const options = inForeign ? optionChanges(null, props['foreign options'] ?? null) : '';
  return `${type}${options === '' ? '' : ` ${options}`}${collate(props['collation'])}${valueOf(column, writing)}${notNull(column)}`;
}

/** DEFAULT, GENERATED or nothing. */
export function valueOf(column: ManifestObject, writing: Writing): string {
  const { props } = column;
  if ((props['generated'] ?? null) !== null)
    return ` GENERATED ALWAYS AS (${props['default']})${props['generated'] === 'v' ? ' VIRTUAL' : ' STORED'}`;
  if ((props['identity'] ?? null) !== null) return ` ${identityClause(column, writing)}`;
  return (props['default'] ?? null) === null ? '' : ` DEFAULT ${props['default']}`;
}

export function notNull({ props }: ManifestObject): string {
  if (props['not null'] !== 't' || props['not null more']?.includes('NOT VALID') === true) return '';
  const named = (props['not null name'] ?? null) === null ? '' : ` CONSTRAINT ${bare(props['not null name']!)}`;
  return `${named} NOT NULL${props['not null more'] === 'NO INHERIT' ? ' NO INHERIT' : ''}`;
}

/** `GENERATED … AS IDENTITY (…)` with the sequence's name and definition. */
export function identityClause(column: ManifestObject, { wanted }: Writing): string {
  const sequence = identitySequence(column, wanted);
  const how = column.props['identity'] === 'a' ? 'ALWAYS' : 'BY DEFAULT';
  const options =
    sequence === null ? '' : ` (SEQUENCE NAME ${sqlName(...sequence.name)} ${sequenceOptions(sequence.props, false)})`;
  return `GENERATED ${how} AS IDENTITY${options}`;
}

export function identitySequence(column: ManifestObject, manifest: Writing['wanted']): ManifestObject | null {
  return sequencesOf(manifest).get(column.name.join('\0')) ?? null;
}

const sequences = new WeakMap<object, ReadonlyMap<string, ManifestObject>>();
function sequencesOf(manifest: Writing['wanted']): ReadonlyMap<string, ManifestObject> {
  let found = sequences.get(manifest);
  if (found === undefined) {
    found = new Map(
      [...manifest.objects.values()]
        .filter(({ kind, facts }) => kind === 'sequence' && facts['identity'] === 't')
        .map((one) => [list(one.props['owned by']).join('\0'), one]),
    );
    sequences.set(manifest, found);
  }
  return found;
}

export function sequenceOptions(props: ManifestObject['props'], type: boolean): string {
  return [
    type && props['type'] !== 'bigint' ? `AS ${props['type']}` : '',
    `INCREMENT BY ${props['increment']}`,
    `MINVALUE ${props['minimum']}`,
    `MAXVALUE ${props['maximum']}`,
    `START WITH ${props['start']}`,
    `CACHE ${props['cache']}`,
    props['cycle'] === 't' ? 'CYCLE' : 'NO CYCLE',
  ]
    .filter((part) => part !== '')
    .join(' ');
}

/** What a column's definition cannot express: from the existing column (null: a new one) to the wanted one. */
export function columnRest(there: ManifestObject | null, wanted: ManifestObject, writing: Writing): Step[] {
  const table = sqlName(wanted.name[0], wanted.name[1]);
  const column = bare(wanted.name[2]!);
  const word = relationOf(writing.wanted, wanted.name)?.kind === 'foreign table' ? 'FOREIGN TABLE' : 'TABLE';
  const only = `ALTER ${word} ONLY ${table} ALTER COLUMN ${column}`;
  const [from, to] = [there?.props ?? {}, wanted.props];
  const changed = (name: string): boolean => (from[name] ?? null) !== (to[name] ?? null);
  const steps: Step[] = [];
  if (changed('storage')) {
    const storage = to['storage'] ?? null;
    steps.push(safe(`${only} SET STORAGE ${storages[storage ?? wanted.facts['storage'] ?? 'x']}`));
  }
  if (changed('compression')) {
    const compression = to['compression'] ?? null;
    steps.push(safe(`${only} SET COMPRESSION ${compression === null ? 'default' : compressions[compression]}`));
  }
  if (changed('statistics target')) steps.push(safe(`${only} SET STATISTICS ${to['statistics target'] ?? '-1'}`));
  if (changed('options'))
    for (const change of parameterChanges(from['options'] ?? null, to['options'] ?? null))
      steps.push(safe(`${only} ${change}`));
  if (there === null && to['not null more']?.includes('NOT VALID') === true) {
    const inherit = to['not null more'].includes('NO INHERIT') ? ' NO INHERIT' : '';
    steps.push(
      safe(
        `ALTER TABLE ${table} ADD CONSTRAINT ${bare(wanted.facts['notnull'] ?? '')} NOT NULL ${column}${inherit} NOT VALID`,
      ),
    );
  }
  return [...steps, ...commonSteps(there, wanted, writing)];
}

/** A missing column of an existing table. */
export function addColumn(wanted: ManifestObject, writing: Writing): Step[] {
  const table = sqlName(wanted.name[0], wanted.name[1]);
  const relation = relationOf(writing.wanted, wanted.name);
  const foreign = relation?.kind === 'foreign table';
  const { props } = wanted;
  const rewrites =
    (props['generated'] ?? null) === 's' ||
    (props['identity'] ?? null) !== null ||
    isVolatile(props['default'] ?? null);
  const sql = `ALTER ${foreign ? 'FOREIGN TABLE' : 'TABLE'} ${table} ADD COLUMN ${columnDefinition(wanted, writing, foreign)}`;
  // A value that the source computed per row, such as clock_timestamp(), differs here.
  const effect =
    (props['generated'] ?? null) === null && rewrites
      ? 'source'
      : rewrites || (props['not null'] === 't' && (props['default'] ?? null) === null)
        ? 'lock'
        : 'safe';
  const filled =
    (props['default'] ?? null) === null && (props['generated'] ?? null) === null && !foreign ? 'source' : effect;
  return [{ sql, effect: filled === 'source' ? 'source' : effect }, ...columnRest(null, wanted, writing)];
}

function isVolatile(text: string | null): boolean {
  return text !== null && /\(/.test(text) && !/^(now\(\)|CURRENT_[A-Z]+)$/.test(text);
}

/** From one definition of a column to another; null if the column has to be dropped for that. */
export function alterColumn(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] | null {
  const table = sqlName(wanted.name[0], wanted.name[1]);
  const relation = relationOf(writing.wanted, wanted.name);
  const word = relation?.kind === 'foreign table' ? 'FOREIGN TABLE' : 'TABLE';
  const column = bare(wanted.name[2]!);
  const all = `ALTER ${word} ${table} ALTER COLUMN ${column}`;
  const only = `ALTER ${word} ONLY ${table} ALTER COLUMN ${column}`;
  const [from, to] = [there.props, wanted.props];
  const changed = (name: string): boolean => (from[name] ?? null) !== (to[name] ?? null);
  const steps: Step[] = [];
  const generated = generation(there, wanted, writing.major);
  if (generated === null) return null;
  const retyped = changed('type') || changed('collation');
  const plainDefault = (props: ManifestObject['props']): string | null =>
    (props['generated'] ?? null) === null ? (props['default'] ?? null) : null;
  if (retyped) {
    if (plainDefault(from) !== null) steps.push(safe(`${only} DROP DEFAULT`));
    // Inherited columns are changed in the parent.
    if (!changedInParent(wanted, writing))
      steps.push(locks(`${all} TYPE ${to['type']}${collate(to['collation'])} USING ${column}::${to['type']}`));
  }
  if (generated !== '')
    steps.push(
      generated.startsWith('SET') ? locks(`${only.replace(' ONLY', '')} ${generated}`) : safe(`${all} ${generated}`),
    );
  const nullable = nullability(there, wanted, { all, table, column });
  // An identity requires NOT NULL, and a column that was an identity may become nullable only after it.
  if (to['not null'] === 't') steps.push(...nullable);
  const identified = (to['identity'] ?? null) !== null && plainDefault(from) !== null;
  if (identified) steps.push(safe(`${only} DROP DEFAULT`));
  steps.push(...identitySteps(there, wanted, { all, writing }));
  const defaultNow = retyped || identified ? null : plainDefault(from);
  if (defaultNow !== plainDefault(to)) {
    const value = plainDefault(to);
    steps.push(safe(value === null ? `${only} DROP DEFAULT` : `${only} SET DEFAULT ${value}`));
  }
  if (to['not null'] !== 't') steps.push(...nullable);
  if (changed('foreign options'))
    steps.push(safe(`${only} ${optionChanges(from['foreign options'] ?? null, to['foreign options'] ?? null)}`));
  return [...steps, ...columnRest(there, wanted, writing)];
}

/** '': nothing to do; a clause of ALTER COLUMN; or null: the column has to be created again. */
function generation(there: ManifestObject, wanted: ManifestObject, major: number): string | null {
  const [from, to] = [there.props['generated'] ?? null, wanted.props['generated'] ?? null];
  if (from === to) {
    if (to === null || there.props['default'] === wanted.props['default']) return '';
    return major >= 17 ? `SET EXPRESSION AS (${wanted.props['default']})` : null;
  }
  return to === null && from === 's' ? 'DROP EXPRESSION' : null;
}

function identitySteps(
  there: ManifestObject,
  wanted: ManifestObject,
  { all, writing }: { readonly all: string; readonly writing: Writing },
): Step[] {
  const [from, to] = [there.props['identity'] ?? null, wanted.props['identity'] ?? null];
  // A dropped one was dropped before everything else (closure.ts).
  if (from === to || to === null) return [];
  if (from === null) return [safe(`${all} ADD ${identityClause(wanted, writing)}`)];
  return [safe(`${all} SET GENERATED ${to === 'a' ? 'ALWAYS' : 'BY DEFAULT'}`)];
}

function nullability(
  there: ManifestObject,
  wanted: ManifestObject,
  of: { readonly all: string; readonly table: string; readonly column: string },
): Step[] {
  const [from, to] = [there.props, wanted.props];
  const kept = there.facts['notnull'] ?? null;
  const name = to['not null name'] ?? null;
  const qualifier = to['not null more'] ?? null;
  if (from['not null'] === to['not null'] && (from['not null more'] ?? null) === qualifier) {
    const old = from['not null name'] ?? null;
    if (to['not null name'] === undefined || old === name || to['not null'] !== 't' || kept === null) return [];
    const named = name ?? wanted.facts['notnull'] ?? `${wanted.name[1]}_${wanted.name[2]}_not_null`;
    return kept === named ? [] : [safe(`ALTER TABLE ${of.table} RENAME CONSTRAINT ${bare(kept)} TO ${bare(named)}`)];
  }
  const drop = from['not null'] === 't' ? [safe(`${of.all} DROP NOT NULL`)] : [];
  if (to['not null'] !== 't') return drop;
  if (qualifier !== null || name !== null)
    return [
      ...(from['not null'] === 't' ? drop : []),
      locks(
        `ALTER TABLE ${of.table} ADD CONSTRAINT ${bare(wanted.facts['notnull'] ?? name!)} NOT NULL ${of.column}${qualifier === null ? '' : ` ${qualifier}`}`,
      ),
    ];
  return [...(from['not null'] === 't' ? drop : []), locks(`${of.all} SET NOT NULL`)];
}

/**
 * The column is created with the parent's column, which is missing as well; the statements here set its differences.
 * Null: it is not inherited.
 */
export function columnOfParent(wanted: ManifestObject, writing: Writing): Step[] | null {
  const attached = list<[string, string]>(relationOf(writing.there, wanted.name)?.props['parents']);
  const name = wanted.name[2]!;
  for (const [schema, table] of attached) {
    const parent = objectOf(writing.wanted, 'column', [schema, table, name]);
    if (parent === null || objectOf(writing.there, 'column', [schema, table, name]) !== null) continue;
    const start = {
      ...wanted,
      props: { ...parent.props, comment: null, acl: null, 'statistics target': null, options: null },
    };
    return alterColumn(start, wanted, writing) ?? [];
  }
  return null;
}

/** Its parent's column changes in the same way, and this one with it. */
function changedInParent(wanted: ManifestObject, { wanted: manifest, there }: Writing): boolean {
  const parents = list<[string, string]>(relationOf(manifest, wanted.name)?.props['parents']);
  const attached = list<[string, string]>(relationOf(there, wanted.name)?.props['parents']);
  return parents.some(([schema, name]) => {
    if (!attached.some((one) => one[0] === schema && one[1] === name)) return false;
    const [to, from] = [manifest, there].map((each) => objectOf(each, 'column', [schema, name, wanted.name[2]!]));
    return (
      to !== null &&
      from !== null &&
      (to!.props['type'] !== from!.props['type'] || to!.props['collation'] !== from!.props['collation'])
    );
  });
}

export function dropColumn(there: ManifestObject, manifest: Writing['there']): Step {
  const word = relationOf(manifest, there.name)?.kind === 'foreign table' ? 'FOREIGN TABLE' : 'TABLE';
  return loses(`ALTER ${word} ${sqlName(there.name[0], there.name[1])} DROP COLUMN ${bare(there.name[2]!)}`);
}
