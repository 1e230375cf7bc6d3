import type pg from 'pg';
import type { Column } from '../../../core/postgres/relation.ts';
import { readColumns } from '../../../core/postgres/columns.ts';

/** Columns of tables by name, in the order of the request; null if there is no such table. */
export async function describeTables(
  client: pg.Client,
  tables: readonly { readonly schema: string; readonly name: string }[],
): Promise<readonly (readonly Column[] | null)[]> {
  const { rows } = await client.query<{ i: string; oid: string }>(
    `SELECT w.i, c.oid FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(s, t, i)
     JOIN pg_namespace n ON n.nspname = w.s JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.t
     WHERE c.relkind IN ('r', 'p', 'f')`,
    [tables.map((table) => table.schema), tables.map((table) => table.name)],
  );
  const oids = new Map(rows.map((row) => [Number(row.i), Number(row.oid)]));
  const columns = await readColumns(client, [...oids.values()]);
  return tables.map((_, i) => {
    const oid = oids.get(i + 1);
    return oid === undefined ? null : columns.get(oid)!.columns;
  });
}
