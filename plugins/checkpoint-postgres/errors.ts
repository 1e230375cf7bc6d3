import { type ErrorTable, errorFactory } from '../../core/base/error.ts';

/** PGS605x: the checkpoint in a PostgreSQL database. */
export const checkpointPostgresErrors = {
  PGS6050: {
    title: 'Pipeline is already running',
    cause: 'Another process holds the lock of this pipeline in the checkpoint database.',
    remedy: 'Stop the other process; two runs of one pipeline would disturb each other.',
    exit: 1,
    retry: 'never',
    meaning: 'locked',
  },
  PGS6051: {
    title: 'Lock of the pipeline was lost',
    cause: 'The connection that held the lock broke, and another process has taken the lock since.',
    remedy: 'See which of the two runs shall go on; this one has stopped.',
    exit: 1,
    retry: 'never',
  },
} as const satisfies ErrorTable;

export const checkpointPostgresError = errorFactory(checkpointPostgresErrors);
