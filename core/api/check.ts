import type { ExitCode } from '../base/error.ts';

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

/** What the chosen tables' schema needs of a server beside itself, as the source has it. */
export interface Surroundings {
  /** server_version_num. */
  readonly version: number;
  readonly encoding: string;
  /** `LC_COLLATE / LC_CTYPE` of the database. */
  readonly locale: string;
  readonly extensions: readonly { readonly name: string; readonly version: string }[];
  /** Owners and grantees. */
  readonly roles: readonly string[];
  /** Collations of columns that come with the server or its machine, not with the schema. */
  readonly collations: readonly string[];
  /** Of the tables with TOAST, without indexes. */
  readonly bytes: number;
}
