import pg from 'pg';
import type { ErrorWhere, PgsluiceError } from '../../../core/base/error.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { type StreamErrorCode, streamError } from './errors.ts';

/**
 * The meaning of a server's error for the stream, by SQLSTATE. `started`: the slot was found, so an undefined object is
 * a publication.
 */
export function streamErrorOf(error: unknown, where: ErrorWhere, started: boolean): PgsluiceError {
  if (error instanceof pg.DatabaseError) {
    const code = codeOf(error.code ?? '', started);
    const sqlstate = error.code ?? '';
    if (code !== null) return streamError(code, error.message, { where: { ...where, sqlstate }, cause: error });
  }
  return fromPg(error, where);
}

function codeOf(sqlstate: string, started: boolean): StreamErrorCode | null {
  switch (sqlstate) {
    case '42704': // undefined_object
      return started ? 'PGS2155' : 'PGS2151';
    case '55006': // object_in_use
      return 'PGS2153';
    case '55000': // object_not_in_prerequisite_state: the slot was invalidated
    case '58P01': // undefined_file: its WAL was removed
      return 'PGS2154';
    case 'XX000': // internal_error
      return started ? 'PGS2170' : null;
    default:
      return null;
  }
}
