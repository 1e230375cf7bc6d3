import type { ManifestObject } from './types.ts';

/** Rights by grantee: privilege letters (manual: "Privileges", table of abbreviations), each with or without grant option. */
export type Acl = Readonly<Record<string, Readonly<Record<string, boolean>>>>;

/** Stands for the owner: owners may differ although the rights are the same. */
export const ownerGrantee = '@owner';
export const publicGrantee = '';
/** All privileges that the server's version has for the kind. */
export const allPrivileges = 'ALL';

const full: Readonly<Record<string, (major: number) => string>> = {
  r: (major) => (major >= 17 ? 'arwdDxtm' : 'arwdDxt'),
  c: () => 'arwx',
  s: () => 'rwU',
  d: () => 'CTc',
  f: () => 'X',
  l: () => 'U',
  n: () => 'UC',
  F: () => 'U',
  S: () => 'U',
  T: () => 'U',
  L: () => 'rw',
};
/** What PUBLIC may do with an object without an ACL. */
const forPublic: Readonly<Record<string, string>> = { f: 'X', l: 'U', T: 'U', d: 'Tc' };

/** Type letter of acldefault for an object. */
export function aclType(kind: ManifestObject['kind']): string {
  const types: Partial<Record<ManifestObject['kind'], string>> = {
    table: 'r',
    'foreign table': 'r',
    view: 'r',
    'materialized view': 'r',
    column: 'c',
    sequence: 's',
    database: 'd',
    schema: 'n',
    function: 'f',
    procedure: 'f',
    aggregate: 'f',
    language: 'l',
    'foreign data wrapper': 'F',
    'foreign server': 'S',
  };
  return types[kind] ?? 'T';
}

/** Letters that `ALL` stands for. */
export function privilegesOf(type: string, major: number): string {
  return full[type]?.(major) ?? '';
}

/** The rights of an object without an ACL (acldefault), normalised. */
export function defaultAcl(type: string, major: number): Acl {
  const list = forPublic[type];
  const named: Record<string, string> = type === 'c' ? {} : { [ownerGrantee]: privilegesOf(type, major) };
  if (list !== undefined) named[publicGrantee] = list;
  return normalised(
    new Map(
      Object.entries(named).map(([grantee, letters]) => [
        grantee,
        new Map([...letters].map((letter) => [letter, false])),
      ]),
    ),
    privilegesOf(type, major),
  );
}

/**
 * aclitem[] as the server prints it, by grantee: the owner as {@link ownerGrantee}, every privilege of the version as
 * ALL (so that MAINTAIN of 17 does not distinguish a table of 16 from its copy), grantors left out. Null if it is the
 * default.
 */
export function normaliseAcl(
  text: string | null,
  of: { readonly type: string; readonly owner: string; readonly major: number },
): string | null {
  if (text === null) return null;
  const all = privilegesOf(of.type, of.major);
  const json = printAcl(normalised(parseItems(text, of.owner), all));
  return json === printAcl(defaultAcl(of.type, of.major)) ? null : json;
}

export function parseAcl(text: string): Acl {
  return JSON.parse(text) as Acl;
}

export function printAcl(acl: Acl): string {
  const sorted = Object.entries(acl)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([grantee, rights]) => [
      grantee,
      Object.fromEntries(Object.entries(rights).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    ]);
  return JSON.stringify(Object.fromEntries(sorted));
}

/**
 * Whether both give the same rights although owners differ on purpose: an owner has all rights, and a grant to the
 * owner by name adds none. So a grant to the role that owns the copy needs no entry there.
 */
export function sameRights(there: ManifestObject, wanted: ManifestObject): boolean {
  const owners = [there, wanted].map(({ props, facts }) => props['owner'] ?? facts['owner'] ?? null);
  if (owners[0] === owners[1] || wanted.kind === 'default privileges') return false;
  const type = aclType(wanted.kind);
  const [a, b] = [there, wanted].map(({ props }): Acl => {
    const text = props['acl'] ?? null;
    return text === null ? defaultAcl(type, newest) : parseAcl(text);
  });
  if (a![ownerGrantee]?.[allPrivileges] === undefined || b![ownerGrantee]?.[allPrivileges] === undefined) return false;
  const others = (acl: Acl) =>
    printAcl(Object.fromEntries(Object.entries(acl).filter(([name]) => !owners.includes(name))));
  return others(a!) === others(b!);
}

/** As all privileges are one word, the version makes no difference. */
const newest = 18;

function normalised(by: ReadonlyMap<string, ReadonlyMap<string, boolean>>, all: string): Acl {
  const acl: Record<string, Record<string, boolean>> = {};
  for (const [grantee, rights] of by) {
    if (rights.size === 0) continue;
    const grantable = [...rights.values()];
    const everything =
      [...all].every((letter) => rights.has(letter)) && grantable.every((each) => each === grantable[0]);
    acl[grantee] = everything
      ? { [allPrivileges]: grantee === ownerGrantee ? false : grantable[0]! }
      : Object.fromEntries(rights);
  }
  return acl;
}

/** `{owner=arwdDxt/owner,=r/owner,"\"odd name\"=r*\/owner"}` */
function parseItems(text: string, owner: string): Map<string, Map<string, boolean>> {
  const by = new Map<string, Map<string, boolean>>();
  for (const item of arrayItems(text)) {
    const { name, rest } = unquoteRole(item);
    const letters = rest.slice(1, rest.indexOf('/') === -1 ? undefined : rest.indexOf('/'));
    const grantee = name === owner ? ownerGrantee : name;
    const rights = by.get(grantee) ?? new Map<string, boolean>();
    by.set(grantee, rights);
    for (const [, letter, star] of letters.matchAll(/([a-zA-Z])(\*?)/g)) {
      rights.set(letter!, rights.get(letter!) === true || (star === '*' && grantee !== ownerGrantee));
    }
  }
  return by;
}

/** A role in an aclitem: bare, or in double quotes with doubled ones inside. */
function unquoteRole(item: string): { name: string; rest: string } {
  if (!item.startsWith('"')) {
    const at = item.indexOf('=');
    return { name: item.slice(0, at), rest: item.slice(at) };
  }
  const quoted = /^"((?:[^"]|"")*)"/.exec(item)!;
  return { name: quoted[1]!.replaceAll('""', '"'), rest: item.slice(quoted[0].length) };
}

function arrayItems(text: string): string[] {
  const items: string[] = [];
  for (const [, quoted, bare] of text.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"(?:,|$)|([^,]+)(?:,|$)/g)) {
    items.push(quoted === undefined ? bare! : quoted.replaceAll(/\\(.)/g, '$1'));
  }
  return items;
}
