import { errorFactory } from '../base/error.ts';

/** PGS11xx: the command line; PGS1060: what a verb asks of the file. */
export const cliErrors = {
  PGS1060: {
    title: 'No database to compare with',
    cause: 'The verb compares the source with a sink, and no sink of the file is a PostgreSQL database.',
    remedy: 'Use a file with a Postgres sink.',
    exit: 2,
    retry: 'never',
  },
  PGS1101: {
    title: 'Unknown verb',
    cause: 'pgsluice has no command of this name.',
    remedy: '`pgsluice --help` lists the verbs.',
    exit: 2,
    retry: 'never',
  },
  PGS1102: {
    title: 'Unknown option',
    cause: 'The verb has no option of this name.',
    remedy: '`pgsluice VERB --help` lists its options.',
    exit: 2,
    retry: 'never',
  },
  PGS1103: {
    title: 'Missing argument',
    cause: 'The verb needs an argument, or an option needs a value, that is not given.',
    remedy: '`pgsluice VERB --help` shows how it is called.',
    exit: 2,
    retry: 'never',
  },
  PGS1104: {
    title: 'Argument not allowed',
    cause: 'There are more arguments than the verb takes, or the value of one is not allowed.',
    remedy: '`pgsluice VERB --help` shows how it is called.',
    exit: 2,
    retry: 'never',
  },
  PGS1190: {
    title: 'Unexpected error',
    cause: 'A mistake in pgsluice itself.',
    remedy:
      'Run again with --debug and report what it prints. Nothing is lost: a later run resumes from its checkpoint.',
    exit: 1,
    retry: 'never',
  },
  PGS1191: {
    title: 'Ended without a result',
    cause: 'The work was still waiting for something when nothing was left to wait for.',
    remedy:
      'Run again with --debug and report what it prints. Nothing is lost: a later run resumes from its checkpoint.',
    exit: 1,
    retry: 'never',
  },
  PGS1192: {
    title: 'No server programs',
    cause:
      'The demo needs initdb and postgres, and found neither a package that brings them nor a system-wide installation.',
    remedy: 'Install a PostgreSQL server, or put its programs on PATH.',
    exit: 1,
    retry: 'never',
  },
  PGS1193: {
    title: 'A step of the demo failed',
    cause: 'One of the commands that the demo runs ended with an error; its own message is quoted.',
    remedy: 'See the quoted code in the list of error codes.',
    exit: 1,
    retry: 'never',
  },
} as const;

export const cliError = errorFactory(cliErrors);
