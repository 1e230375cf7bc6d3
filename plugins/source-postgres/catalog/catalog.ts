import type pg from 'pg';
import { parseLsn } from '../../../core/postgres/lsn.ts';
import type { Relation } from '../../../core/postgres/relation.ts';
import type { TablesOption } from '../../../core/api/schemas.ts';
import type { SourceCatalog, SourceIdentity, SourceTable } from '../../../core/api/source.ts';
import { readColumns } from '../../../core/postgres/columns.ts';
import { sourceError } from '../errors.ts';
import { chooseTables } from './choose.ts';
import { identityOf, primaryKeyOf, readKeys } from './identity.ts';
import { type CatalogTable, readTables } from './tables.ts';

/** The chosen tables in three set-wise queries, so that thousands of tables cost no more round trips than one. */
export async function readCatalog(
  client: pg.Client,
  identity: SourceIdentity,
  patterns: TablesOption,
): Promise<SourceCatalog> {
  const at = await walEnd(client);
  const { chosen, foreign, excluded, parents } = chooseTables(await readTables(client), patterns);
  if (chosen.length === 0) {
    throw sourceError('PGS2102', `database "${identity.database}" has no table that the file chooses`);
  }
  return {
    identity,
    at,
    tables: await withShapes(client, chosen),
    parents,
    foreignTables: foreign.map(({ schema, name }) => ({ schema, name })),
    choice: JSON.stringify([patterns.include ?? null, patterns.exclude ?? null]),
    excluded: excluded.map(({ schema, name }) => ({ schema, name })),
    unfilledViews: await unfilledViews(client),
  };
}

async function unfilledViews(client: pg.Client): Promise<{ schema: string; name: string }[]> {
  const { rows } = await client.query<{ schema: string; name: string }>(
    `SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'm' AND NOT c.relispopulated`,
  );
  return rows;
}

/** On a standby the receive position takes the place of the insert position. */
async function walEnd(client: pg.Client): Promise<bigint> {
  const { rows } = await client.query<{ at: string }>(
    `SELECT CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_receive_lsn(), '0/0') ELSE pg_current_wal_lsn() END AS at`,
  );
  return parseLsn(rows[0]!.at);
}

async function withShapes(client: pg.Client, tables: readonly CatalogTable[]): Promise<readonly SourceTable[]> {
  const oids = tables.map((table) => table.oid);
  const columns = await readColumns(client, oids);
  const keys = await readKeys(client, oids);
  return tables.map((table) => {
    const shape = columns.get(table.oid)!;
    const relation: Relation = {
      oid: table.oid,
      schema: table.schema,
      name: table.name,
      kind: table.isPartition ? 'partition' : 'table',
      columns: shape.columns,
      identity: identityOf(table.replicaIdentity, keys.get(table.oid), shape),
      primaryKey: primaryKeyOf(keys.get(table.oid), shape),
      ...(keys.get(table.oid)?.primaryKeyDeferrable === true ? { deferrableKey: true } : {}),
    };
    const persistence = table.unlogged ? 'unlogged' : 'permanent';
    return { relation, bytes: table.bytes, rows: table.rows, persistence };
  });
}

/**
 * Identity of server and database; needs no replication connection. The first eight digits of a WAL file's name are the
 * timeline.
 */
export async function readIdentity(client: pg.Client): Promise<SourceIdentity> {
  const { rows } = await client.query<Record<'id' | 'timeline' | 'db' | 'version', string>>(
    `SELECT (SELECT system_identifier FROM pg_control_system()) AS id,
            CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id FROM pg_control_checkpoint())
                 ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END AS timeline,
            current_database() AS db, current_setting('server_version_num') AS version`,
  );
  const row = rows[0]!;
  return { systemId: row.id, timeline: Number(row.timeline), database: row.db, version: Number(row.version) };
}
