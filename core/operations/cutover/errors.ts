import { errorFactory } from '../../base/error.ts';

/** PGS7040 to 7069, with those of coverage: the cutover. */
export const cutoverErrors = {
  PGS7040: {
    title: 'A transaction on the source is still open',
    cause:
      'A session, or a prepared transaction, has written in the source and has not ended; what it commits after the GO would be lost.',
    remedy:
      'End what is named (commit it, roll it back, or run the statement that is printed), then run cutover again; `--wait` waits longer.',
    exit: 1,
    retry: 'never',
  },
  PGS7041: {
    title: 'The fence may not be put up',
    cause: 'The role of the source may not close every table to writes.',
    remedy: 'Run the statements on the source, or stop the writers by your own means and use `--fence none`.',
    exit: 1,
    retry: 'never',
  },
  PGS7042: {
    title: 'Somebody can still write on the source',
    cause: 'The fence is up, and an attempt to write behind it would have gone through.',
    remedy:
      'See what is named: nobody may drop or disable the triggers of the fence before the GO. Then run cutover again.',
    exit: 1,
    retry: 'never',
  },
  PGS7045: {
    title: 'The source was written after the GO',
    cause: 'Rows were committed on the source after the last change that the target has. They are on the source only.',
    remedy:
      'Slot and publication are kept. Carry the rows over by hand, then run `pgsluice cutover FILE --accept TABLE…` with the tables named, which drops them.',
    exit: 4,
    retry: 'never',
  },
} as const;

export const cutoverError = errorFactory(cutoverErrors);
