import type { ErrorObject } from 'ajv/dist/2020.js';
import { hint } from '../base/suggest.ts';
import { unitFormats } from '../base/units.ts';
import type { ConfigCode } from './errors.ts';
import { escapePointer, type TreeProblem, unescapePointer, type YamlTree } from './yaml-tree.ts';

/** The words that a message uses for the place that a schema was applied to, and where it is in the file. */
export interface Scope {
  readonly tree: YamlTree;
  /** JSON pointer of the checked value in the file. */
  readonly pointer: string;
  /** `source`, `sinks[0]`; empty for the file itself. */
  readonly label: string;
  /** Keys that a suggestion may name at the top level, if the schema does not hold them all. */
  readonly known?: readonly string[];
}

/**
 * ajv's findings as problems of the file, one per mistake: findings of anyOf branches that the value was not meant for
 * are left out.
 */
export function explain(errors: readonly ErrorObject[], scope: Scope): TreeProblem[] {
  const problems: TreeProblem[] = [];
  for (const error of meant(errors)) {
    if (scope.tree.broken(scope.pointer + error.instancePath)) continue;
    problems.push(one(error, scope));
  }
  return problems;
}

/** Replaces the errors of alternatives by those of the branch that the value was meant for. */
function meant(errors: readonly ErrorObject[]): ErrorObject[] {
  let left = errors.filter((error) => error.keyword !== 'if');
  const choices = left
    .filter((error) => error.keyword === 'anyOf' || error.keyword === 'oneOf')
    .toSorted((a, b) => a.schemaPath.length - b.schemaPath.length);
  for (const choice of choices) {
    if (!left.includes(choice)) continue;
    const inside = left.filter((error) => error !== choice && isWithin(error, choice));
    const branches = Map.groupBy(inside, (error) => error.schemaPath.slice(choice.schemaPath.length + 1).split('/')[0]);
    const fitting = [...branches.values()].filter((branch) => !branch.some((error) => excludes(error, choice)));
    const named = fitting.filter((branch) => !branch.some((error) => isOfKeys(error, choice)));
    const meantOne = fitting.length === 1 ? fitting[0] : named.length === 1 ? named[0] : undefined;
    const keep = meantOne ?? [choice];
    left = [...left.filter((error) => error !== choice && !inside.includes(error)), ...keep];
  }
  return left;
}

/** The branch is for values of another type. */
function excludes(error: ErrorObject, choice: ErrorObject): boolean {
  if (error.instancePath === choice.instancePath) return ['type', 'const', 'enum'].includes(error.keyword);
  return (
    error.keyword === 'const' && error.instancePath.split('/').length === choice.instancePath.split('/').length + 1
  );
}

/** The error is about the same schema and, if several values have that schema, about the same value. */
function isWithin(error: ErrorObject, choice: ErrorObject): boolean {
  return (
    error.schemaPath.startsWith(`${choice.schemaPath}/`) &&
    `${error.instancePath}/`.startsWith(`${choice.instancePath}/`)
  );
}

/** The branch requires other keys than the value has. */
function isOfKeys(error: ErrorObject, choice: ErrorObject): boolean {
  return (
    error.instancePath === choice.instancePath &&
    (error.keyword === 'required' || error.keyword === 'additionalProperties')
  );
}

function one(error: ErrorObject, scope: Scope): TreeProblem {
  const at = scope.pointer + error.instancePath;
  const params = error.params as Record<string, unknown>;
  const tree = scope.tree;
  const problem = (code: ConfigCode, message: string, position = tree.valueAt(at)): TreeProblem => ({
    code,
    message,
    ...position,
  });
  switch (error.keyword) {
    case 'required': {
      const where = container(error, scope);
      return problem(
        'PGS1005',
        `missing key "${params['missingProperty']}"${where === '' ? '' : ` in ${where}`}`,
        tree.keyAt(at),
      );
    }
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const key = String(params['additionalProperty'] ?? params['unevaluatedProperty']);
      const where = container(error, scope);
      const own = Object.keys((error.parentSchema?.['properties'] ?? {}) as object);
      const known = error.instancePath === '' && scope.known !== undefined ? scope.known : own;
      const message = `unknown key "${key}"${where === '' ? '' : ` in ${where}`}${hint(key, known, 'known keys')}`;
      return problem('PGS1004', message, tree.keyAt(`${at}/${escapePointer(key)}`));
    }
    case 'type':
    case 'anyOf':
    case 'oneOf':
      return problem('PGS1006', wrongForm(error, scope));
    case 'format':
      return problem('PGS1008', `${subject(error, scope)} must be ${meansOf(error)}`);
    case 'dependentRequired':
    case 'not':
    case 'propertyNames':
      return problem('PGS1014', together(error, scope), tree.keyAt(at));
    default:
      return problem('PGS1007', `${subject(error, scope)} ${notAllowed(error, tree.interpolated(at))}`);
  }
}

