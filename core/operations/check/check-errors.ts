/** PGS603x: the checks that a first start begins with. */
export const checkErrors = {
  PGS6030: {
    title: 'Preflight found an error',
    cause: 'A check of source or sink found what would make the run fail, or the source suffer. Nothing was made yet.',
    remedy: 'Mend it; `pgsluice check` shows all findings. A check that is wrong here: `--skip-check NAME`.',
    exit: 3,
    retry: 'never',
  },
} as const;
