import type { ManifestObject } from '../types.ts';
import { commonSteps } from './common.ts';
import { literalOrNull, reference } from './refs.ts';
import { type Step, type Writing, bare, list, safe, sqlName } from './step.ts';

export function createFunction(wanted: ManifestObject, writing: Writing): Step[] {
  return [safe((wanted.props['definition'] ?? '').trimEnd()), ...commonSteps(null, wanted, writing)];
}

export function alterFunction(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] | null {
  if (there.props['result'] !== wanted.props['result'] || there.props['arguments'] !== wanted.props['arguments'])
    return null;
  const replace =
    there.props['definition'] === wanted.props['definition']
      ? []
      : [safe((wanted.props['definition'] ?? '').trimEnd())];
  return [...replace, ...commonSteps(there, wanted, writing)];
}

const modifies: Readonly<Record<string, string>> = { r: 'READ_ONLY', s: 'SHAREABLE', w: 'READ_WRITE' };

export function createAggregate(wanted: ManifestObject, writing: Writing): Step[] {
  const { props, name, facts } = wanted;
  const given = (words: string, prop: string): string[] =>
    (props[prop] ?? null) === null ? [] : [`${words} = ${props[prop]}`];
  const flag = (words: string, prop: string): string[] => (props[prop] === 't' ? [words] : []);
  const text = (words: string, prop: string): string[] =>
    (props[prop] ?? null) === null ? [] : [`${words} = ${literalOrNull(props[prop]!)}`];
  const plain = props['kind'] === 'n';
  const modify = (words: string, prop: string, standard: string): string[] =>
    props[prop] === standard || (props[prop] ?? null) === null ? [] : [`${words} = ${modifies[props[prop]!]}`];
  const parts = [
    ...given('SFUNC', 'sfunc'),
    ...given('STYPE', 'stype'),
    ...given('SSPACE', 'sspace'),
    ...given('FINALFUNC', 'finalfunc'),
    ...flag('FINALFUNC_EXTRA', 'finalfunc_extra'),
    ...modify('FINALFUNC_MODIFY', 'finalfunc_modify', plain ? 'r' : 'w'),
    ...given('COMBINEFUNC', 'combinefunc'),
    ...given('SERIALFUNC', 'serialfunc'),
    ...given('DESERIALFUNC', 'deserialfunc'),
    ...text('INITCOND', 'initcond'),
    ...given('MSFUNC', 'msfunc'),
    ...given('MINVFUNC', 'minvfunc'),
    ...given('MSTYPE', 'mstype'),
    ...given('MSSPACE', 'msspace'),
    ...given('MFINALFUNC', 'mfinalfunc'),
    ...flag('MFINALFUNC_EXTRA', 'mfinalfunc_extra'),
    ...((props['msfunc'] ?? null) === null ? [] : modify('MFINALFUNC_MODIFY', 'mfinalfunc_modify', plain ? 'r' : 'w')),
    ...text('MINITCOND', 'minitcond'),
    ...((props['sortop'] ?? null) === null ? [] : [`SORTOP = OPERATOR(${operatorName(props['sortop']!)})`]),
    ...(props['kind'] === 'h' ? ['HYPOTHETICAL'] : []),
    ...((props['parallel'] ?? null) === null
      ? []
      : [`PARALLEL = ${props['parallel'] === 's' ? 'SAFE' : 'RESTRICTED'}`]),
  ];
  const signature = props['arguments'] === '' ? '*' : (facts['signature'] ?? props['arguments']);
  return [
    safe(`CREATE AGGREGATE ${sqlName(name[0], name[1])}(${signature}) (${parts.join(', ')})`),
    ...commonSteps(null, wanted, writing),
  ];
}

function operatorName(text: string): string {
  const [schema, name] = list(text);
  return `${bare(schema!)}.${name}`;
}

export function createOperator(wanted: ManifestObject, writing: Writing): Step[] {
  const { props, name } = wanted;
  const parts = [
    `FUNCTION = ${props['function']}`,
    ...((props['leftarg'] ?? null) === null ? [] : [`LEFTARG = ${props['leftarg']}`]),
    ...((props['rightarg'] ?? null) === null ? [] : [`RIGHTARG = ${props['rightarg']}`]),
    ...((props['commutator'] ?? null) === null ? [] : [`COMMUTATOR = OPERATOR(${operatorName(props['commutator']!)})`]),
    ...((props['negator'] ?? null) === null ? [] : [`NEGATOR = OPERATOR(${operatorName(props['negator']!)})`]),
    ...((props['restrict'] ?? null) === null ? [] : [`RESTRICT = ${props['restrict']}`]),
    ...((props['join'] ?? null) === null ? [] : [`JOIN = ${props['join']}`]),
    ...(props['hashes'] === 't' ? ['HASHES'] : []),
    ...(props['merges'] === 't' ? ['MERGES'] : []),
  ];
  return [
    safe(`CREATE OPERATOR ${bare(name[0]!)}.${name[1]} (${parts.join(', ')})`),
    ...commonSteps(null, wanted, writing),
  ];
}

