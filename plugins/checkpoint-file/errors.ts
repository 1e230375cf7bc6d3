import { type ErrorTable, errorFactory } from '../../core/base/error.ts';

/** PGS607x: the checkpoint in a file. */
export const checkpointFileErrors = {
  PGS6070: {
    title: 'Pipeline is already running',
    cause: "Another process holds the lock file beside the pipeline's checkpoint.",
    remedy: 'Stop the other process. If there is none (the file came from another machine), remove the lock file.',
    exit: 1,
    retry: 'never',
    meaning: 'locked',
  },
  PGS6071: {
    title: 'Checkpoint file is damaged',
    cause: 'The file is not what pgsluice writes: it was edited, cut off, or is another file.',
    remedy: 'Restore the file from a backup. Without it, run `pgsluice cleanup` and begin again.',
    exit: 1,
    retry: 'never',
  },
  PGS6072: {
    title: 'Checkpoint file of another pipeline',
    cause: 'The file names another pipeline than the one that is run.',
    remedy: 'Give each pipeline a checkpoint path of its own.',
    exit: 1,
    retry: 'never',
  },
  PGS6073: {
    title: 'Checkpoint file cannot be written',
    cause: 'The file system refused: no right, no space, read-only, or the folder is gone.',
    remedy: 'Make the folder writable, or set checkpoint.path to another one.',
    exit: 1,
    retry: 'backoff',
  },
  PGS6074: {
    title: 'Lock of the pipeline was lost',
    cause: 'The lock file beside the checkpoint was removed or replaced while the pipeline ran.',
    remedy: 'See whether another run was started; this one has stopped.',
    exit: 1,
    retry: 'never',
  },
} as const satisfies ErrorTable;

export const checkpointFileError = errorFactory(checkpointFileErrors);
