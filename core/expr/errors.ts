import { errorFactory, type PgsluiceError } from '../base/error.ts';

const refused = { exit: 2, retry: 'never' } as const;
const failed = { exit: 1, retry: 'never' } as const;

/** PGS41xx: an expression in the pipeline file is wrong or outside of the documented subset. */
export const expressionErrors = {
  PGS4101: {
    title: 'Expression does not parse',
    cause: "PostgreSQL's grammar does not accept the text as one expression.",
    remedy: 'Correct the text at the position given.',
    ...refused,
  },
  PGS4102: {
    title: 'Unknown column',
    cause: 'The table, as the transforms before this one leave it, has no column of this name.',
    remedy: 'Use a column that exists at this point; names with capitals need double quotes.',
    ...refused,
  },
  PGS4103: {
    title: 'Unknown function, operator or type',
    cause: 'The name is not in the subset that pgsluice evaluates exactly as PostgreSQL does.',
    remedy: 'See docs/expressions.md for what there is, or use a script transform.',
    ...refused,
  },
  PGS4104: {
    title: 'Types do not fit',
    cause: 'No function or operator of this name takes these types, or the result is not of the type that is needed.',
    remedy: 'Add a cast.',
    ...refused,
  },
  PGS4105: {
    title: 'Not deterministic',
    cause: 'The result would differ from one evaluation to the next, so snapshot, stream and check could not agree.',
    remedy: 'Use a constant, or let the target set the value with a column default.',
    ...refused,
  },
  PGS4106: {
    title: 'Depends on session settings',
    cause: 'The result depends on TimeZone, DateStyle, a locale or another setting.',
    remedy: "State it in the expression, for example with AT TIME ZONE 'UTC'.",
    ...refused,
  },
  PGS4107: {
    title: 'Not part of the expression language',
    cause: 'Valid SQL, but not an expression over one row of the table.',
    remedy: 'See docs/expressions.md.',
    ...refused,
  },
  PGS4108: {
    title: 'Regular expression not supported',
    cause: 'PostgreSQL and JavaScript would not agree on what the pattern matches.',
    remedy: 'Use LIKE, or the common subset of docs/expressions.md.',
    ...refused,
  },
  PGS4109: {
    title: 'Invalid constant',
    cause: 'The text is no value of the type that it is used as.',
    remedy: 'Correct the constant.',
    ...refused,
  },
  PGS4110: {
    title: 'Expression always fails',
    cause: 'A part of the expression without columns raises an error, which PostgreSQL would raise for every row.',
    remedy: 'Correct that part.',
    ...refused,
  },
} as const;

/** PGS42xx: an expression failed on a row. `where.sqlstate` is what PostgreSQL raises for the same row. */
export const evaluationErrors = {
  PGS4201: {
    title: 'Expression failed on a row',
    cause: 'The value of the row is outside of what the expression can take; PostgreSQL raises the same SQLSTATE.',
    remedy: 'Guard the expression with CASE or NULLIF, or correct the row on the source.',
    ...failed,
  },
  PGS4202: {
    title: 'Value in a form that only the server reads',
    cause: 'A cast met a text in a form that depends on server settings or version.',
    remedy: 'Use ISO 8601 for dates and plain decimal digits for numbers, or a script transform.',
    ...failed,
  },
  PGS4203: {
    title: 'Value was not sent',
    cause: 'The expression reads a column whose value the server did not send because it was not changed (TOAST).',
    remedy: 'ALTER TABLE … REPLICA IDENTITY FULL, or take `refetch: false` off the transform.',
    ...failed,
    meaning: 'value-not-sent',
  },
} as const;

export const expressionError = errorFactory(expressionErrors);
export const evaluationError = errorFactory(evaluationErrors);

/** What PostgreSQL raises for this row, by SQLSTATE; the message never holds the value (I11). */
export function dataError(sqlstate: string, message: string): PgsluiceError {
  return evaluationError('PGS4201', message, { where: { sqlstate } });
}

/** The server may accept this text; we do not guess (I7). */
export function unsupportedForm(what: string): PgsluiceError {
  return evaluationError('PGS4202', what);
}
export const outOfRange = (type: string): PgsluiceError => dataError('22003', `value out of range for type ${type}`);
export const divisionByZero = (): PgsluiceError => dataError('22012', 'division by zero');
export const invalidText = (type: string): PgsluiceError => dataError('22P02', `invalid input syntax for type ${type}`);
