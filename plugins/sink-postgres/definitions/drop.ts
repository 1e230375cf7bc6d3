import pg from 'pg';
import type { Logger } from '../../../core/base/logger.ts';
import type { Owner } from '../state.ts';

interface Droppable {
  readonly relid: string;
  readonly kind: string;
  readonly name: string;
  readonly drop: string;
}

/** The statement that drops a saved definition; foreign keys first, as they depend on unique indexes. */
const select = `
  SELECT d.relid, d.kind, d.name,
         CASE d.kind
           WHEN 'index' THEN 'DROP INDEX ' || d.index_name
           ELSE 'ALTER TABLE ' || d.relid::regclass::text || ' DROP CONSTRAINT ' || quote_ident(d.name)
         END AS drop
  FROM pgsluice.definition d
  WHERE d.pipeline = $1 AND d.sink = $2 AND d.status = 'aside' AND d.top
    AND d.kind IN ('foreign key', 'check', 'constraint', 'index') AND (d.relid = ANY($3::oid[]) OR d.ref_relid = ANY($3::oid[])
      OR d.ref_relid IN (SELECT a.relid FROM unnest($3::oid[]) r, pg_partition_ancestors(r) a))
    AND CASE d.kind
      WHEN 'index' THEN EXISTS (SELECT FROM pg_class c WHERE c.oid = to_regclass(d.index_name))
      ELSE EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = d.relid AND k.conname = d.name)
    END
  ORDER BY array_position(ARRAY['foreign key', 'check', 'constraint', 'index'], d.kind), d.relid, d.name`;

/**
 * Drops what was saved. A definition that another object depends on (a view that groups by a primary key, a foreign key
 * that we may not drop) stays in place and its saved copy is removed: the server decides, not we.
 */
export async function dropSaved(
  client: pg.Client,
  owner: Owner,
  relids: readonly number[],
  log: Logger,
): Promise<void> {
  const { rows } = await client.query<Droppable & pg.QueryResultRow>(select, [owner.pipeline, owner.sink, relids]);
  if (rows.length === 0) return;
  try {
    await client.query(`SAVEPOINT aside; ${rows.map((row) => row.drop).join('; ')}; RELEASE SAVEPOINT aside`);
  } catch (error) {
    if (!mayStay(error)) throw error;
    await client.query('ROLLBACK TO SAVEPOINT aside');
    for (const row of rows) await dropOne(client, owner, row, log);
  }
}

async function dropOne(client: pg.Client, owner: Owner, row: Droppable, log: Logger): Promise<void> {
  try {
    await client.query(`SAVEPOINT aside_one; ${row.drop}; RELEASE SAVEPOINT aside_one`);
  } catch (error) {
    if (!mayStay(error)) throw error;
    await client.query('ROLLBACK TO SAVEPOINT aside_one');
    await client.query(
      `DELETE FROM pgsluice.definition d WHERE pipeline = $1 AND sink = $2 AND (relid = $3 AND kind = $4 AND name = $5
         OR parent_index IN (SELECT index_name FROM pgsluice.definition p WHERE p.pipeline = $1 AND p.sink = $2 AND p.relid = $3 AND p.kind = $4 AND p.name = $5))`,
      [owner.pipeline, owner.sink, row.relid, row.kind, row.name],
    );
    log.log('info', 'definition-kept', `${row.kind} ${row.name} stays in place during the copy: ${error.message}`);
  }
}

/** dependent_objects_still_exist, insufficient_privilege. */
function mayStay(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && (error.code === '2BP01' || error.code === '42501');
}
