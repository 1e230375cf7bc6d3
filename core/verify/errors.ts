import { errorFactory } from '../api/error.ts';

/** PGS70xx: verify and cutover. */
export const verifyErrors = {
  PGS7001: {
    title: 'Source and target differ',
    cause: 'Rows are missing, extra or different in the target.',
    remedy: 'See the differing tables and rows; copy a table anew with `pgsluice resync FILE TABLE…`.',
    exit: 4,
    retry: 'never',
  },
  PGS7002: {
    title: 'Nothing to compare with',
    cause: 'None of the sinks is a database whose rows can be read back.',
    remedy: 'Verify needs a Postgres sink; for Kafka compare a consumer of yours.',
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
    title: 'Not ready for a cut-over',
    cause: 'The tables are not all copied and finished, or the lag is too large.',
    remedy: 'Wait until `pgsluice status` says that the pipeline follows; then run cutover again.',
    exit: 1,
    retry: 'never',
  },
  PGS7005: {
    title: 'The source is still being written',
    cause: 'Changes of the replicated tables came after the barrier of the cut-over.',
    remedy: 'Stop the writers (or use --fence), then run cutover again; the pipeline is intact and can be run on.',
    exit: 1,
    retry: 'never',
  },
} as const;

export const verifyError = errorFactory(verifyErrors);
