import type pg from 'pg';
import type { SchemaStep } from '../../../core/api/schema-change.ts';
import { qualified, quoteIdent, quoteLiteral } from '../../../core/postgres/quote.ts';
import { applyError } from '../apply/errors.ts';
import { isMadeColumn } from '../schema/made-columns.ts';
import type { Owner } from '../state.ts';

/**
 * A column to be added exists already. It may be ours, as the step of a sibling made it in the whole tree, or a user's,
 * made beforehand. In that case its rows must have the source's values: otherwise they would stay wrong (I7).
 */
export async function takeColumn(
  client: pg.Client,
  { table, column, value }: Extract<SchemaStep, { kind: 'add-column' }>,
  owner: Owner,
): Promise<void> {
  if (await isMadeColumn(client, owner, table, column.name)) return;
  const name = quoteIdent(column.name);
  // As text: json, xml and point have no `=`; and as bytes, whatever the collation treats as equal.
  const wanted = value === null ? 'NULL' : `${quoteLiteral(value)}::${column.typeName}::text`;
  const { rows } = await client.query(
    `SELECT FROM ${qualified(table)} WHERE ${name}::text COLLATE "C" IS DISTINCT FROM ${wanted} LIMIT 1`,
  );
  if (rows.length === 0) return;
  const where = `${table.schema}.${table.name}`;
  const alter = `ALTER TABLE ${qualified(table)}`;
  throw applyError(
    'PGS3123',
    `the source got a column ${column.name}; the target has one of that name, with other values`,
    {
      where: { table: where },
      remedy: `Run on the target: ${alter} RENAME COLUMN ${name} TO ${quoteIdent(`${column.name}_of_target`)}; or ${alter} DROP COLUMN ${name}; then run again: the column is made there as the source has it.`,
    },
  );
}
