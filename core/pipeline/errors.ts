import { errorFactory } from '../base/error.ts';

/** PGS60xx: the run itself. */
export const runtimeErrors = {
  PGS5071: {
    title: 'Predicate of rows cannot be used',
    cause:
      'The text of `resync --where` is no SQL expression that the transforms know, or names a column that the table has not.',
    remedy: 'Write a predicate over the source’s columns (docs/expressions.md).',
    exit: 2,
    retry: 'never',
  },
  PGS5070: {
    title: 'Rows cannot be read again',
    cause:
      '`resync --where` needs tables with a key, sinks that take rows beside the stream (Kafka), and a source that reads ranges.',
    remedy: 'Leave out --where: the tables are then copied whole.',
    exit: 1,
    retry: 'never',
  },
  PGS6001: {
    title: 'State belongs to another source',
    cause: 'The checkpoint was made with another database: system identifier or database name differ.',
    remedy:
      'Point source.url at the database that the pipeline was started on, or run `pgsluice cleanup` and start over.',
    exit: 1,
    retry: 'never',
  },
  PGS6002: {
    title: 'Unreadable checkpoint',
    cause: 'The checkpoint holds something that this version did not write.',
    remedy: 'Use the version that wrote it, or run `pgsluice cleanup` and start over.',
    exit: 1,
    retry: 'never',
  },
  PGS6003: {
    title: 'Copy of a table failed',
    cause: 'A chunk failed again and again while its connections were made again.',
    remedy: 'See the cause; run again to go on with the tables that are left.',
    exit: 1,
    retry: 'backoff',
  },
  PGS6004: {
    title: 'Slot is gone',
    cause: 'The checkpoint says that the stream is under way, but the source has no such slot.',
    remedy:
      'The changes since then are lost for this pipeline: run `pgsluice cleanup`, empty the target and start over.',
    exit: 1,
    retry: 'never',
  },
  PGS6005: {
    title: 'Stop position not reachable',
    cause: '--stop-at names a position that is neither an LSN nor the word now.',
    remedy: 'Give an LSN such as 16/B374D848, or now.',
    exit: 2,
    retry: 'never',
  },
  PGS6006: {
    title: 'Interrupted',
    cause: 'SIGINT or SIGTERM.',
    remedy: 'Run again: it goes on from its checkpoint. The slot keeps WAL on the source until then.',
    exit: 1,
    retry: 'never',
  },
  PGS6007: {
    title: 'No state',
    cause: 'The pipeline was never started with this checkpoint, or was cleaned up.',
    remedy: 'Start it with `pgsluice run`.',
    exit: 1,
    retry: 'never',
  },
  PGS6008: {
    title: 'Table set changed',
    cause: 'The file now chooses other tables than the pipeline was started with.',
    remedy: 'Copy the added tables with `pgsluice resync FILE TABLE…`, or restore the old choice.',
    exit: 2,
    retry: 'never',
  },
  PGS6009: {
    title: 'No checkpoint',
    cause: 'Neither the file nor a sink names a checkpoint plugin.',
    remedy: 'Name one: `checkpoint: { plugin: … }`; `pgsluice plugins` lists them.',
    exit: 2,
    retry: 'never',
  },
  PGS6010: {
    title: 'The run did not answer',
    cause: "A barrier was written into the source's WAL, but the run in the other process did not end at it.",
    remedy:
      'Look at `pgsluice status` and at the log of the run; try again when the lag is small, or stop the run first.',
    exit: 1,
    retry: 'never',
  },
  PGS6011: {
    title: 'Not confirmed',
    cause: 'The verb drops things and was neither confirmed on a terminal nor given --yes.',
    remedy: 'Run it again with --yes.',
    exit: 2,
    retry: 'never',
  },
  PGS6012: {
    title: 'No source named',
    cause: 'The verb needs a source and found neither an option nor an environment variable.',
    remedy: 'Give --source postgres://user:password@host/database, or set SOURCE_URL.',
    exit: 2,
    retry: 'never',
  },
  PGS6013: {
    title: 'File exists',
    cause: 'The verb would replace a file.',
    remedy: 'Choose another name with --output, or give --force.',
    exit: 2,
    retry: 'never',
  },
  PGS6014: {
    title: 'Transforms changed',
    cause: 'The file maps rows otherwise than when the copy was made; target and stream would no longer agree.',
    remedy: 'Restore the transforms, or start over: `pgsluice cleanup`, empty the target, `pgsluice run`.',
    exit: 2,
    retry: 'never',
  },
  PGS6015: {
    title: 'Cut over',
    cause: 'The target is the one to write to; only slot and publication on the source are left to be dropped.',
    remedy: 'Run `pgsluice cutover FILE` once more: it does what is left.',
    exit: 1,
    retry: 'never',
  },
  PGS6020: {
    title: 'DDL cannot be followed',
    cause: 'The file says `ddl: follow`, and the source plugin has no way to tell of DDL.',
    remedy: 'Set `ddl: stop`.',
    exit: 2,
    retry: 'never',
  },
  PGS6040: {
    title: 'Too many dead letters',
    cause:
      'More changes of a sink than `dead_letter.max_failures` of the last `dead_letter.window` could not be delivered.',
    remedy:
      'See the dead letters and the last failure; mend the cause, then run again: it goes on before the change that failed.',
    exit: 1,
    retry: 'never',
  },
  PGS6041: {
    title: 'Dead letters cannot be recorded',
    cause: 'The file or topic of `dead_letter` cannot be written; what it should hold is not passed over.',
    remedy: 'Make the file writable, or see that its disk has room, then run again: nothing was passed over.',
    exit: 1,
    retry: 'never',
  },
  PGS6016: {
    title: 'A run is under way',
    cause: 'The slot of the pipeline is being read, so dropping it would pull it from under a run.',
    remedy: 'Stop the run first (Ctrl-C), then run cleanup again.',
    exit: 1,
    retry: 'never',
  },
  PGS6081: {
    title: 'New table cannot be taken along',
    cause:
      'A table that the file chooses was made on the source, or came into one of its trees, and cannot be replicated as it is.',
    remedy: 'Do what the message says, or leave the table out with tables.exclude; then run again.',
    exit: 1,
    retry: 'never',
  },
  PGS4115: {
    title: 'File cannot be run by several processes',
    cause:
      'With a consumer group as its source a file has one sink, which keeps how far each partition is read beside the rows (Postgres), and its checkpoint is in a database.',
    remedy: 'Do what the message names, or take `group` out of the source: one process then reads all partitions.',
    exit: 2,
    retry: 'never',
  },
  PGS7050: {
    title: 'The source cannot do this',
    cause: 'What was asked for needs a capability that the plugin of the source does not have (docs/plugins.md).',
    remedy: 'Use another source plugin, or do without: the message names what is needed.',
    exit: 1,
    retry: 'never',
  },
  PGS3200: {
    title: 'Change cannot be placed in a table copied in ranges',
    cause:
      'A table was copied in ranges of its key that are exact at different positions, and between these positions came a change of which the stream does not tell enough: an UPDATE of the key that left a large value untouched, or another replica identity.',
    remedy: 'Copy the table again: `pgsluice resync FILE TABLE`. REPLICA IDENTITY FULL sends all values.',
    exit: 1,
    retry: 'never',
  },
  PGS3201: {
    title: 'Range of a copy is missing',
    cause: 'All ranges of a table were copied, and the target does not say so of each.',
    remedy: 'Run again: what is missing is copied then.',
    exit: 1,
    retry: 'backoff',
  },
  PGS3130: {
    title: 'Worker does not fit the run',
    cause:
      '`pgsluice work` plans a table otherwise than the run does: its file has other transforms or options, or it is of another version.',
    remedy: 'Use the same version of pgsluice, and the same pipeline file, on every machine.',
    exit: 1,
    retry: 'never',
  },
  PGS3131: {
    title: 'Nothing to take part in',
    cause: '`pgsluice work` needs a PostgreSQL source and a PostgreSQL sink, and snapshot.mode: initial.',
    remedy: 'Let the run copy alone.',
    exit: 1,
    retry: 'never',
  },
  PGS3202: {
    title: 'Snapshot grows too old',
    cause: 'Several snapshots in a row reached `snapshot.max_age` before a chunk of a table was copied under them.',
    remedy:
      'Set a higher `snapshot.max_age`, or `pgsluice cleanup` and start over with a smaller `snapshot.chunk_size`.',
    exit: 1,
    retry: 'never',
  },
  PGS3203: {
    title: 'Age of the snapshot cannot be bounded',
    cause:
      'Without a stream that is followed nothing brings tables of different snapshots to one state, so `snapshot.max_age` needs `snapshot.mode: initial`.',
    remedy: 'Remove `snapshot.max_age` from the file, or set `snapshot.mode: initial`.',
    exit: 2,
    retry: 'never',
  },
  PGS6082: {
    title: 'Tree of the target cannot follow',
    cause:
      'A partition or an inheriting table was attached, detached or bounded otherwise on the source, and the target refuses the same, or has no such parent.',
    remedy: 'Make the same change in the target, then run again.',
    exit: 1,
    retry: 'never',
  },
} as const;

export const runtimeError = errorFactory(runtimeErrors);
