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
}
export interface CheckReport {
  add(finding: Finding): void;
}