export function createOperatorClass(wanted: ManifestObject, writing: Writing): Step[] {
  const { props, name } = wanted;
  const standard = props['default'] === 't' ? ' DEFAULT' : '';
  const storage = (props['storage'] ?? null) === null ? [] : [`STORAGE ${props['storage']}`];
  // A class without members stores what it indexes.
  const members = [...storage, ...list(props['members'])];
  const body = members.length === 0 ? [`STORAGE ${props['type']}`] : members;
  return [
    safe(
      `CREATE OPERATOR CLASS ${sqlName(name[0], name[1])}${standard} FOR TYPE ${props['type']} USING ${bare(name[2]!)} FAMILY ${sqlName(...list(props['family']))} AS ${body.join(', ')}`,
    ),
    ...commonSteps(null, wanted, writing),
  ];
}

export function createOperatorFamily(wanted: ManifestObject, writing: Writing): Step[] {
  return [safe(`CREATE ${reference(wanted)}`), ...memberSteps(null, wanted), ...commonSteps(null, wanted, writing)];
}

export function alterOperatorFamily(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] {
  return [...memberSteps(there, wanted), ...commonSteps(there, wanted, writing)];
}

function memberSteps(there: ManifestObject | null, wanted: ManifestObject): Step[] {
  const [from, to] = [list(there?.props['members']), list(wanted.props['members'])];
  const [gone, added] = [from.filter((one) => !to.includes(one)), to.filter((one) => !from.includes(one))];
  const alter = `ALTER ${reference(wanted)}`;
  // DROP names a member by its number and types.
  const dropped = gone.map((one) =>
    one
      .replace(/^(OPERATOR \d+) .*(\([^()]*\))( FOR ORDER BY .*)?$/, '$1 $2')
      .replace(/^(FUNCTION \d+ \([^()]*\)) .*$/, '$1'),
  );
  return [
    ...(dropped.length === 0 ? [] : [safe(`${alter} DROP ${dropped.join(', ')}`)]),
    ...(added.length === 0 ? [] : [safe(`${alter} ADD ${added.join(', ')}`)]),
  ];
}

export function createCast(wanted: ManifestObject, writing: Writing): Step[] {
  const { props } = wanted;
  const how =
    props['method'] === 'f'
      ? `WITH FUNCTION ${props['function']}`
      : props['method'] === 'i'
        ? 'WITH INOUT'
        : 'WITHOUT FUNCTION';
  const when = props['context'] === 'a' ? ' AS ASSIGNMENT' : props['context'] === 'i' ? ' AS IMPLICIT' : '';
  return [safe(`CREATE ${reference(wanted)} ${how}${when}`), ...commonSteps(null, wanted, writing)];
}

const providers: Readonly<Record<string, string>> = { i: 'icu', c: 'libc', b: 'builtin' };

export function createCollation(wanted: ManifestObject, writing: Writing): Step[] {
  const { props } = wanted;
  const ctype = props['ctype'] ?? null;
  const locale =
    ctype === null || ctype === props['locale']
      ? `LOCALE = ${literalOrNull(props['locale'] ?? null)}`
      : `LC_COLLATE = ${literalOrNull(props['locale'] ?? null)}, LC_CTYPE = ${literalOrNull(ctype)}`;
  const rules = (props['rules'] ?? null) === null ? '' : `, RULES = ${literalOrNull(props['rules']!)}`;
  const loose = props['deterministic'] === 'f' ? ', DETERMINISTIC = false' : '';
  return [
    safe(
      `CREATE COLLATION ${sqlName(...wanted.name)} (PROVIDER = ${providers[props['provider'] ?? 'c']}, ${locale}${rules}${loose})`,
    ),
    ...commonSteps(null, wanted, writing),
  ];
}

export function createConversion(wanted: ManifestObject, writing: Writing): Step[] {
  const { props } = wanted;
  const standard = props['default'] === 't' ? 'DEFAULT ' : '';
  return [
    safe(
      `CREATE ${standard}CONVERSION ${sqlName(...wanted.name)} FOR '${props['from']}' TO '${props['to']}' FROM ${props['function']}`,
    ),
    ...commonSteps(null, wanted, writing),
  ];
}

export function createLanguage(wanted: ManifestObject, writing: Writing): Step[] {
  const { props } = wanted;
  const clauses = [
    (props['inline'] ?? null) === null ? '' : ` INLINE ${props['inline']}`,
    (props['validator'] ?? null) === null ? '' : ` VALIDATOR ${props['validator']}`,
  ];
  return [
    safe(
      `CREATE ${props['trusted'] === 't' ? 'TRUSTED ' : ''}LANGUAGE ${bare(wanted.name[0]!)} HANDLER ${props['handler']}${clauses.join('')}`,
    ),
    ...commonSteps(null, wanted, writing),
  ];
}

