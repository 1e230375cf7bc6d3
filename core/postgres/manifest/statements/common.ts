import {
  type Acl,
  aclType,
  allPrivileges,
  defaultAcl,
  ownerGrantee,
  parseAcl,
  privilegesOf,
  publicGrantee,
} from '../acl.ts';
import type { ManifestObject } from '../types.ts';
import { grantReference, literalOrNull, reference } from './refs.ts';
import { type Step, type Writing, bare, list, relationOf, safe } from './step.ts';

/** Properties that every kind has, and that are changed in the same way for all. */
export const commonProps: ReadonlySet<string> = new Set(['owner', 'comment', 'acl', 'security labels']);

/** Owner, comment, labels and grants from their present values (null: those of a new object) to the wanted ones. */
export function commonSteps(there: ManifestObject | null, wanted: ManifestObject, writing: Writing): Step[] {
  const steps: Step[] = [];
  const { props } = wanted;
  const owner = props['owner'] ?? null;
  if (writing.owners && owner !== null && owner !== (there?.props['owner'] ?? null) && !takesOwner(there, wanted))
    steps.push(safe(`ALTER ${reference(wanted)} OWNER TO ${bare(owner)}`));
  if ((there?.props['comment'] ?? null) !== (props['comment'] ?? null))
    steps.push(safe(`COMMENT ON ${reference(wanted)} IS ${literalOrNull(props['comment'] ?? null)}`));
  steps.push(...labelSteps(there, wanted));
  if ('acl' in props && wanted.kind !== 'default privileges') steps.push(...aclSteps(there, wanted, writing));
  return steps;
}

/** A sequence has the owner of its table. */
function takesOwner(there: ManifestObject | null, { kind, props, facts }: ManifestObject): boolean {
  if (kind !== 'sequence') return false;
  return (
    facts['identity'] === 't' ||
    (there !== null && there.props['owned by'] !== null && there.props['owned by'] === props['owned by'])
  );
}

function labelSteps(there: ManifestObject | null, wanted: ManifestObject): Step[] {
  const [from, to] = [there, wanted].map(
    (object) => JSON.parse(object?.props['security labels'] ?? '{}') as Record<string, string>,
  ) as [Record<string, string>, Record<string, string>];
  return [...new Set([...Object.keys(from), ...Object.keys(to)])]
    .filter((provider) => from[provider] !== to[provider])
    .map((provider) =>
      safe(`SECURITY LABEL FOR ${bare(provider)} ON ${reference(wanted)} IS ${literalOrNull(to[provider] ?? null)}`),
    );
}

const privilegeNames: Readonly<Record<string, string>> = {
  r: 'SELECT',
  a: 'INSERT',
  w: 'UPDATE',
  d: 'DELETE',
  D: 'TRUNCATE',
  x: 'REFERENCES',
  t: 'TRIGGER',
  m: 'MAINTAIN',
  X: 'EXECUTE',
  U: 'USAGE',
  C: 'CREATE',
  c: 'CONNECT',
  T: 'TEMPORARY',
};

function aclSteps(there: ManifestObject | null, wanted: ManifestObject, writing: Writing): Step[] {
  const type = aclType(wanted.kind);
  const acl = (object: ManifestObject): Acl => {
    const text = object.props['acl'] ?? null;
    return text === null ? defaultAcl(type, writing.major) : parseAcl(text);
  };
  const from = there === null ? newAcl(wanted, type, writing) : acl(there);
  return grants({
    from,
    to: acl(wanted),
    all: privilegesOf(type, writing.major),
    on: grantReference(wanted),
    owner: ownerName(there, wanted, writing),
    column: wanted.kind === 'column' ? wanted.name[2]! : null,
  });
}

function ownerName(
  there: ManifestObject | null,
  wanted: ManifestObject,
  { owners, wanted: manifest }: Writing,
): string {
  const name = (object: ManifestObject | null): string | null =>
    object?.props['owner'] ?? object?.facts['owner'] ?? null;
  const column = wanted.kind === 'column' ? relationOf(manifest, wanted.name) : null;
  const chosen = owners ? (name(column) ?? name(wanted)) : name(there);
  return chosen === null ? 'CURRENT_USER' : bare(chosen);
}

/**
 * Grants of a new object: the target's default privileges are added to the kind's own. They depend on the creating
 * role, so all of them count.
 */
function newAcl(wanted: ManifestObject, type: string, { defaults, major }: Writing): Acl {
  const acl: Record<string, Readonly<Record<string, boolean>>> = { ...defaultAcl(type, major) };
  for (const one of applicable(defaults, wanted, type)) {
    for (const [grantee, rights] of Object.entries(parseAcl(one.props['acl']!))) {
      if (grantee !== ownerGrantee) acl[grantee] = { ...acl[grantee], ...rights };
    }
    // A default that revokes what the kind grants to PUBLIC; granting twice does no harm.
    if (one.name[1] === '' && parseAcl(one.props['acl']!)[publicGrantee] === undefined) delete acl[publicGrantee];
  }
  return acl;
}

