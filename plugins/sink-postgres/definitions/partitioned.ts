import type pg from 'pg';
import { failpoint } from '../../../core/base/failpoint.ts';
import { type Builder, type Definition, addConstraint, openDefinitions, runAll, step } from './build.ts';
import type { DefinitionStatus } from './save.ts';

/**
 * Indexes and constraints of partitioned tables: created on the parent alone, then the partitions' own are attached,
 * which keeps their names and scans nothing. Deepest level first, as an index is valid only when all below it are
 * attached and valid.
 */
export async function buildPartitioned(builder: Builder, signal: AbortSignal): Promise<void> {
  const work = await builder.sessions.query(async (client) => {
    const open = await openDefinitions(client, builder.owner, {
      relids: null,
      kinds: ['index', 'constraint'],
      partitioned: true,
    });
    const depths = await readDepths(client, open);
    return open.toSorted((a, b) => depths.get(b.relid)! - depths.get(a.relid)!);
  });
  for (const definition of work) {
    signal.throwIfAborted();
    failpoint('partitioned');
    await step(builder, definition, (client) => makeParent(client, builder, definition));
  }
}

async function makeParent(client: pg.Client, builder: Builder, definition: Definition): Promise<DefinitionStatus> {
  // pg_get_indexdef says ON ONLY for a partitioned index by itself.
  if (definition.constraint === null) await client.query(definition.create!);
  else await addConstraint(client, { ...definition, table: `ONLY ${definition.table}`, after: [] });
  // A partition that was detached since keeps its index; ATTACH PARTITION attaches it later.
  const { rows } = await client.query<{ index_name: string }>(
    `SELECT d.index_name FROM pgsluice.definition d JOIN pg_inherits i ON i.inhrelid = d.relid AND i.inhparent = $4
     WHERE d.pipeline = $1 AND d.sink = $2 AND d.parent_index = $3 ORDER BY d.index_name`,
    [builder.owner.pipeline, builder.owner.sink, definition.index, definition.relid],
  );
  await runAll(
    client,
    rows.map((row) => `ALTER INDEX ${definition.index} ATTACH PARTITION ${row.index_name}`),
  );
  await runAll(client, definition.after);
  return 'built';
}

async function readDepths(client: pg.Client, definitions: readonly Definition[]): Promise<ReadonlyMap<string, number>> {
  const { rows } = await client.query<{ relid: string; depth: string }>(
    `WITH RECURSIVE up AS (
       SELECT oid AS relid, oid AS at, 0 AS depth FROM unnest($1::oid[]) AS oid
       UNION ALL SELECT up.relid, i.inhparent, depth + 1 FROM up JOIN pg_inherits i ON i.inhrelid = up.at
     ) SELECT relid, max(depth) AS depth FROM up GROUP BY relid`,
    [[...new Set(definitions.map((d) => d.relid))]],
  );
  return new Map(rows.map((row) => [row.relid, Number(row.depth)]));
}
