import type { Oid } from './relation.ts';
import { qualified, quoteIdent } from './quote.ts';

/**
 * SQL that is true while columns of a table have these types (for a column declared with a domain, that domain), as a
 * COPY in the same transaction would see them, whatever the transaction's snapshot: the row type of a NULL is looked up
 * now. Reads no catalog table.
 */
export function typesSql(
  table: { readonly schema: string; readonly name: string },
  columns: readonly { readonly name: string; readonly type: Oid }[],
): string {
  if (columns.length === 0) return 'true';
  const same = columns.map(({ name, type }) => `pg_catalog.pg_typeof(r.${quoteIdent(name)})::oid = ${type}`);
  return `(SELECT ${same.join(' AND ')} FROM (SELECT (NULL::${qualified(table)}).*) r)`;
}
