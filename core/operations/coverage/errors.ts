import { errorFactory } from '../../base/error.ts';

/** PGS7043, 7044: what the file chooses and the target does not have. */
export const coverageErrors = {
  PGS7043: {
    title: 'Not everything that the file chooses is in the target',
    cause: 'Something that the file chooses is not there, not replicated, or not compared.',
    remedy: 'Mend what is named, or take it as it is: `--accept NAME…`.',
    exit: 4,
    retry: 'never',
  },
  PGS7044: {
    title: 'Nothing of that name to accept',
    cause: '`--accept` names something that is not on the list of what is missing.',
    remedy: 'Use the names as `pgsluice status FILE` and `pgsluice verify FILE` print them.',
    exit: 2,
    retry: 'never',
  },
} as const;

export const coverageError = errorFactory(coverageErrors);
