import type pg from 'pg';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { bulkError } from '../errors.ts';

/** An object of the stored schema. `name` with its schema. */
export interface StoredObject {
  readonly ordinal: number;
  readonly type: string;
  readonly name: string;
  readonly sql: string;
}

export interface Refused {
  readonly object: StoredObject;
  readonly message: string;
  readonly sqlstate: string;
}

export function refusedBy(object: StoredObject, error: pg.DatabaseError): Refused {
  return { object, message: fromPg(error, {}).message, sqlstate: error.code ?? '' };
}

export function labelOf({ type, name }: StoredObject): string {
  return `${type} ${name}`;
}

/**
 * Objects that a user without superuser rights often cannot create, and that the rows do not need. Each is a warning.
 */
const needsRights = new Set([
  'COMMENT',
  'EVENT TRIGGER',
  'ACL',
  'DEFAULT ACL',
  'SECURITY LABEL',
  'PUBLICATION',
  'OWNER',
  'DATABASE SETTING',
  'ROLE SETTING',
  'DATABASE COMMENT',
]);

export function mayBeLeftOut({ object, sqlstate }: Refused): boolean {
  return sqlstate === '42501' && needsRights.has(object.type);
}

/**
 * The object exists: a schema such as public, or an object that the user made by hand after it was reported as refused.
 */
export function isThere({ object, sqlstate }: Refused, reported: boolean): boolean {
  if (object.type === 'SCHEMA' && sqlstate === '42P06') return true;
  return reported && ['42710', '42P07', '42723', '42P06', '42712'].includes(sqlstate);
}

/** undefined_table, undefined_object, undefined_function, undefined_column, invalid_schema_name. */
const undefinedThings: ReadonlySet<string> = new Set(['42P01', '42704', '42883', '42703', '3F000']);

/** Pure: objects that fail by themselves, each with those that fail only because of it. */
export function causes(
  refused: readonly Refused[],
): readonly { readonly root: Refused; readonly behind: readonly Refused[] }[] {
  // A view on a refused view depends on that one, and both depend on the root cause.
  const rootOf = (one: Refused): Refused => {
    if (!undefinedThings.has(one.sqlstate)) return one;
    const lacked = refused.find((other) => needs(one, other));
    return lacked === undefined ? one : rootOf(lacked);
  };
  const groups = Map.groupBy(refused, rootOf);
  return [...groups].map(([root, group]) => ({ root, behind: group.filter((one) => one !== root) }));
}

/** Whether the message about a missing object refers to the other object. */
function needs(one: Refused, other: Refused): boolean {
  if (other.object.ordinal >= one.object.ordinal) return false;
  const bare = other.object.name.split('.').at(-1)!.replace(/\(.*$/, '');
  return bare.length > 0 && one.message.includes(bare);
}

/** One error for the whole list, a line for each object that fails by itself. */
export function refusedError(refused: readonly Refused[]): Error {
  const errors = causes(refused).map(({ root, behind }) => {
    const needing =
      behind.length === 0
        ? ''
        : `; without it ${behind.map(({ object }) => labelOf(object)).join(', ')} cannot be made`;
    return bulkError('PGS3002', `${labelOf(root.object)}: ${root.message}${needing}`, {
      where: { object: labelOf(root.object), ...(root.sqlstate === '' ? {} : { sqlstate: root.sqlstate }) },
      remedy: `${remedyOf(root)} Or leave it out: on_restore_error: skip, or run with --on-restore-error skip.`,
    });
  });
  if (errors.length === 1) return errors[0]!;
  const { message, where, remedy } = errors[0]!;
  return bulkError('PGS3002', message, { where, remedy, cause: new AggregateError(errors) });
}

function remedyOf({ object, sqlstate }: Refused): string {
  if (object.type === 'EXTENSION') {
    const name = object.name.split('.').at(-1);
    if (sqlstate === '42501') return `As a superuser in the target: CREATE EXTENSION "${name}"; then run again.`;
    return `Install the package with the extension ${name} on the target's machine, or leave it out with schema: { exclude: { extensions: ["${name}"] } }; then run again.`;
  }
  switch (sqlstate) {
    case '42704':
      return 'Create in the target what the message names, then run again.';
    case '42501':
      return 'Grant the right to our user, or use a superuser of the target, then run again.';
    case '42P07':
    case '42710':
    case '42723':
      return 'Drop the object of the same name in the target, or use schema: existing.';
    case '0A000':
      return 'The target does not know this feature: use a target of at least the version of the source.';
    default:
      return 'Mend what the message says, or make the object yourself in the target, then run again: the others are there.';
  }
}
