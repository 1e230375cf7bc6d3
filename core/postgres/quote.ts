/** A SQL identifier, always in double quotes (manual: "Identifiers and Key Words"). */
export function quoteIdent(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** `"schema"."name"`. */
export function qualified(of: { readonly schema: string; readonly name: string }): string {
  return `${quoteIdent(of.schema)}.${quoteIdent(of.name)}`;
}

/** In SQL that was made for another database: stands for the name of the database that runs it. */
export const thisDatabase = quoteIdent('pgsluice: this database');

/** A SQL string literal that means the same under every standard_conforming_strings. */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return quoted.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}
