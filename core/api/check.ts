import type { ExitCode } from './error.ts';

/** One line of `pgsluice check`: what was looked at, what was found, and the statement or setting that mends it. */
export interface Finding {
  /** Stable, kebab-case: `wal-level`, `replica-identity`. */
  readonly check: string;
  readonly level: 'ok' | 'warning' | 'error';
  /** `source`, `sink postgres`, a table name … */
  readonly subject: string;
  readonly message: string;
  /** Exact SQL or setting; null where nothing is to be done. */
  readonly remedy: string | null;
  /** Of an error: what a run would end with, and its exit code, where the plugin's table of codes has it. */
  readonly code?: string;
  readonly exit?: ExitCode;
}
export interface CheckReport {
  add(finding: Finding): void;
}
