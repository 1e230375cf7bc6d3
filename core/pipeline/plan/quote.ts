/** A SQL identifier, always in double quotes (manual: "Identifiers and Key Words"). */
export function quoteIdent(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** `"schema"."name"`. */
export function qualified(of: { readonly schema: string; readonly name: string }): string {
  return `${quoteIdent(of.schema)}.${quoteIdent(of.name)}`;
}
