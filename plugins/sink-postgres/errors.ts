import { errorFactory } from '../../core/base/error.ts';

/** PGS30xx: the Postgres sink's schema and bulk load. */
export const bulkErrors = {
  PGS3001: {
    title: 'Target is not empty',
    cause:
      'With `schema: create` the tables of the plan must not exist in the target; these do, and this pipeline did not make them.',
    remedy: 'Use an empty database, drop the tables, or take them as they are with `schema: existing`.',
    exit: 3,
    retry: 'never',
  },
  PGS3002: {
    title: 'Schema object refused',
    cause: "The target refused an object of the source's schema.",
    remedy:
      'Mend what the message of the server says, or make the object in the target, then run again: all others are there. Or leave it out with `on_restore_error: skip`.',
    exit: 1,
    retry: 'never',
  },
  PGS3003: {
    title: 'Role missing in the target',
    cause: 'The schema names owners or grantees that the target server does not have, or that we may not act as.',
    remedy: 'pgsluice check prints the statements that make the roles; or leave `owners` out, or map them.',
    exit: 1,
    retry: 'never',
  },
  PGS3004: {
    title: 'Other objects depend on what the file drops',
    cause: 'A view, a foreign key or a column depends on a table or column that the target shall not have.',
    remedy: 'Keep the table or column, or drop what depends on it with `dependents: cascade`.',
    exit: 1,
    retry: 'never',
  },
  PGS3005: {
    title: 'Rename not possible',
    cause: 'The target refused to rename, move or retype a table or column as the transforms ask.',
    remedy:
      'See the message of the server; partitions and child tables need the same changes of columns as their siblings.',
    exit: 1,
    retry: 'never',
  },
  PGS3006: {
    title: 'Target table missing or of another shape',
    cause: 'A table or column that the plan writes to is not in the target, or cannot take the values.',
    remedy: 'Create or alter the table in the target, or correct the transforms.',
    exit: 1,
    retry: 'never',
  },
  PGS3007: {
    title: 'Target table has rows',
    cause: 'The initial copy needs an empty table, and rows that are not ours are not removed unasked.',
    remedy: 'Empty the table, or set `on_existing: truncate`.',
    exit: 1,
    retry: 'never',
  },
  PGS3008: {
    title: 'Large object refused',
    cause: 'The target has a large object of that oid already, or refused to make it, its owner or its grants.',
    remedy: 'Empty the target of large objects (SELECT lo_unlink(oid)), or set `large_objects: skip`.',
    exit: 1,
    retry: 'never',
  },
  PGS3010: {
    title: 'Row refused',
    cause: 'The target refused a row of the copy: a constraint, a type or an encoding does not take it.',
    remedy: 'Mend the row on the source, the column on the target, or leave the row out with a filter.',
    exit: 1,
    retry: 'never',
  },
  PGS3011: {
    title: 'Copy broken',
    cause: 'The stream of copied rows ended in the middle of a message.',
    remedy: 'Run again: the chunk is copied again.',
    exit: 1,
    retry: 'backoff',
  },
  PGS3020: {
    title: 'Duplicate key',
    cause: 'The copied rows do not satisfy a unique constraint or index of the target.',
    remedy: 'Remove the duplicates on the source, or check transforms that change the key or merge tables.',
    exit: 1,
    retry: 'never',
  },
  PGS3021: {
    title: 'Index or constraint refused',
    cause: 'An index or a constraint that was set aside for the copy could not be built again. Its definition is kept.',
    remedy: 'Mend what the message of the server says, then run again: it goes on here.',
    exit: 1,
    retry: 'never',
  },
  PGS3022: {
    title: 'Foreign key has orphans',
    cause: 'Rows of the target refer to rows that are not there, as a filter or a missing table leaves them out.',
    remedy:
      'The query in the message lists them. Filter both tables alike, or give the foreign key up with `dependents: cascade`.',
    exit: 1,
    retry: 'never',
  },
  PGS3023: {
    title: 'Materialized view or late object refused',
    cause: 'The target refused a statement of the last step: a trigger, an event trigger or a refresh.',
    remedy: 'Mend what the message of the server says, then run again: it goes on here.',
    exit: 1,
    retry: 'never',
  },
  PGS3024: {
    title: 'Rows cannot be replaced in place',
    cause:
      'The role of the target may not set session_replication_role, and foreign keys refer to the table: they would act on the repair.',
    remedy:
      'Use a superuser, or GRANT SET ON PARAMETER session_replication_role TO the role (15 and later), or resync the table.',
    exit: 1,
    retry: 'never',
  },
  PGS3150: {
    title: 'Object of the target depends on a table that is to be made again',
    cause:
      'The table waits for a copy and has another shape on the source now, so it is dropped and made again. Something depends on it, or is a column of it, that the source does not have and that this pipeline did not make, or that holds values.',
    remedy: 'Drop the object in the target, or make it on the source, too, then run again.',
    exit: 1,
    retry: 'never',
  },
  PGS3120: {
    title: 'Triggers, rules or row-level security of the target act on replicated rows',
    cause:
      'What they did on the source is in the rows that come, so they are kept off until the cutover. Only the owner of a table may turn them off, or a role that may set session_replication_role.',
    remedy: 'Grant the role that owns the table to the user of the target URL.',
    exit: 1,
    retry: 'never',
  },
} as const;

export const bulkError = errorFactory(bulkErrors);
