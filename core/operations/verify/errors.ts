import { errorFactory, PgsluiceError } from '../../base/error.ts';

/** PGS70xx: verify and cutover. */
export const verifyErrors = {
  PGS7001: {
    title: 'Source and target differ',
    cause: 'Rows are missing, extra or different in the target.',
    remedy: 'See the differing tables and rows; copy a table again with `pgsluice resync FILE TABLE…`.',
    exit: 4,
    retry: 'never',
  },
  PGS7002: {
    title: 'Nothing to compare with',
    cause: 'None of the sinks is a database whose rows can be read back.',
    remedy:
      'Verify needs a Postgres sink. For a journal verify the file of its appliers; for other topics compare a consumer of yours.',
    exit: 2,
    retry: 'never',
  },
  PGS7003: {
    title: 'The run did not answer',
    cause: 'A run in another process was asked to stand still at a position, and did not report that it does.',
    remedy: 'Look at `pgsluice status`: verify again when the lag is small.',
    exit: 1,
    retry: 'never',
  },
  PGS7004: {
    title: 'The pipeline does not follow yet',
    cause: 'The tables are not all copied and finished.',
    remedy:
      'Wait until `pgsluice status` says that the pipeline follows (`pgsluice run` takes it there); then try again.',
    exit: 1,
    retry: 'never',
  },
  PGS7057: {
    title: 'A column or table is on one side alone',
    cause:
      'The comparison reads a table or column that one side does not have: DDL on the source that no row has brought to the target yet, or a change in the target.',
    remedy:
      '`pgsluice verify FILE --schema` prints what differs, with the statements for the target. Run them there, and verify again.',
    exit: 4,
    retry: 'never',
  },
  PGS5066: {
    title: 'A table was truncated or rewritten while it was compared',
    cause:
      'TRUNCATE and statements that rewrite a table (VACUUM FULL, some ALTER TABLE) take its rows out of every snapshot that is open, on the source or in the target.',
    remedy: 'Compare again when that is over: `pgsluice verify FILE`.',
    exit: 1,
    retry: 'never',
  },
  PGS5067: {
    title: 'Verification waits for a transaction of the source',
    cause:
      'A snapshot with an exact position can be taken only when the transactions that were open before have ended (manual: CREATE_REPLICATION_SLOT).',
    remedy:
      'End it, or wait: `SELECT pid, xact_start, state, query FROM pg_stat_activity WHERE backend_xid IS NOT NULL;`',
    exit: 1,
    retry: 'never',
  },
  PGS7055: {
    title: 'The files are no chain',
    cause:
      'Over a journal `verify` and `cutover` need two files: that of the appliers, and the one that its `source.reader` names, which writes all that they read.',
    remedy:
      'Name the file of the pipeline that writes the journal as `reader` in the source of the appliers, and give `verify` and `cutover` the file of the appliers.',
    exit: 2,
    retry: 'never',
  },
  PGS7056: {
    title: 'The appliers are behind',
    cause: 'Partitions of the journal were not applied to their end in time: too much waits, or no process applies.',
    remedy:
      'Look whether the appliers run, and how far they are (`pgsluice status` of their file); then try again when the lag is small.',
    exit: 1,
    retry: 'never',
  },
  PGS7051: {
    title: 'The slot of the pipeline is gone or cut off',
    cause: 'Somebody dropped it, or the source has dropped WAL that it needs (max_slot_wal_keep_size).',
    remedy:
      'What was written since is lost for this pipeline: run `pgsluice cleanup`, empty the target and start over.',
    exit: 1,
    retry: 'never',
  },
  PGS7052: {
    title: 'The run is too far behind',
    cause: 'The lag of the run in the other process did not come below --max-lag in the time given.',
    remedy: 'Wait until `pgsluice status` shows less lag, or give more --max-lag or --wait; then try again.',
    exit: 1,
    retry: 'never',
  },
  PGS7053: {
    title: 'The cutover is decided',
    cause: 'The target was told to be the one to write to, so the pipeline cannot be run on.',
    remedy: 'Finish it: run `pgsluice cutover` again.',
    exit: 1,
    retry: 'never',
  },
  PGS7054: {
    title: 'The pipeline has no stream',
    cause: '`snapshot.mode: initial_only` copies and ends: there is nothing to follow, and no slot.',
    remedy: 'Nothing is left to do, or start a pipeline with `snapshot.mode: initial`.',
    exit: 1,
    retry: 'never',
  },
  PGS7005: {
    title: 'The source is still being written',
    cause: 'Changes of the replicated tables kept coming after the writers were to stop.',
    remedy: 'Stop the writers (or use --fence), then run cutover again; the pipeline is intact and can be run on.',
    exit: 1,
    retry: 'never',
  },
  PGS7006: {
    title: 'Repair needs the pipeline for itself',
    cause:
      'A run in another process applies changes; rows that are copied again under it could be older than what it applied.',
    remedy: 'Stop the run (Ctrl-C), run `pgsluice verify FILE --repair`, then `pgsluice run FILE` again.',
    exit: 1,
    retry: 'never',
  },
  PGS7007: {
    title: 'Cannot be repaired row by row',
    cause:
      'Too many rows differ, the sink has no way to replace rows, or its role may not keep triggers and foreign keys out of it.',
    remedy: 'Copy the table again: `pgsluice resync FILE TABLE…`.',
    exit: 1,
    retry: 'never',
  },
  PGS7008: {
    title: 'Not a table of this pipeline',
    cause: 'The name is not among the tables that the pipeline file chooses, or the table was never copied.',
    remedy: 'Names are schema.table on the source, as `pgsluice plan FILE` shows them.',
    exit: 2,
    retry: 'never',
  },
  PGS7009: {
    title: 'The way back is not possible',
    cause:
      'The transforms cannot be turned round for a table, or the target lacks what a source needs, so the old source could not be kept up to date.',
    remedy: 'Mend what is named, or cut over without --way-back.',
    exit: 2,
    retry: 'never',
  },
  PGS7010: {
    title: 'The write fence could not be put up or taken down',
    cause:
      'The role of the source may not alter the database, revoke privileges or end sessions, or a writer did not end in time.',
    remedy: 'See the SQLSTATE; use a role that may, another --fence, or stop the writers by your own means.',
    exit: 1,
    retry: 'never',
  },
  PGS7011: {
    title: 'The run ended during a resync',
    cause: 'A run in another process was asked to copy tables, and ended before they were copied.',
    remedy: 'See its log; the next `pgsluice run FILE` goes on with the copy.',
    exit: 1,
    retry: 'never',
  },
} as const;

export const verifyError = errorFactory(verifyErrors);

/** Whether a run elsewhere could not stand still long enough; the next try may find it less busy. */
export function isHoldLost(error: unknown): boolean {
  return error instanceof PgsluiceError && (error.code === 'PGS7003' || error.code === 'PGS7056');
}
