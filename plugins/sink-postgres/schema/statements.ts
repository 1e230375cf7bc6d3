/** A word of a statement, unchanged: a keyword, a name with or without quotes, a literal, or one other character. */
export interface Token {
  readonly text: string;
  /** Offset of its first character. */
  readonly at: number;
  /** Number of open parentheses around it. */
  readonly depth: number;
}

/**
 * Comments, then tokens that may contain a semicolon or a parenthesis: strings (E'' with backslashes), quoted names,
 * dollar quotes; then words and single characters (manual: "Lexical Structure").
 */
const lexer =
  /--[^\n]*|[eE]'(?:[^'\\]|\\[^]|'')*'|'(?:[^']|'')*'|(?:[uU]&)?"(?:[^"]|"")*"|\$([A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$[^]*?\$\1\$|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|\d[\w.]*|\S/g;

export function tokensOf(sql: string): readonly Token[] {
  const tokens: Token[] = [];
  let depth = 0;
  for (const { 0: text, index } of sql.matchAll(lexer)) {
    if (text.startsWith('--')) continue;
    if (text === ')') depth--;
    tokens.push({ text, at: index, depth });
    if (text === '(') depth++;
  }
  return tokens;
}

/**
 * The statements of a script, each with its semicolon and without comments before it. A function body in SQL (BEGIN
 * ATOMIC) is split, too.
 */
export function splitStatements(sql: string): readonly string[] {
  const statements: string[] = [];
  let from: number | null = null;
  for (const { text, at, depth } of tokensOf(sql)) {
    from ??= at;
    if (text !== ';' || depth !== 0) continue;
    statements.push(sql.slice(from, at + 1));
    from = null;
  }
  return from === null ? statements : [...statements, sql.slice(from).trim()];
}

/** The name that a word of SQL means: quotes off, or folded to lower case. */
export function nameOf(word: string): string {
  return word.startsWith('"') ? word.slice(1, -1).replaceAll('""', '"') : word.toLowerCase();
}
