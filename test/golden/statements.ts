/** Quotes and comments in which a semicolon ends nothing. */
const opaque = /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$[\s\S]*?\$\1\$|--[^\n]*/y;

/**
 * The statements of a file, each to be sent by itself, as psql does: several in one message would be one transaction.
 * Backslashes escape in strings that begin with E, as psql has it; `:k` is the variable `k`.
 */
export function statementsOf(sql: string, k: number): string[] {
  const text = sql.replace(/(?<!:):k\b/g, String(k));
  const statements: string[] = [];
  let from = 0;
  for (let at = 0; at < text.length; ) {
    const escaped = /E'(?:[^'\\]|''|\\[\s\S])*'/iy;
    escaped.lastIndex = at;
    opaque.lastIndex = at;
    const wordBefore = at > 0 && /\w/.test(text[at - 1]!);
    const skipped = (wordBefore ? null : escaped.exec(text)) ?? opaque.exec(text);
    if (skipped !== null) {
      at += skipped[0].length;
    } else if (text[at++] === ';') {
      statements.push(text.slice(from, at));
      from = at;
    }
  }
  const rest = text.slice(from).trim();
  if (rest !== '' && !rest.startsWith('--')) statements.push(rest);
  return statements;
}