function applicable(defaults: readonly ManifestObject[], wanted: ManifestObject, type: string): ManifestObject[] {
  const letter = type === 's' ? 'S' : type;
  return defaults.filter(
    ({ name, props }) =>
      name[2] === letter && (name[1] === '' || name[1] === wanted.name[0]) && props['acl'] !== 'default',
  );
}

export interface Granting {
  readonly from: Acl;
  readonly to: Acl;
  /** Letters of all privileges. */
  readonly all: string;
  readonly on: string;
  /** SQL of the owner's name. */
  readonly owner: string;
  readonly column: string | null;
  /** Before GRANT and REVOKE: ALTER DEFAULT PRIVILEGES …. */
  readonly prefix?: string;
}

/** The fewest GRANTs and REVOKEs from one list of rights to another. */
export function grants(of: Granting): Step[] {
  const steps: Step[] = [];
  const start = of.prefix ?? '';
  for (const grantee of [...new Set([...Object.keys(of.from), ...Object.keys(of.to)])].toSorted()) {
    const [from, to] = [expand(of.from[grantee], of.all), expand(of.to[grantee], of.all)];
    const role = grantee === ownerGrantee ? of.owner : grantee === publicGrantee ? 'PUBLIC' : bare(grantee);
    const letters = (chosen: (letter: string) => boolean): string =>
      [...new Set([...from.keys(), ...to.keys()])].filter(chosen).join('');
    const gone = letters((letter) => from.has(letter) && !to.has(letter));
    const noLonger = letters((letter) => from.get(letter) === true && to.get(letter) === false);
    const plain = letters((letter) => !from.has(letter) && to.get(letter) === false);
    const passable = letters((letter) => from.get(letter) !== true && to.get(letter) === true);
    const say = (words: string, which: string): string => `${start}${words} ${privileges(which, of)} ON ${of.on}`;
    if (gone !== '') steps.push(safe(`${say('REVOKE', gone)} FROM ${role}`));
    if (noLonger !== '') steps.push(safe(`${say('REVOKE GRANT OPTION FOR', noLonger)} FROM ${role}`));
    if (plain !== '') steps.push(safe(`${say('GRANT', plain)} TO ${role}`));
    if (passable !== '') steps.push(safe(`${say('GRANT', passable)} TO ${role} WITH GRANT OPTION`));
  }
  return steps;
}

function expand(rights: Readonly<Record<string, boolean>> | undefined, all: string): Map<string, boolean> {
  const entries = Object.entries(rights ?? {});
  return new Map(
    entries.flatMap(([letter, grantable]) =>
      [...(letter === allPrivileges ? all : letter)].map((one) => [one, grantable] as const),
    ),
  );
}

function privileges(letters: string, { all, column }: Granting): string {
  const of = column === null ? '' : ` (${bare(column)})`;
  if ([...all].every((letter) => letters.includes(letter))) return `ALL${of}`;
  return [...letters].map((letter) => `${privilegeNames[letter] ?? letter}${of}`).join(', ');
}

/** `OPTIONS (…)` from one sorted list of `name=value` to another; empty if nothing changes. */
export function optionChanges(from: string | null, to: string | null): string {
  const [before, after] = [optionMap(from), optionMap(to)];
  const parts: string[] = [];
  for (const [name, value] of after) {
    if (before.get(name) === value) continue;
    parts.push(
      `${before.has(name) ? 'SET ' : before.size > 0 || from !== null ? 'ADD ' : ''}${bare(name)} ${literalOrNull(value)}`,
    );
  }
  for (const name of before.keys()) if (!after.has(name)) parts.push(`DROP ${bare(name)}`);
  return parts.length === 0 ? '' : `OPTIONS (${parts.join(', ')})`;
}

export function optionMap(text: string | null): ReadonlyMap<string, string> {
  return new Map(
    list(text).map((option) => {
      const at = option.indexOf('=');
      return [option.slice(0, at), option.slice(at + 1)] as const;
    }),
  );
}

/** `SET (…)` and `RESET (…)` of storage parameters. */
export function parameterChanges(from: string | null, to: string | null, prefix = ''): readonly string[] {
  const [before, after] = [optionMap(from), optionMap(to)];
  const set = [...after]
    .filter(([name, value]) => before.get(name) !== value)
    .map(([name, value]) => `${prefix}${name} = ${literalOrNull(value)}`);
  const reset = [...before.keys()].filter((name) => !after.has(name)).map((name) => `${prefix}${name}`);
  return [
    ...(set.length === 0 ? [] : [`SET (${set.join(', ')})`]),
    ...(reset.length === 0 ? [] : [`RESET (${reset.join(', ')})`]),
  ];
}

/** `WITH (…)` of a new relation. */
export function withParameters(options: string | null, toast: string | null = null): string {
  const all = [
    ...[...optionMap(options)].map(([name, value]) => `${name} = ${literalOrNull(value)}`),
    ...[...optionMap(toast)].map(([name, value]) => `toast.${name} = ${literalOrNull(value)}`),
  ];
  return all.length === 0 ? '' : ` WITH (${all.join(', ')})`;
}
