import { type ErrorTable, errorFactory } from '../../../core/base/error.ts';

/** PGS31xx: the Postgres sink's change plane. */
export const applyErrors = {
  PGS3101: {
    title: 'Row to change is missing in the target',
    cause:
      'An UPDATE or DELETE of the source found no row with its key in the target: the target was changed by others.',
    remedy:
      'Compare with `pgsluice verify`, then copy the table again with `pgsluice resync`, or set on_missing to warn or upsert.',
    exit: 1,
    retry: 'never',
  },
  PGS3102: {
    title: 'Row conflicts with one in the target',
    cause: 'A change of the source violates a unique or exclusion constraint of the target.',
    remedy:
      '`pgsluice verify FILE --schema` prints the statement where the target still has a key or constraint that the source has given up (a new primary key there). Else somebody wrote to the target table: `pgsluice verify FILE` names the rows, `pgsluice resync FILE TABLE` copies it again.',
    exit: 1,
    retry: 'never',
  },
  PGS3103: {
    title: 'Value not accepted by the target',
    cause: 'The target column cannot hold a value of the source: another type, length or domain.',
    remedy:
      'Where the source has got what the target lacks, a new enum value for one (ALTER TYPE … ADD VALUE), `pgsluice verify FILE --schema` prints the statement. Else change the target column, or cast the value with the `set` transform; then run again.',
    exit: 1,
    retry: 'never',
  },
  PGS3104: {
    title: 'Constraint of the target violated',
    cause: 'A NOT NULL, CHECK or foreign key constraint of the target refuses a row that the source holds.',
    remedy: 'Drop or mend the constraint on the target, or leave the offending rows out with a `filter`.',
    exit: 1,
    retry: 'never',
  },
  PGS3105: {
    title: 'Table does not fit the target',
    cause: 'A table or column of the stream does not exist in the target, or is generated there.',
    remedy: 'Bring the target table into the shape that the message names, then run again.',
    exit: 1,
    retry: 'never',
    meaning: 'other-in-target',
  },
  PGS3106: {
    title: 'Value not sent by the source',
    cause: 'A row has to be inserted, but the source did not send an unchanged large value of it (TOAST).',
    remedy: 'Set REPLICA IDENTITY FULL on the source table, or copy the table again with `pgsluice resync`.',
    exit: 1,
    retry: 'never',
  },
  PGS3107: {
    title: 'No key to find the row by',
    cause: 'An UPDATE or DELETE came for a table whose stream holds no key and no old row.',
    remedy: 'ALTER TABLE … REPLICA IDENTITY FULL (or USING INDEX) on the source.',
    exit: 1,
    retry: 'never',
  },
  PGS3108: {
    title: 'Not permitted on the target',
    cause: 'The user of the target URL lacks a right on a table.',
    remedy: 'Grant SELECT, INSERT, UPDATE, DELETE and TRUNCATE on the table to the user of the URL.',
    exit: 1,
    retry: 'never',
  },
  PGS3109: {
    title: 'Position would go back',
    cause: 'A transaction that the target already holds was given to it again, or another process moved its position.',
    remedy: 'See that only one run of this pipeline is alive, then run again.',
    exit: 1,
    retry: 'never',
  },
  PGS3110: {
    title: 'Target is in use by another run of this pipeline',
    cause: 'Another session holds the lock on this pipeline and sink in the target.',
    remedy: 'Stop the other run; if there is none, end its session with pg_terminate_backend.',
    exit: 1,
    retry: 'backoff',
  },
  PGS3111: {
    title: 'Change hits several rows',
    cause: 'The key of a change is not unique in the target.',
    remedy: 'Remove the duplicates on the target and give it the unique index of the source.',
    exit: 1,
    retry: 'never',
  },
  PGS3112: {
    title: 'Statement failed on the target',
    cause: 'The target refused a statement of the change stream.',
    remedy: 'See the SQLSTATE and the message of the server.',
    exit: 1,
    retry: 'never',
  },
  PGS3113: {
    title: 'Sink is not ready',
    cause: 'A batch came after a failure, before the sink was resumed.',
    remedy: 'This is a bug of pgsluice: please report it.',
    exit: 1,
    retry: 'backoff',
  },
  PGS3114: {
    title: 'DDL refused by the target',
    cause:
      'With `ddl: follow`, the target refused the change that the source made: something depends on it, or a type is missing.',
    remedy:
      'Remove what stands in the way (or set `dependents: cascade`), or make the change in the target by hand; then run again.',
    exit: 1,
    retry: 'never',
    meaning: 'other-in-target',
  },
  PGS3115: {
    title: 'No common binary form',
    cause: 'A table of the stream came in binary and has a column that the target must not read in that form.',
    remedy: 'Nothing: the stream starts again with text.',
    exit: 1,
    retry: 'text',
  },
  PGS3215: {
    title: 'Log is claimed by another process',
    cause:
      'The consumer group gave a partition to another process, which claimed it in the target; rows that this process had read of it were not written.',
    remedy:
      'Nothing: the process reads on what the group gives it. If it ends with this code, the group never came to rest.',
    exit: 1,
    retry: 'backoff',
  },
  PGS3216: {
    title: 'Lanes beside other processes',
    cause: '`apply.lanes` divides what one process applies; the processes of a consumer group divide the partitions.',
    remedy: 'Take `lanes` out of the file and start more processes, up to the number of partitions.',
    exit: 2,
    retry: 'never',
  },
  PGS3121: {
    title: 'Target table changed meanwhile',
    cause:
      'A trigger, a rule or a unique index of a table of the target was made, enabled or dropped while rows were written to it.',
    remedy: 'Nothing: the rows are written again by what the table is now.',
    exit: 1,
    retry: 'backoff',
  },
  PGS3122: {
    title: 'Partition set apart',
    cause:
      'A row of the stream comes from a time when the partitions of the source had other bounds than those of the target have now.',
    remedy:
      'Nothing: the partition stands alone until the target is past the look at the source that puts it back in its place.',
    exit: 1,
    retry: 'backoff',
  },
  PGS3123: {
    title: 'The target has a column of the name of a new one',
    cause:
      'With `ddl: follow`, a table of the source got a column. That of the target has one of its name, which this pipeline did not make, and whose rows hold other values than those that the rows of the source got.',
    remedy: 'Rename the column of the target, or drop it; then run again.',
    exit: 1,
    retry: 'never',
  },
  PGS3176: {
    title: 'Transaction has to be applied by one lane',
    cause: 'A large transaction was divided among lanes, and then does something that concerns all of them.',
    remedy: 'Nothing: the stream starts again in front of it, and one lane applies the whole of it.',
    exit: 1,
    retry: 'backoff',
  },
  PGS3177: {
    title: 'Lanes are not possible with this foreign key',
    cause:
      'With `apply.by: key` or `table` rows of one transaction are committed apart, and a foreign key of the target acts on the user of the URL.',
    remedy:
      'GRANT SET ON PARAMETER session_replication_role to the user of the URL, drop the key until the cutover, or use `by: group`.',
    exit: 1,
    retry: 'never',
  },
  PGS3178: {
    title: 'Lanes no longer fit the target',
    cause:
      'A row was refused by a foreign key, unique index or exclusion constraint that came to the target after its tables were divided among lanes.',
    remedy: 'Nothing: the stream starts again, and tables that belong together now share a lane.',
    exit: 1,
    retry: 'backoff',
  },
  PGS3195: {
    title: 'Standbys of the target are behind',
    cause:
      'With `apply.wait_for_standbys` what is applied counts once so many standbys have flushed it, and they have not.',
    remedy: 'Look at pg_stat_replication of the target; nothing was confirmed to the source that could be lost.',
    exit: 1,
    retry: 'backoff',
  },
} as const satisfies ErrorTable;

export const applyError = errorFactory(applyErrors);
