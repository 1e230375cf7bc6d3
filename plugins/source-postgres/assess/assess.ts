import type pg from 'pg';
import type { AssessSource, SourceSample, SourceSurvey, SurveyedTable } from '../../../core/api/assessment.ts';
import type { TablesOption } from '../../../core/api/schemas.ts';
import type { SourceTable } from '../../../core/api/source.ts';
import { parseLsn } from '../../../core/postgres/lsn.ts';
import { type Oid, relationName } from '../../../core/postgres/relation.ts';
import { readServerProfile } from '../../../core/postgres/server-profile.ts';
import { readCatalog, readIdentity } from '../catalog/catalog.ts';
import { type SourceAccess, ask } from '../session.ts';
import { startDecoding } from './decode.ts';

/**
 * What `assess` reads from PostgreSQL. Everything is read with the privileges that a copy needs; docs/assess.md says
 * what pg_monitor adds.
 */
export function assessSource(access: SourceAccess, patterns: TablesOption): AssessSource {
  return {
    survey: (signal) => ask(access, signal, (client) => survey(client, patterns)),
    sample: (tables, signal) => ask(access, signal, (client) => sample(client, tables)),
    decoding: (signal) => startDecoding(access, signal),
    btrees: (tables, signal) => ask(access, signal, (client) => btrees(client, tables)),
    profile: (signal) => ask(access, signal, readServerProfile),
    connected: (signal) => ask(access, signal, connected),
  };
}

async function connected(client: pg.Client): Promise<readonly (readonly [string, string])[]> {
  const { rows } = await client.query<Record<'one' | 'other', string>>(
    `SELECT a.nspname || '.' || x.relname AS one, b.nspname || '.' || y.relname AS other
     FROM (SELECT conrelid AS l, confrelid AS r FROM pg_constraint WHERE contype = 'f'
       UNION SELECT h.inhrelid, h.inhparent FROM pg_inherits h JOIN pg_class i ON i.oid = h.inhrelid AND i.relkind IN ('r', 'p', 'f')) e
     JOIN pg_class x ON x.oid = e.l JOIN pg_namespace a ON a.oid = x.relnamespace
     JOIN pg_class y ON y.oid = e.r JOIN pg_namespace b ON b.oid = y.relnamespace`,
  );
  return rows.map(({ one, other }) => [one, other] as const);
}

/** In the order of the server; without partial ones, expressions, INCLUDE and operator classes that are named. */
async function btrees(
  client: pg.Client,
  tables: readonly Oid[],
): Promise<ReadonlyMap<Oid, readonly (readonly string[])[]>> {
  const { rows } = await client.query<{ oid: string; columns: string }>(
    `SELECT i.indrelid AS oid, (SELECT json_agg(a.attname ORDER BY k.n) FROM unnest(i.indkey) WITH ORDINALITY k (att, n)
              JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.att)::text AS columns
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam AND m.amname = 'btree'
     WHERE i.indrelid = ANY ($1::oid[]) AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = i.indnatts
       AND NOT EXISTS (SELECT FROM unnest(i.indclass) o JOIN pg_opclass p ON p.oid = o AND NOT p.opcdefault)
     ORDER BY i.indexrelid`,
    [tables],
  );
  const found = new Map<Oid, (readonly string[])[]>();
  for (const { oid, columns } of rows) {
    found.set(Number(oid), [...(found.get(Number(oid)) ?? []), JSON.parse(columns) as string[]]);
  }
  return found;
}

async function survey(client: pg.Client, patterns: TablesOption): Promise<SourceSurvey> {
  const identity = await readIdentity(client);
  const { tables } = await readCatalog(client, identity, patterns);
  const { rows } = await client.query<{ kept: string; sees: string; objects: string; extensions: string | null }>(
    `SELECT (SELECT setting FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS kept,
            pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')::text AS sees,
            (SELECT count(*) FROM pg_largeobject_metadata) AS objects,
            (SELECT json_agg(extname ORDER BY extname) FROM pg_extension WHERE extname <> 'plpgsql')::text AS extensions`,
  );
  const { kept, sees, objects, extensions } = rows[0]!;
  return {
    version: identity.version,
    // In megabytes; -1: no limit (manual: Replication, max_slot_wal_keep_size).
    slotKeepsBytes: Number(kept) < 0 ? null : Number(kept) * 1024 ** 2,
    seesSessions: sees === 'true',
    largeObjects: Number(objects),
    extensions: extensions === null ? [] : (JSON.parse(extensions) as string[]),
    tables: await surveyTables(client, tables),
  };
}

async function surveyTables(client: pg.Client, tables: readonly SourceTable[]): Promise<readonly SurveyedTable[]> {
  const { rows } = await client.query<{ oid: string; heap: string; toast: string; indexes: string }>(
    `SELECT c.oid, pg_relation_size(c.oid) AS heap, pg_table_size(c.oid) - pg_relation_size(c.oid) AS toast,
            pg_indexes_size(c.oid) AS indexes
     FROM pg_class c WHERE c.oid = ANY ($1::oid[])`,
    [tables.map(({ relation }) => relation.oid)],
  );
  const sizes = new Map(rows.map((row) => [Number(row.oid), row]));
  return tables.map(({ relation, rows: estimate, persistence }) => {
    const size = sizes.get(relation.oid);
    return {
      oid: relation.oid,
      name: relationName(relation),
      // Null if the table was dropped meanwhile.
      heap: Number(size?.heap ?? 0),
      toast: Number(size?.toast ?? 0),
      indexes: Number(size?.indexes ?? 0),
      rows: estimate,
      identified: relation.identity.kind !== 'nothing',
      unlogged: persistence === 'unlogged',
    };
  });
}

async function sample(client: pg.Client, tables: readonly Oid[]): Promise<SourceSample> {
  const { rows: now } = await client.query<
    Record<'at' | 'wal' | 'bytes', string> & Record<'counted' | 'oldest', string | null>
  >(
    `SELECT extract(epoch FROM clock_timestamp()) * 1000 AS at,
            CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0') ELSE pg_current_wal_insert_lsn() END AS wal,
            (SELECT wal_bytes FROM pg_stat_wal) AS bytes,
            (SELECT extract(epoch FROM clock_timestamp() - stats_reset) FROM pg_stat_wal) AS counted,
            (SELECT extract(epoch FROM max(clock_timestamp() - xact_start)) FROM pg_stat_activity
             WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()) AS oldest`,
  );
  const { rows } = await client.query<Record<'relid' | 'ins' | 'upd' | 'hot' | 'del' | 'dead', string>>(
    `SELECT relid, n_tup_ins AS ins, n_tup_upd AS upd, n_tup_hot_upd AS hot, n_tup_del AS del, n_dead_tup AS dead
     FROM pg_stat_all_tables WHERE relid = ANY ($1::oid[])`,
    [tables],
  );
  const { at, wal, bytes, counted, oldest } = now[0]!;
  return {
    at: Number(at),
    wal: parseLsn(wal),
    walBytes: Number(bytes),
    walSeconds: counted === null ? null : Number(counted),
    oldestWriter: oldest === null ? null : Number(oldest),
    tables: new Map(
      rows.map((row) => [
        Number(row.relid),
        {
          inserts: Number(row.ins),
          updates: Number(row.upd),
          hotUpdates: Number(row.hot),
          deletes: Number(row.del),
          deadRows: Number(row.dead),
        },
      ]),
    ),
  };
}