function notAllowed(error: ErrorObject, hidden: boolean): string {
  const params = error.params as Record<string, unknown>;
  switch (error.keyword) {
    case 'enum': {
      const allowed = (params['allowedValues'] as unknown[]).map(String);
      const near = hidden ? '' : hint(String(error.data), allowed, '').replace(/^; : .*$/, '');
      return `must be one of: ${allowed.join(', ')}${near}`;
    }
    case 'const':
      return `must be ${JSON.stringify(params['allowedValue'])}`;
    case 'pattern': {
      const why = error.parentSchema?.['description'];
      return typeof why === 'string' ? `is not allowed: ${why}` : `must match ${String(params['pattern'])}`;
    }
    case 'minProperties':
    case 'maxProperties': {
      const keys = Object.keys((error.parentSchema?.['properties'] ?? {}) as object).join(', ');
      const limit = String(params['limit']);
      if (keys === '')
        return error.keyword === 'minProperties' ? `needs at least ${limit} key` : `takes at most ${limit} keys`;
      return error.keyword === 'minProperties'
        ? `needs at least ${limit} of: ${keys}`
        : `takes only ${limit} of: ${keys}`;
    }
    case 'minLength':
    case 'minItems':
      return params['limit'] === 1
        ? 'must not be empty'
        : `must have at least ${String(params['limit'])} ${unit(error)}`;
    case 'maxLength':
    case 'maxItems':
      return `must have at most ${String(params['limit'])} ${unit(error)}`;
    case 'minimum':
    case 'exclusiveMinimum':
    case 'maximum':
    case 'exclusiveMaximum':
      return `must be ${range(String(params['comparison']))} ${String(params['limit'])}`;
    case 'uniqueItems':
      return 'must not hold the same item twice';
    default:
      return error.message ?? 'is not allowed';
  }
}

function together(error: ErrorObject, scope: Scope): string {
  const params = error.params as Record<string, unknown>;
  if (error.keyword === 'dependentRequired') {
    return `key "${String(params['property'])}" in ${container(error, scope) || 'the file'} needs "${String(params['missingProperty'])}" as well`;
  }
  if (error.keyword === 'propertyNames')
    return `key "${String(params['propertyName'])}" is not allowed in ${container(error, scope)}`;
  const why = (error.schema as { description?: unknown } | undefined)?.description;
  return `${subject(error, scope)} has keys that do not go together${typeof why === 'string' ? `: ${why}` : ''}`;
}

function wrongForm(error: ErrorObject, scope: Scope): string {
  if (error.keyword === 'oneOf' && (error.params as { passingSchemas?: unknown }).passingSchemas !== null) {
    return `${subject(error, scope)} fits more than one of the forms that are allowed here`;
  }
  const schemas = error.keyword === 'type' ? [error.parentSchema!] : (error.schema as Record<string, unknown>[]);
  const all = [...new Set(schemas.flatMap((schema) => formsOf(schema)))];
  const forms = all.length > 1 ? all.filter((form) => form !== names['null']) : all;
  const got = typeof error.data === 'number' && forms.includes(names['integer']!) ? 'a fraction' : article(error.data);
  const chosen = forms.filter((form) => form.startsWith(mappingWith)).map((form) => form.slice(mappingWith.length));
  const plain = forms.filter((form) => !form.startsWith(mappingWith));
  const expected = [...plain, ...(chosen.length === 0 ? [] : [mappingWith + chosen.join(' or ')])].join(' or ');
  const fits = forms.includes(got) || (chosen.length > 0 && got === names['object']);
  return `${subject(error, scope)} must be ${expected}${fits ? '' : `, not ${got}`}`;
}

const mappingWith = 'a mapping with ';

function formsOf(schema: Readonly<Record<string, unknown>>): string[] {
  if (typeof schema['format'] === 'string') return [meansOf({ schema: schema['format'] })];
  if ('const' in schema) return [JSON.stringify(schema['const'])];
  if (Array.isArray(schema['enum'])) return [`one of: ${schema['enum'].map(String).join(', ')}`];
  const types = Array.isArray(schema['type']) ? (schema['type'] as unknown[]) : [schema['type']];
  // A mapping with one required key is named by that key.
  const [key, ...others] = (schema['required'] ?? []) as string[];
  if (schema['type'] === 'object' && key !== undefined && others.length === 0) return [`${mappingWith}"${key}"`];
  return types.map((type) => names[String(type)] ?? 'another value');
}

const names: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  null: 'empty',
};

function article(value: unknown): string {
  if (value === null || value === undefined) return names['null']!;
  if (Array.isArray(value)) return names['array']!;
  return names[typeof value] ?? 'another value';
}

function meansOf(error: { readonly schema?: unknown }): string {
  return unitFormats[String(error.schema)]?.means ?? String(error.schema);
}

function unit(error: ErrorObject): string {
  return error.keyword.endsWith('Length') ? 'characters' : 'items';
}

function range(comparison: string): string {
  return { '>=': 'at least', '<=': 'at most', '>': 'more than', '<': 'less than' }[comparison] ?? comparison;
}

/** `"workers"`, `item 2 of "include"`, `sinks[0]`. */
function subject(error: ErrorObject, scope: Scope): string {
  const parts = error.instancePath.split('/').slice(1).map(unescapePointer);
  const last = parts.at(-1);
  if (last === undefined) return scope.label === '' ? 'the file' : scope.label;
  if (!/^\d+$/.test(last)) return `"${last}"`;
  const list = parts.at(-2);
  return list === undefined ? `${scope.label}[${last}]` : `item ${Number(last) + 1} of "${list}"`;
}

/** `sinks[0].slot`: the mapping that an error about a key concerns. */
function container(error: ErrorObject, scope: Scope): string {
  let label = scope.label;
  for (const part of error.instancePath.split('/').slice(1).map(unescapePointer)) {
    label += /^\d+$/.test(part) ? `[${part}]` : `${label === '' ? '' : '.'}${part}`;
  }
  return label;
}
