import type { ExitCode } from '../base/exit-codes.ts';
import type { Membership, Role } from '../postgres/role.ts';

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
  /** The remedy as statements for the subject's server, each by itself and in an order that works; for `check --sql`. */
  readonly statements?: readonly string[];
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
  /** Those with objects that will be made in the target, sorted. */
  readonly schemas: readonly string[];
  readonly extensions: readonly { readonly name: string; readonly version: string }[];
  /** That the database names anywhere, those above them and their members. */
  readonly roles: readonly Role[];
  readonly memberships: readonly Membership[];
  /** Collations of columns that come with the server or its machine, not with the schema. */
  readonly collations: readonly string[];
  /** Of the tables with TOAST, without indexes. */
  readonly bytes: number;
}
