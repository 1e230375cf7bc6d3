const needsQuoting = /["\\]/;
const quoting = /["\\]/g;
const needsCopyEscape = /[\\\t\n\r]/;
const copyEscape = /[\\\t\n\r]/g;
const copyEscapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** An element of an array literal (manual: "Array Input and Output Syntax"); always quoted, so no text looks like NULL. */
export function arrayElement(cell: string | null): string {
  if (cell === null) return 'NULL';
  return needsQuoting.test(cell) ? `"${cell.replace(quoting, '\\$&')}"` : `"${cell}"`;
}

/** A value in COPY's text format (manual: "COPY", File Formats). */
export function copyCell(cell: string | null): string {
  if (cell === null) return '\\N';
  return needsCopyEscape.test(cell) ? cell.replace(copyEscape, (c) => copyEscapes[c] as string) : cell;
}
