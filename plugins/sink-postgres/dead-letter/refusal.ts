import { PgsluiceError } from '../../../core/base/error.ts';

/** Errors without a SQLSTATE: row missing, value not sent, no key to find the row by, several rows matched. */
const ofTheChange: ReadonlySet<string> = new Set(['PGS3101', 'PGS3106', 'PGS3107', 'PGS3111']);

/**
 * Classes of SQLSTATE that mean that this row is refused, while another might not be: its values (22), a constraint
 * (23, 44), a trigger's RAISE (P0), a limit of the server such as the size of an index entry (54). Not problems of the
 * table (42), the privileges, or the server (manual: "PostgreSQL Error Codes").
 */
const ofTheRow: ReadonlySet<string> = new Set(['22', '23', '44', 'P0', '54']);

/** True if the change itself is at fault, so that the rest can be applied without it. */
export function isRefusal(error: unknown): error is PgsluiceError {
  if (!(error instanceof PgsluiceError) || error.retry !== 'never') return false;
  const { sqlstate } = error.where;
  return sqlstate === undefined ? ofTheChange.has(error.code) : ofTheRow.has(sqlstate.slice(0, 2));
}

/** A foreign key, a unique index or an exclusion constraint: the row conflicts with other rows. */
export function isOfConstraint(error: unknown): boolean {
  return error instanceof PgsluiceError && ['23503', '23505', '23P01'].includes(error.where.sqlstate ?? '');
}
