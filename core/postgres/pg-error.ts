import pg from 'pg';
import { type ErrorDetails, type ErrorWhere, PgsluiceError } from '../base/error.ts';
import { type connectionErrors, connectionError } from './errors.ts';
import { safeMessage } from './safe-message.ts';
import { remedyOfState } from './state-remedy.ts';

/**
 * An error of pg as ours, by SQLSTATE (manual: appendix "PostgreSQL Error Codes") or by the system's error code, never by
 * message text. Passes a PgsluiceError through.
 */
export function fromPg(error: unknown, where: ErrorWhere, debugValues = false): PgsluiceError {
  if (error instanceof PgsluiceError) return error;
  const known = error instanceof Error ? error : new Error(String(error));
  const code = (known as { code?: unknown }).code;
  const state =
    typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && known instanceof pg.DatabaseError ? code : null;
  const details: ErrorDetails = { where: state === null ? where : { ...where, sqlstate: state }, cause: error };
  if (state !== null) {
    const kind = classOfState(state);
    const remedy = kind === 'PGS2007' ? remedyOfState(state) : null;
    const exact = remedy === null ? details : { ...details, remedy };
    return connectionError(kind, messageOf(known as pg.DatabaseError, debugValues), exact);
  }
  // Several addresses tried in vain are an AggregateError whose own message is empty.
  const message = known.message !== '' ? known.message : String(code ?? known.name);
  return connectionError(classOfSystem(String(code ?? ''), known), message, details);
}

function classOfState(state: string): keyof typeof connectionErrors {
  if (state === '28P01' || state === '28000') return 'PGS2002';
  if (state === '3D000') return 'PGS2003';
  if (state === '53300') return 'PGS2006';
  if (state.startsWith('08') || state === '57P01' || state === '57P02' || state === '57P05') return 'PGS2005';
  if (state.startsWith('53') || state.startsWith('40') || state === '57P03' || state === '58030') return 'PGS2008';
  return 'PGS2007';
}

function classOfSystem(code: string, error: Error): keyof typeof connectionErrors {
  if (['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'EAI_AGAIN', 'ENOENT'].includes(code)) {
    return 'PGS2001';
  }
  if (code.startsWith('ERR_TLS') || code.includes('CERT') || code.includes('SELF_SIGNED') || code === 'EPROTO')
    return 'PGS2004';
  if (error.message === 'timeout expired') return 'PGS2001';
  // pg itself has no code for this one; the sentence is its own, not the server's.
  if (error.message === 'The server does not support SSL connections') return 'PGS2004';
  if (code === '' && error.message.startsWith('SASL')) return 'PGS2002';
  return 'PGS2005';
}

function messageOf(error: pg.DatabaseError, debugValues: boolean): string {
  return debugValues ? [error.message, error.detail].filter(Boolean).join(' – ') : conceal(error);
}

const concealed = new WeakSet<pg.DatabaseError>();

/**
 * The message to show. Row values are also removed from the error itself, which stays as the cause: `--debug` prints
 * the stacks of causes, and a stack begins with the message (I11).
 */
export function conceal(error: pg.DatabaseError): string {
  if (concealed.has(error)) return error.message;
  const { stack, message } = error;
  const safe = safeMessage(error);
  if (stack !== undefined) error.stack = stack.replace(message, () => safe);
  error.message = safe;
  concealed.add(error);
  return safe;
}
