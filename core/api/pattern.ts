/**
 * Globs on `schema.table`: `*` is any run of characters, `?` one; a pattern without a dot means schema `public`.
 * Everything else is literal, so names with dots or quotes need no escaping beyond being written as they are.
 */
export function compilePattern(
  pattern: string,
): (table: { readonly schema: string; readonly name: string }) => boolean {
  const whole = pattern.includes('.') ? pattern : `public.${pattern}`;
  const source = whole
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  const regex = new RegExp(`^${source}$`, 's');
  return (table) => regex.test(`${table.schema}.${table.name}`);
}
