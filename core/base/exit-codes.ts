/** What the process ends with, and what that means; the manual page and the reference say it from here. */
export const exitCodes = {
  0: 'done',
  1: 'failed while running',
  2: 'the command line or the file is wrong',
  3: 'preflight found an error; assess says NO-GO',
  4: 'verification found a difference',
  130: 'interrupted twice',
} as const;

/** What an error can end it with. */
export type ExitCode = Exclude<keyof typeof exitCodes, 0 | 130>;

export const interruptedTwice = 130 satisfies keyof typeof exitCodes;
