import type { SchemaObject } from '../../../core/api/snapshot.ts';
import { quoteIdent } from '../../../core/postgres/quote.ts';
import { type Token, nameOf, splitStatements, tokensOf } from './statements.ts';

/** The target's view of the source's roles. */
export interface RolesHere {
  /** The role of the target that replaces one of the source; null if the target lacks it. */
  readonly nameFor: (role: string) => string | null;
  /** Our user may make this role of the target an owner, and still alter the objects that it owns. */
  readonly mayOwn: (role: string) => boolean;
  /** Whether owners and grants are wanted. */
  readonly wanted: boolean;
  /** Grants may be made in the name of another grantor. */
  readonly superuser: boolean;
  /** Privileges that are newer than the target's version. */
  readonly lacks: readonly string[];
}

/** A part of the schema that is left out because of a role. */
export interface LeftOut {
  readonly role: string;
  /** `missing`: the target lacks it. `not ours`: our user may not make it an owner. */
  readonly why: 'missing' | 'not ours';
  /** `owner of TABLE app.orders`, `grant on …`. */
  readonly what: string;
}

export interface Fitted {
  /** Without the owner's statement; null if nothing else is left. */
  readonly sql: string | null;
  /** `ALTER … OWNER TO …;` */
  readonly owner: string | null;
  readonly left: readonly LeftOut[];
}

/** Pure: the object in a form that the target accepts. Only clauses that name a missing role are left out. */
export function fitRoles(object: SchemaObject, here: RolesHere): Fitted {
  const label = `${object.type} ${object.schema === null ? '' : `${object.schema}.`}${object.name}`;
  if (isGrant(object)) return grants(object, here, label);
  const { sql, owner } = cutOwner(object.sql);
  if (object.type === 'POLICY') return { ...policy(sql, here, label), owner: null };
  if (object.type === 'USER MAPPING') return { ...ofRole(sql, 'FOR', here, label), owner: null };
  if (object.type === 'ROLE SETTING') return { ...ofRole(sql, 'ROLE', here, label), owner: null };
  if (owner === null || !here.wanted) return { sql, owner: null, left: [] };
  return { sql, ...ownerFor(owner, here, label) };
}

export function isGrant(object: { readonly type: string }): boolean {
  return object.type === 'ACL' || object.type === 'DEFAULT ACL';
}

/**
 * pg_dump writes `ALTER … OWNER TO …;` after an object; a setting may follow it. Only the last statements are searched,
 * as a function's body may contain anything.
 */
function cutOwner(sql: string): { readonly sql: string; readonly owner: string | null } {
  const statements = splitStatements(sql);
  const owner = statements.slice(-3).findLast((statement) => ownerToken(statement) !== null);
  if (owner === undefined) return { sql, owner: null };
  const at = sql.lastIndexOf(owner);
  return { sql: `${sql.slice(0, at).trimEnd()}${sql.slice(at + owner.length)}`.trim(), owner };
}

function ownerToken(statement: string): Token | null {
  if (!statement.startsWith('ALTER ')) return null;
  const tokens = tokensOf(statement).filter(({ text }) => text !== ';');
  const [owner, to, role] = tokens.slice(-3);
  return owner?.text === 'OWNER' && to?.text === 'TO' && role !== undefined ? role : null;
}

function ownerFor(statement: string, here: RolesHere, label: string): Omit<Fitted, 'sql'> {
  const token = ownerToken(statement)!;
  const role = nameOf(token.text);
  const name = here.nameFor(role);
  const what = `owner of ${label}`;
  if (name === null) return { owner: null, left: [{ role, why: 'missing', what }] };
  if (!here.mayOwn(name)) return { owner: null, left: [{ role, why: 'not ours', what }] };
  return { owner: renamed(statement, token, name), left: [] };
}

function renamed(sql: string, token: Token, name: string): string {
  if (nameOf(token.text) === name) return sql;
  return sql.slice(0, token.at) + quoteIdent(name) + sql.slice(token.at + token.text.length);
}

