import type pg from 'pg';
import type { SinkPreparation } from '../../../core/api/snapshot.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import { bulkError } from '../errors.ts';

/**
 * Existing tables with a name that the plan would create (the source's name first, then the target's). Throws PGS3001
 * with their names: with `schema: create` no existing object is changed.
 */
export async function refuseOccupied(
  client: pg.Client,
  { plans, parents = [] }: Pick<SinkPreparation, 'plans' | 'parents'>,
  connection: string,
): Promise<void> {
  const names = new Map<string, { schema: string; name: string }>();
  for (const plan of [...plans, ...parents]) {
    for (const table of [plan.source, plan.output]) names.set(relationName(table), table);
  }
  const wanted = [...names.values()];
  const { rows } = await client.query<{ name: string }>(
    `SELECT w.schema || '.' || w.name AS name
     FROM unnest($1::text[], $2::text[]) AS w (schema, name)
     JOIN pg_namespace n ON n.nspname = w.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
     ORDER BY 1`,
    [wanted.map((w) => w.schema), wanted.map((w) => w.name)],
  );
  if (rows.length === 0) return;
  const shown = rows.slice(0, 5).map((row) => row.name);
  const others = rows.length > 5 ? ` and ${rows.length - 5} more` : '';
  throw bulkError('PGS3001', `the target already has ${shown.join(', ')}${others}`, {
    where: { connection, table: rows[0]!.name },
  });
}
