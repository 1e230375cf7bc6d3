/** Remedies for a refused statement, by the beginning of its SQLSTATE; the longest match counts. */
const remedies: Readonly<Record<string, string>> = {
  '22': 'A value does not fit what the statement makes of it: correct the data, the transform or the expression that it names, then run again.',
  '23': 'A constraint of the server refuses it: `pgsluice verify FILE --schema` shows where both sides differ; mend that, then run again.',
  '25006':
    'The server or the role is read-only: connect to the primary, or ALTER ROLE or DATABASE … RESET default_transaction_read_only; then run again.',
  '3F000': 'A schema is gone or has another name: put it back, or correct the file, then run again.',
  '42': 'What the message names is gone or has changed since it was planned: run again, which plans again; if it comes again, mend it, or leave the table out with source.tables.exclude.',
  '42501':
    'GRANT the right that the message names to the role of the URL, or connect as the owner; `pgsluice check FILE --sql` prints the statements.',
  '54': 'A limit of the server is reached: raise what the message names, or leave the table out with source.tables.exclude.',
  '55P03': 'Another session holds a lock that is in the way: wait for it, or end it, then run again.',
  '55': 'The object is not in a state for it, or in use: mend what the message says, then run again.',
  '57014': 'Somebody, or a timeout of the server, ended the statement: run again, it resumes from its checkpoint.',
  '58': "The server failed at something of its own: look into the server's log, then run again.",
  XX: "The server failed at something of its own, or found damaged data: look into the server's log, then run again.",
};

/** Null: no remedy is more exact than the code's own. */
export function remedyOfState(state: string): string | null {
  for (let length = state.length; length >= 2; length--) {
    const found = remedies[state.slice(0, length)];
    if (found !== undefined) return found;
  }
  return null;
}