/** Statement by statement, so that one with a missing role does not remove the others. */
function grants(object: SchemaObject, here: RolesHere, label: string): Fitted {
  if (!here.wanted) return { sql: null, owner: null, left: [] };
  const kept: string[] = [];
  const left: LeftOut[] = [];
  for (const whole of splitStatements(object.sql)) {
    const statement = without(whole, here.lacks);
    if (statement === null) continue;
    const roles = rolesOfGrant(statement);
    const missing = roles.find((token) => here.nameFor(nameOf(token.text)) === null);
    const grantor = /^(SET SESSION AUTHORIZATION|RESET SESSION AUTHORIZATION)\b/.test(statement);
    if (grantor && (!here.superuser || missing !== undefined)) continue;
    if (missing !== undefined) {
      if (!statement.includes('REVOKE')) left.push({ role: nameOf(missing.text), why: 'missing', what: `in ${label}` });
      continue;
    }
    kept.push(roles.reduceRight((sql, token) => renamed(sql, token, here.nameFor(nameOf(token.text))!), statement));
  }
  const sql = kept.every((each) => each.endsWith('SESSION AUTHORIZATION;')) ? null : kept.join('\n');
  return { sql, owner: null, left };
}

/** Null: nothing is left to grant. Privileges are the words before ON; a column name among them is in parentheses. */
function without(statement: string, privileges: readonly string[]): string | null {
  if (privileges.length === 0) return statement;
  const tokens = tokensOf(statement);
  const on = tokens.findIndex(({ text, depth }) => text === 'ON' && depth === 0);
  const doomed = tokens.slice(0, on === -1 ? 0 : on).filter(({ text }) => privileges.includes(text));
  return doomed.reduceRight((sql: string | null, token) => {
    if (sql === null) return null;
    const [before, after] = [sql.slice(0, token.at), sql.slice(token.at + token.text.length)];
    if (after.startsWith(',')) return before + after.slice(1);
    return before.endsWith(',') ? before.slice(0, -1) + after : null;
  }, statement);
}

/** `FOR ROLE x … TO y`, `FROM y`, `SET SESSION AUTHORIZATION x`: the words that are roles, in their order. */
function rolesOfGrant(statement: string): readonly Token[] {
  const tokens = tokensOf(statement);
  const after = (found: number): Token[] => (found === -1 ? [] : [tokens[found + 1]!]);
  const isWord =
    (...words: readonly string[]) =>
    (token: Token) =>
      words.includes(token.text);
  const roles = [
    ...after(tokens.findIndex((token, i) => token.text === 'ROLE' && tokens[i - 1]?.text === 'FOR')),
    ...(statement.startsWith('SET SESSION') ? after(tokens.findIndex(isWord('AUTHORIZATION'))) : []),
    ...after(tokens.findLastIndex(isWord('TO', 'FROM'))),
  ];
  return roles.filter(({ text }) => text !== 'PUBLIC' && text !== 'DEFAULT');
}

/** A policy for several roles stays for the existing ones: for the others it never applied here. */
function policy(sql: string, here: RolesHere, label: string): Omit<Fitted, 'owner'> {
  const tokens = tokensOf(sql);
  const to = tokens.findIndex(({ text, depth }) => text === 'TO' && depth === 0);
  if (to === -1) return { sql, left: [] };
  const rest = tokens.slice(to + 1);
  const end = rest.findIndex(({ text }, i) => i % 2 === 1 && text !== ',');
  const names = rest.slice(0, end === -1 ? rest.length : end).filter(({ text }) => text !== ',');
  const [first, last] = [names[0], names.at(-1)];
  if (first === undefined || last === undefined) return { sql, left: [] };
  const known = names.flatMap(({ text }) => {
    const name = text === 'PUBLIC' ? text : here.nameFor(nameOf(text));
    return name === null ? [] : [text === 'PUBLIC' || name === nameOf(text) ? text : quoteIdent(name)];
  });
  const left = names
    .filter(({ text }) => text !== 'PUBLIC' && here.nameFor(nameOf(text)) === null)
    .map(({ text }): LeftOut => ({ role: nameOf(text), why: 'missing', what: label }));
  if (known.length === 0) return { sql: null, left };
  return { sql: sql.slice(0, first.at) + known.join(', ') + sql.slice(last.at + last.text.length), left };
}

/** A statement for one role, which follows the word. */
function ofRole(sql: string, word: string, here: RolesHere, label: string): Omit<Fitted, 'owner'> {
  const tokens = tokensOf(sql);
  const token = tokens[tokens.findIndex(({ text }) => text === word) + 1]!;
  if (token.text.toLowerCase() === 'public') return { sql, left: [] };
  const role = nameOf(token.text);
  const name = here.nameFor(role);
  if (name === null) return { sql: null, left: [{ role, why: 'missing', what: label }] };
  return { sql: renamed(sql, token, name), left: [] };
}