export function createTransform(wanted: ManifestObject, writing: Writing): Step[] {
  const { props } = wanted;
  const parts = [
    ...((props['from sql'] ?? null) === null ? [] : [`FROM SQL WITH FUNCTION ${props['from sql']}`]),
    ...((props['to sql'] ?? null) === null ? [] : [`TO SQL WITH FUNCTION ${props['to sql']}`]),
  ];
  return [safe(`CREATE ${reference(wanted)} (${parts.join(', ')})`), ...commonSteps(null, wanted, writing)];
}

export function createAccessMethod(wanted: ManifestObject, writing: Writing): Step[] {
  const type = wanted.props['type'] === 't' ? 'TABLE' : 'INDEX';
  return [
    safe(`CREATE ACCESS METHOD ${bare(wanted.name[0]!)} TYPE ${type} HANDLER ${wanted.props['handler']}`),
    ...commonSteps(null, wanted, writing),
  ];
}

const states: Readonly<Record<string, string>> = { O: 'ENABLE', D: 'DISABLE', R: 'ENABLE REPLICA', A: 'ENABLE ALWAYS' };

export function createEventTrigger(wanted: ManifestObject, writing: Writing): Step[] {
  const { props } = wanted;
  const tags = list(props['tags']);
  const when = tags.length === 0 ? '' : ` WHEN TAG IN (${tags.map((tag) => literalOrNull(tag)).join(', ')})`;
  return [
    safe(`CREATE ${reference(wanted)} ON ${props['event']}${when} EXECUTE FUNCTION ${props['function']}()`),
    ...eventState(null, wanted),
    ...commonSteps(null, wanted, writing),
  ];
}

function eventState(there: ManifestObject | null, wanted: ManifestObject): Step[] {
  const state = wanted.props['enabled'] ?? 'O';
  return (there?.props['enabled'] ?? 'O') === state ? [] : [safe(`ALTER ${reference(wanted)} ${states[state]}`)];
}

export function alterEventTrigger(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] | null {
  if (['event', 'function', 'tags'].some((name) => (there.props[name] ?? null) !== (wanted.props[name] ?? null)))
    return null;
  return [...eventState(there, wanted), ...commonSteps(there, wanted, writing)];
}

export function createSearch(wanted: ManifestObject, writing: Writing): Step[] {
  const { kind, props } = wanted;
  const create = `CREATE ${kind.toUpperCase()} ${sqlName(...wanted.name)}`;
  const given = (names: readonly string[]): string =>
    names
      .flatMap((name) => ((props[name] ?? null) === null ? [] : [`${name.toUpperCase()} = ${props[name]}`]))
      .join(', ');
  const steps = (): Step[] => {
    switch (kind) {
      case 'text search parser':
        return [safe(`${create} (${given(['start', 'gettoken', 'end', 'lextypes', 'headline'])})`)];
      case 'text search template':
        return [safe(`${create} (${given(['init', 'lexize'])})`)];
      case 'text search dictionary':
        return [
          safe(
            `${create} (TEMPLATE = ${sqlName(...list(props['template']))}${(props['options'] ?? null) === null ? '' : `, ${props['options']}`})`,
          ),
        ];
      default:
        return [safe(`${create} (PARSER = ${sqlName(...list(props['parser']))})`), ...mappingSteps(null, wanted)];
    }
  };
  return [...steps(), ...commonSteps(null, wanted, writing)];
}

type Mapping = readonly [string, readonly (readonly [string, string])[]];

function mappingSteps(there: ManifestObject | null, wanted: ManifestObject): Step[] {
  const [from, to] = [there, wanted].map(
    (one) =>
      new Map(
        list<Mapping>(one?.props['mappings']).map(([token, dictionaries]) => [
          token,
          dictionaries.map((each) => sqlName(...each)).join(', '),
        ]),
      ),
  ) as [Map<string, string>, Map<string, string>];
  const alter = `ALTER TEXT SEARCH CONFIGURATION ${sqlName(...wanted.name)}`;
  return [
    ...[...from.keys()].filter((token) => !to.has(token)).map((token) => safe(`${alter} DROP MAPPING FOR ${token}`)),
    ...[...to]
      .filter(([token, names]) => from.get(token) !== names)
      .map(([token, names]) =>
        safe(`${alter} ${from.has(token) ? 'ALTER' : 'ADD'} MAPPING FOR ${token} WITH ${names}`),
      ),
  ];
}

export function alterConfiguration(there: ManifestObject, wanted: ManifestObject, writing: Writing): Step[] | null {
  if (there.props['parser'] !== wanted.props['parser']) return null;
  return [...mappingSteps(there, wanted), ...commonSteps(there, wanted, writing)];
}
