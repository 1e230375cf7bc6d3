import { errorFactory } from '../../core/base/error.ts';

/** PGS406x: the script transform. */
export const scriptErrors = {
  PGS4060: {
    title: 'Script cannot be loaded',
    cause:
      'The module of a script transform does not exist, fails while it is imported, or has no function as its default export.',
    remedy: 'Export a function (rows, info) => rows as default. A .ts file may only hold types that can be erased.',
    exit: 2,
    retry: 'never',
  },
  PGS4061: {
    title: 'Script returned something else than rows',
    cause: 'A script must return an array of objects with every column of its output, each text or null.',
    remedy: 'Correct the script; new columns are declared with `add`, columns that it removes with `drop`.',
    exit: 1,
    retry: 'never',
  },
  PGS4062: {
    title: 'Script needs the old row',
    cause: 'An UPDATE or DELETE carries only the key of the old row, or not all values of the new one.',
    remedy:
      'Set REPLICA IDENTITY FULL on the table; where only a large value was not sent, `refetch` on the script (the default) will do.',
    exit: 1,
    retry: 'never',
  },
  PGS4063: {
    title: 'Script failed',
    cause: 'The script threw an error. Its message is hidden, as it may hold row values; --debug-values shows it.',
    remedy: 'Correct the script at the place that is named, or return rows for what it does not understand.',
    exit: 1,
    retry: 'never',
  },
} as const;

export const scriptError = errorFactory(scriptErrors);
