/** Under which the state keeps the code of what keeps a table, made on the source since the start, out of a sink. */
export function leftOutKey(sink: string, table: string): string {
  return `left-out:${sink}:${table}`;
}
