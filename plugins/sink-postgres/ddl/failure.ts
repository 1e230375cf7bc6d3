import pg from 'pg';
import type { ErrorWhere, PgsluiceError } from '../../../core/base/error.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { applyError } from '../apply/errors.ts';

/** A transient failure is retried; a statement that the target refuses stops the pipeline (PGS3114). */
export function ddlFailure(error: unknown, where: ErrorWhere): PgsluiceError {
  const known = fromPg(error, where);
  if (known.retry === 'backoff' || !(error instanceof pg.DatabaseError)) return known;
  return applyError('PGS3114', known.message, { where: known.where, cause: error });
}
