import type pg from 'pg';

/**
 * Names of SQLSTATEs that are raised for a row's value (manual: appendix "PostgreSQL Error Codes", class 22). Printed
 * instead of a message that may quote the value, in whatever language and with whatever quotes the server writes it.
 */
const conditions: Readonly<Record<string, string>> = {
  '22001': 'string data, right truncation',
  '22003': 'numeric value out of range',
  '22007': 'invalid datetime format',
  '22008': 'datetime field overflow',
  '22009': 'invalid time zone displacement value',
  '2200M': 'invalid XML document',
  '2200N': 'invalid XML content',
  '22011': 'substring error',
  '22012': 'division by zero',
  '22015': 'interval field overflow',
  '22018': 'invalid character value for cast',
  '22021': 'character not in repertoire: bytes that are no text in the encoding',
  '22023': 'invalid parameter value',
  '22025': 'invalid escape sequence',
  '22026': 'string data, length mismatch',
  '22030': 'duplicate JSON object key value',
  '22032': 'invalid JSON text',
  '22P02': 'invalid text representation',
  '22P03': 'invalid binary representation',
  '22P04': 'bad COPY file format',
  '22P05': 'untranslatable character: one that the other encoding lacks',
};

/** English messages of class 22 that contain no value up to the end of the match. */
const harmless: readonly RegExp[] = [
  /^invalid input syntax for type [\w ]+(?=: |$)/,
  /^invalid input value for enum [^:]+(?=: )/,
  /^invalid byte sequence for encoding "\w+"(?=: |$)/,
  /^value too long for type [\w ()]+$/,
  /^bit string (?:length \d+ does not match|too long for) type [\w ()]+$/,
  /^(?:numeric field overflow|division by zero)$/,
  /^(?:integer|smallint|bigint) out of range$/,
  /^value out of range: (?:over|under)flow$/,
  /^(?:date\/time|interval) field value out of range(?=: )/,
  /^(?:timestamp|date|interval) out of range(?=: |$)/,
  /^malformed (?:array|record|range|multirange) literal(?=: )/,
  /^(?:unsupported format code|incorrect binary data format.*|insufficient data left in message)/,
  /^(?:extra data after last expected column|missing data for column "[^"]*"|row field count is \d+, expected \d+)$/,
];

/**
 * The server's message without anything that may be a row's value (I11). Class 22 quotes values in its messages; class
 * 23 only in its details, which are left out; a message that a function raises may contain anything.
 */
export function safeMessage(error: pg.DatabaseError): string {
  const { code = '' } = error;
  if (code.startsWith('P0') || error.routine === 'exec_stmt_raise') {
    return 'a function in the database raised an exception (its words are hidden, as they may hold row values; --debug-values shows them)';
  }
  if (code.startsWith('22')) return `${withoutValue(error)}${places(error)}`;
  if (code.startsWith('23')) return `${error.message.replace(/: ".*$/s, ': (value hidden)')}${places(error)}`;
  return error.message;
}

function withoutValue({ message, code = '' }: pg.DatabaseError): string {
  for (const known of harmless) {
    const start = known.exec(message)?.[0];
    if (start !== undefined) return start === message ? start : `${start}: (value hidden)`;
  }
  // `value "…" is out of range for type integer`: the type is worth printing.
  const type = /" is out of range for type ([a-z ]+)$/.exec(message)?.[1];
  if (type !== undefined) return `a value is out of range for type ${type}`;
  return conditions[code] ?? 'data exception (message hidden, as it may hold row values)';
}

function places(error: pg.DatabaseError): string {
  const named = [error.constraint && `constraint ${error.constraint}`, error.column && `column ${error.column}`];
  const parts = named.filter(Boolean);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}
