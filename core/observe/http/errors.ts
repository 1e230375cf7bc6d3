import { errorFactory } from '../../base/error.ts';

/** PGS608x: the HTTP server of a run. */
export const httpErrors = {
  PGS6080: {
    title: 'HTTP address not usable',
    cause: 'The address of `http` is in use, not of this machine, or may not be opened by this user.',
    remedy: 'Choose another port in `http`, or end the program that has it.',
    exit: 1,
    retry: 'never',
  },
} as const;

export const httpError = errorFactory(httpErrors);
