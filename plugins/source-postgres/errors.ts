import { errorFactory } from '../../core/base/error.ts';

const cleanupHint = 'Choose another slot name, or run `pgsluice cleanup` if it is a leftover of this pipeline.';

/** PGS2100 to 2149: the PostgreSQL source without its stream. */
export const sourceErrors = {
  PGS2101: {
    title: 'A table pattern matches nothing',
    cause: 'A glob of tables.include or tables.exclude names no table of the source.',
    remedy:
      'Correct the pattern, or leave it out. Globs are matched on schema.table; a name without a dot is in public.',
    exit: 2,
    retry: 'never',
    meaning: 'nothing-chosen',
  },
  PGS2102: {
    title: 'No table to replicate',
    cause: 'The source database has no user table, or the patterns leave all out.',
    remedy: 'Check the database in the URL and tables.include and tables.exclude.',
    exit: 2,
    retry: 'never',
    meaning: 'nothing-chosen',
  },
  PGS2103: {
    title: 'Tables cannot be published',
    cause:
      'Without a usable replica identity, UPDATE and DELETE on a published table fail; unlogged tables have no WAL.',
    remedy: 'Run the statements named in the message on the source, or leave the tables out with tables.exclude.',
    exit: 3,
    retry: 'never',
  },
  PGS2104: {
    title: 'Publication not ours to change',
    cause: 'The role of the URL may not create the publication, or does not own a table in it.',
    remedy: 'Connect as the owner of the tables with CREATE on the database, or as a superuser.',
    exit: 3,
    retry: 'never',
  },
  PGS2105: {
    title: 'Publication cannot be altered',
    cause: 'A publication of this name exists and is FOR ALL TABLES or FOR TABLES IN SCHEMA.',
    remedy: 'Choose another name with publication.name.',
    exit: 3,
    retry: 'never',
  },
  PGS2106: {
    title: 'Row filter or column list not allowed in the publication',
    cause:
      'It uses or leaves out a column in a way that would make UPDATE and DELETE on the source fail, or the server is 14.',
    remedy: 'ALTER TABLE … REPLICA IDENTITY FULL on the source, or change the filter to columns of the key.',
    exit: 3,
    retry: 'never',
  },
  PGS2110: {
    title: 'wal_level is not logical',
    cause: 'The source does not write what logical decoding needs.',
    remedy: "ALTER SYSTEM SET wal_level = 'logical'; then restart the source.",
    exit: 3,
    retry: 'never',
  },
  PGS2111: {
    title: 'No free replication slot',
    cause: 'All slots that max_replication_slots allows are in use.',
    remedy:
      'Drop slots that nobody reads (SELECT pg_drop_replication_slot(name)), or raise max_replication_slots and restart.',
    exit: 3,
    retry: 'never',
  },
  PGS2112: {
    title: 'No free walsender',
    cause: 'All connections that max_wal_senders allows are in use.',
    remedy: 'End other replication clients, or raise max_wal_senders and restart the source.',
    exit: 3,
    retry: 'backoff',
  },
  PGS2113: {
    title: 'Slot exists already',
    cause: 'The source has a replication slot of this name, which this pipeline did not just make.',
    remedy: cleanupHint,
    exit: 3,
    retry: 'never',
  },
  PGS2114: {
    title: 'No replication privilege',
    cause: 'The role of the URL may not open replication connections or make slots.',
    remedy: 'ALTER ROLE … REPLICATION; and an entry for the role in pg_hba.conf.',
    exit: 3,
    retry: 'never',
  },
  PGS2115: {
    title: 'Slot is in use',
    cause: 'Another process reads the slot, so it cannot be dropped.',
    remedy: 'End the process that reads it, then run again.',
    exit: 1,
    retry: 'never',
  },
  PGS2120: {
    title: 'Snapshot lost',
    cause: 'All connections that held the snapshot are gone, so no other can read the same state.',
    remedy: 'Run again: finished tables stay, the rest is read under a new snapshot.',
    exit: 1,
    retry: 'backoff',
  },
  PGS2121: {
    title: 'Reading a table failed',
    cause: 'The COPY of a table on the source ended with an error.',
    remedy:
      'Mend what the message says, then run again: tables that are copied are kept. A table that was dropped or changed after planning needs nothing but the new run.',
    exit: 1,
    retry: 'never',
  },
  PGS2122: {
    title: 'Table rewritten under the snapshot',
    cause:
      'ALTER TABLE, TRUNCATE, VACUUM FULL or CLUSTER gave the table a new file after the snapshot was taken, which it cannot read.',
    remedy:
      'Run again: finished tables stay, this one is read under a new snapshot. Avoid DDL on tables while they are copied.',
    exit: 1,
    retry: 'backoff',
  },
  PGS2123: {
    title: 'Large object not readable',
    cause: 'The role of the URL may not read a large object.',
    remedy: 'GRANT SELECT ON LARGE OBJECT … to the role, or leave them out with `large_objects: skip` of the sink.',
    exit: 1,
    retry: 'never',
  },
  PGS2124: {
    title: 'Value cannot be fetched',
    cause: 'With `refetch`, a value that an UPDATE did not send was to be read, but the table has changed since.',
    remedy: 'Copy the table again with `pgsluice resync`.',
    exit: 1,
    retry: 'never',
  },
  PGS2125: {
    title: 'DDL cannot be looked at',
    cause:
      'Following DDL needs event triggers on the source, which only a superuser may create, or else a schema `pgsluice` of the role of source.url, with a table and functions.',
    remedy:
      'GRANT CREATE ON DATABASE to the role of source.url, drop what other roles have in the schema pgsluice, or set `ddl: stop`.',
    exit: 1,
    retry: 'never',
  },
  PGS2190: {
    title: 'Slot without its publication',
    cause:
      'With `snapshot.mode: never` the slot was there before, and the publication was not: it cannot be read by one that is made now.',
    remedy: 'Set publication.name to the one by which the slot was read.',
    exit: 3,
    retry: 'never',
  },
  PGS2180: {
    title: 'Publication of somebody else',
    cause:
      'The source has a publication of the name that this pipeline would use, and the pipeline did not make it. It is neither altered nor dropped.',
    remedy: 'Choose another name with publication.name.',
    exit: 3,
    retry: 'never',
  },
  PGS2181: {
    title: 'Writes on the source would have failed',
    cause:
      'A published table was changed so that the server refuses UPDATE and DELETE on it for as long as it is published: its key or replica identity was dropped or set otherwise, or a generated column belongs to it that is not published. The table was taken out of the publication at once, and the run ended: its changes since then are not sent.',
    remedy: 'Run the statement named in the message on the source, then copy the table again with `pgsluice resync`.',
    exit: 1,
    retry: 'never',
  },
  PGS2182: {
    title: 'Publication changed by somebody else',
    cause:
      'The publication is not as this pipeline made it: what was written while it was so was not sent, and cannot be had from the slot.',
    remedy: 'Copy the tables again with `pgsluice resync`, which sets the publication right.',
    exit: 1,
    retry: 'never',
  },
  PGS2183: {
    title: 'Event trigger of somebody else',
    cause:
      'An event trigger, function or table of the name that this pipeline would use is there already, and the pipeline did not make it.',
    remedy: 'Choose another slot.name, from which the names are made; or drop it, if nobody needs it.',
    exit: 3,
    retry: 'never',
  },
  PGS2184: {
    title: 'Commits on the source would wait for the pipeline',
    cause:
      'synchronous_standby_names of the source names the walsender that sends to the pipeline, so that each COMMIT there waits until the pipeline confirms it, and is released without a standby that has it.',
    remedy: 'List the standbys there by their own names, without *, then run again.',
    exit: 1,
    retry: 'never',
  },
  PGS2185: {
    title: 'Standby cannot be read',
    cause:
      'A server of `snapshot.from` is no standby of the source, is too far behind, or its replay could not be held for a moment.',
    remedy: 'The copy goes on at the source. `pgsluice check FILE` says what each standby lacks.',
    exit: 1,
    retry: 'backoff',
  },
  PGS2191: {
    title: 'Snapshot of another server',
    cause: '`pgsluice work` would join a snapshot of a run, and its file leads to another server than that run’s.',
    remedy: 'Let source.url and source.snapshot.from lead to the same servers on every machine.',
    exit: 1,
    retry: 'never',
  },
  PGS2195: {
    title: 'No failover slots on this version',
    cause: '`slot.failover` asks for a slot that standbys keep a copy of, which PostgreSQL has from 17 on.',
    remedy:
      'Leave `slot.failover` out. After a failover, `pgsluice resync --verify-first` compares the target with the promoted server and repairs it.',
    exit: 3,
    retry: 'never',
  },
  PGS2199: {
    title: 'Standby too far behind its primary',
    cause: 'What the pipeline made on the primary did not come to the standby that is the source.',
    remedy: 'Look at the standby’s replication (pg_stat_wal_receiver, pg_last_wal_replay_lsn()), then run again.',
    exit: 1,
    retry: 'backoff',
  },
  PGS2130: {
    title: 'Schema dump failed',
    cause: 'pg_dump ended with an error, for example for lack of privileges or of a lock.',
    remedy: 'See its message. PGSLUICE_PG_DUMP=/path/to/pg_dump or =wasm chooses another one.',
    exit: 1,
    retry: 'never',
  },
  PGS2131: {
    title: 'No usable pg_dump',
    cause: 'The program that PGSLUICE_PG_DUMP names is older than the source, or does not run.',
    remedy: "Name one of at least the source's major version, or `wasm`, or unset PGSLUICE_PG_DUMP.",
    exit: 2,
    retry: 'never',
  },
} as const;

export const sourceError = errorFactory(sourceErrors);
