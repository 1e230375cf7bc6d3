import { errorFactory } from '../../base/error.ts';

const refused = { exit: 2, retry: 'never' } as const;
const failed = { exit: 1, retry: 'never' } as const;

/** PGS40xx: transforms and the planner. */
export const planErrors = {
  PGS4001: {
    title: 'Transform does not fit the table',
    cause: 'A transform of the file cannot be applied to a table that its patterns choose.',
    remedy: 'Correct the transform, or narrow its `tables`.',
    ...refused,
  },
  PGS4002: {
    title: 'Two tables, one target',
    cause: 'After all transforms two source tables have the same target name.',
    remedy: 'Give them different names in `rename`, or leave one of them out.',
    ...refused,
  },
  PGS4003: {
    title: 'Two columns of one name',
    cause: 'A transform gives two columns of a table the same name.',
    remedy: 'Rename or drop one of them.',
    ...refused,
  },
  PGS4004: {
    title: 'Key column computed or dropped',
    cause: 'The sink finds rows by their key, and a column of the replica identity does not arrive as it is.',
    remedy: 'Leave the key columns out of `set`, `mask` and `columns`, or set REPLICA IDENTITY FULL on the source.',
    ...refused,
  },
  PGS4005: {
    title: 'Generated column read by an expression',
    cause: 'Logical replication does not carry generated columns, so the stream has no value for it.',
    remedy: "Use the generated column's own expression instead.",
    ...refused,
  },
  PGS4006: {
    title: 'Target lacks a table or column',
    cause: 'With `schema: existing` the target must have every table and column that the plan puts out.',
    remedy: 'Create it in the target, or use `rename` and `columns`.',
    ...refused,
  },
  PGS4007: {
    title: 'Pattern matches nothing',
    cause: 'A pattern in `tables` of a transform or sink matches no chosen table of the source.',
    remedy: 'Correct the pattern; it is compared with the names on the source.',
    ...refused,
  },
  PGS4008: {
    title: 'No columns left',
    cause: 'The transforms leave a table no column.',
    remedy: 'Keep a column, or leave the table out with source.tables.exclude.',
    ...refused,
  },
  PGS4030: {
    title: 'Value too large for a transform',
    cause:
      'A transform that computes, filters or is a script reads a value whose text is longer than a string can be here (about 512 MB; of bytea that is 256 MB).',
    remedy: 'Take the column out of the expression or the script (pass it on untouched, or drop it with `columns`).',
    ...refused,
    exit: 1,
  },
  PGS4010: {
    title: 'Whole row needed',
    cause:
      'A row may enter the output by an UPDATE that did not send all of its values (unchanged TOAST), and the old row is not known.',
    remedy: 'Take `refetch: false` off the transform, or set REPLICA IDENTITY FULL on the table, then run again.',
    ...failed,
    meaning: 'value-not-sent',
  },
  PGS4011: {
    title: 'Value was not sent',
    cause: 'An expression reads a large value that the UPDATE did not touch, so the server did not send it.',
    remedy: 'Take `refetch: false` off the transform, or set REPLICA IDENTITY FULL on the table, then run again.',
    ...failed,
    meaning: 'value-not-sent',
  },
  PGS4012: {
    title: 'Shape of the source table changed',
    cause: 'DDL on the source changed the columns that the pipeline puts out.',
    remedy: 'Make the same change in the target, then run again. Topics need no change: run again.',
    ...failed,
  },
  PGS4013: {
    title: 'Changes older than the shape of the table',
    cause:
      'The stream holds changes from before DDL that cannot be read in the new shape without guessing (a renamed column or a changed type).',
    remedy: 'Copy the table again with `pgsluice resync`.',
    ...failed,
  },
  PGS4014: {
    title: 'Change of an unplanned table',
    cause:
      'The stream carries a table that was not there when the pipeline was planned, or that was dropped and created again.',
    remedy: 'Run again so that it is planned, and copy it with `pgsluice resync`.',
    ...failed,
  },
  PGS4016: {
    title: 'Table dropped on the source',
    cause: 'A table that the pipeline replicates is gone; all of its changes before that are in the target.',
    remedy: 'Drop the table in the target, too, then run again.',
    ...failed,
  },
  PGS4017: {
    title: 'Table no longer published',
    cause:
      'A table that the pipeline replicates is not in its publication: it was taken out, or dropped and created again. The stream does not carry its changes.',
    remedy: 'Copy the table again with `pgsluice resync`.',
    ...failed,
  },
  PGS4018: {
    title: 'DDL that cannot be followed',
    cause: 'With `ddl: follow`, a command on the source asks for something of the target that cannot be done safely.',
    remedy:
      'Make the same change in the target, then run again; where rows got new values, copy the table again with `pgsluice resync`.',
    ...failed,
  },
  PGS4019: {
    title: 'Value could not be fetched',
    cause: 'With `refetch`, the source did not answer for each row with what was asked for.',
    remedy: 'If the table was renamed or lost a column since, copy it again with `pgsluice resync`.',
    ...failed,
  },
  PGS4015: {
    title: 'Transform failed on a change',
    cause: 'An expression or a script raised an error on a row of the stream.',
    remedy: 'Guard the expression, or correct the script; the pipeline resumes before this row.',
    ...failed,
  },
  PGS4020: {
    title: 'Bytes that would have to be read',
    cause: 'The stream carries values in binary, and a table has got a shape of which values must be read.',
    remedy: 'Nothing: the stream starts again with text.',
    exit: 1,
    retry: 'text',
  },
  PGS4021: {
    title: 'Rows written again on the source',
    cause:
      'A command on the source gave the rows of a table new values without changing its columns (ALTER COLUMN … TYPE … USING). Logical replication does not carry them.',
    remedy: 'Copy the table again with `pgsluice resync`.',
    ...failed,
  },
} as const;

export const planError = errorFactory(planErrors);
