import type pg from 'pg';
import type { SnapshotLsn } from '../../core/postgres/lsn.ts';
import { formatLsn } from '../../core/postgres/lsn.ts';

/** The owner of the state: two sinks of one pipeline may share a target. */
export interface Owner {
  readonly pipeline: string;
  readonly sink: string;
}

/**
 * Durable progress of the schema. `restore`: objects of the stored dump up to `restored` exist; `alter`: all exist, the
 * plan's renames and drops are under way; `ready`: tables can be loaded; `finished`: foreign keys, triggers and views
 * are done.
 */
export type Phase = 'restore' | 'alter' | 'ready' | 'finished';
/** `new`: as restored or found; `aside`: indexes and constraints are set aside; `built`: copied and built again. `parent`: holds no rows of its own. */
export type LoadPhase = 'new' | 'aside' | 'built' | 'parent';

export interface TableState {
  /** `schema.name` on the source. */
  readonly source: string;
  readonly relid: number;
  readonly phase: LoadPhase;
  readonly exactAt: string | null;
  /** It was copied in ranges of different positions: up to `exactAt` its rows do not belong to one moment. */
  readonly mixed: boolean;
}

/** Two processes that start at the same time must not both create it (IF NOT EXISTS has races in the catalogs). */
const createLock = `SELECT pg_advisory_xact_lock(7041, 3000)`;

const tables = `
  CREATE SCHEMA IF NOT EXISTS pgsluice;
  CREATE TABLE IF NOT EXISTS pgsluice.bulk (
    pipeline text, sink text, phase text NOT NULL, restored int NOT NULL DEFAULT 0, PRIMARY KEY (pipeline, sink));
  CREATE TABLE IF NOT EXISTS pgsluice.bulk_object (
    pipeline text, sink text, ordinal int, type text NOT NULL, name text NOT NULL, sql text NOT NULL, late boolean NOT NULL,
    PRIMARY KEY (pipeline, sink, ordinal));
  ALTER TABLE pgsluice.bulk_object ADD COLUMN IF NOT EXISTS refused text, ADD COLUMN IF NOT EXISTS told boolean NOT NULL DEFAULT false;
  CREATE TABLE IF NOT EXISTS pgsluice.left_out (pipeline text, sink text, what text, why text, PRIMARY KEY (pipeline, sink, what, why));
  CREATE TABLE IF NOT EXISTS pgsluice.bulk_table (
    pipeline text, sink text, source text, relid oid NOT NULL, phase text NOT NULL, altered boolean NOT NULL DEFAULT false,
    exact_at pg_lsn, PRIMARY KEY (pipeline, sink, source));
  ALTER TABLE pgsluice.bulk_table ADD COLUMN IF NOT EXISTS made int2[], ADD COLUMN IF NOT EXISTS mixed boolean NOT NULL DEFAULT false;
  CREATE TABLE IF NOT EXISTS pgsluice.made_part (
    pipeline text, sink text, relid oid, kind text, name text, objid oid, PRIMARY KEY (pipeline, sink, relid, kind, name, objid));
  CREATE TABLE IF NOT EXISTS pgsluice.definition (
    pipeline text, sink text, relid oid, kind text, name text, create_sql text, constraint_sql text, after_sql text[] NOT NULL,
    top boolean NOT NULL, partitioned boolean NOT NULL, index_name text, parent_index text, ref_relid oid,
    status text NOT NULL, PRIMARY KEY (pipeline, sink, relid, kind, name));
  ALTER TABLE pgsluice.definition ADD COLUMN IF NOT EXISTS offered boolean NOT NULL DEFAULT false;
  CREATE TABLE IF NOT EXISTS pgsluice.chunk (
    pipeline text, sink text, source text, chunk text, rows bigint, bytes bigint,
    PRIMARY KEY (pipeline, sink, source, chunk));
  ALTER TABLE pgsluice.chunk ADD COLUMN IF NOT EXISTS exact_at pg_lsn;
  CREATE TABLE IF NOT EXISTS pgsluice.work (
    pipeline text, sink text, rate bigint, over boolean NOT NULL, paid timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, sink));
  ALTER TABLE pgsluice.work ADD COLUMN IF NOT EXISTS least pg_lsn NOT NULL DEFAULT '0/0';
  CREATE TABLE IF NOT EXISTS pgsluice.work_snapshot (
    pipeline text, sink text, standby text, name text NOT NULL, server text NOT NULL, handoff pg_lsn NOT NULL, exact_at pg_lsn NOT NULL,
    age float8, ends timestamptz, ledgers text[] NOT NULL, PRIMARY KEY (pipeline, sink, standby));
  CREATE TABLE IF NOT EXISTS pgsluice.work_table (
    pipeline text, sink text, source text, ledger text NOT NULL, columns text[] NOT NULL, types oid[] NOT NULL, plan text NOT NULL,
    PRIMARY KEY (pipeline, sink, source));
  ALTER TABLE pgsluice.work_table ADD COLUMN IF NOT EXISTS least pg_lsn NOT NULL DEFAULT '0/0';
  CREATE TABLE IF NOT EXISTS pgsluice.work_range (
    pipeline text, sink text, ledger text, n bigint, source text NOT NULL, chunk text NOT NULL, keys text NOT NULL, bytes bigint NOT NULL,
    PRIMARY KEY (pipeline, sink, ledger, n));
  CREATE TABLE IF NOT EXISTS pgsluice.worker (
    pipeline text, sink text, id text, note text NOT NULL, since timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen timestamptz NOT NULL, PRIMARY KEY (pipeline, sink, id));
  CREATE TABLE IF NOT EXISTS pgsluice.large_object (
    pipeline text, sink text, up_to oid NOT NULL, done boolean NOT NULL DEFAULT false, PRIMARY KEY (pipeline, sink));`;

/** Repeatable; takes no lock if everything exists. */
export async function ensureBulkState(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ there: string }>(
    `SELECT (to_regclass('pgsluice.made_part') IS NOT NULL AND to_regclass('pgsluice.worker') IS NOT NULL AND 4 = (
       SELECT count(*) FROM pg_attribute WHERE (attrelid, attname) IN ((to_regclass('pgsluice.bulk_table'), 'made'),
         (to_regclass('pgsluice.bulk_table'), 'mixed'), (to_regclass('pgsluice.chunk'), 'exact_at'),
         (to_regclass('pgsluice.work_table'), 'least'))))::text AS there`,
  );
  if (rows[0]?.there === 'true' && (await bulkStateExists(client))) return;
  await client.query('BEGIN');
  await client.query(createLock);
  await client.query(tables);
  await client.query('COMMIT');
}

/** The same within the caller's transaction. */
export async function makeBulkState(client: pg.Client): Promise<void> {
  if (await bulkStateExists(client)) return;
  await client.query(createLock);
  await client.query(tables);
}

export async function bulkStateExists(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ there: string }>(
    `SELECT (to_regclass('pgsluice.bulk') IS NOT NULL AND to_regclass('pgsluice.large_object') IS NOT NULL)::text AS there`,
  );
  return rows[0]?.there === 'true';
}

export async function readPhase(client: pg.Client, owner: Owner): Promise<{ phase: Phase; restored: number } | null> {
  const { rows } = await client.query<{ phase: Phase; restored: string }>(
    'SELECT phase, restored FROM pgsluice.bulk WHERE pipeline = $1 AND sink = $2',
    [owner.pipeline, owner.sink],
  );
  const row = rows[0];
  return row === undefined ? null : { phase: row.phase, restored: Number(row.restored) };
}

export async function writePhase(client: pg.Client, owner: Owner, phase: Phase): Promise<void> {
  await client.query(
    `INSERT INTO pgsluice.bulk (pipeline, sink, phase) VALUES ($1, $2, $3)
     ON CONFLICT (pipeline, sink) DO UPDATE SET phase = excluded.phase`,
    [owner.pipeline, owner.sink, phase],
  );
}

export async function readTables(client: pg.Client, owner: Owner): Promise<Map<string, TableState>> {
  // A state of an earlier version has no column `mixed`.
  const { rows } = await client.query<
    Record<'source' | 'relid' | 'phase', string> & Record<'exact_at' | 'mixed', string | null>
  >(
    `SELECT source, relid, phase, exact_at, to_jsonb(t)->>'mixed' AS mixed FROM pgsluice.bulk_table t
     WHERE pipeline = $1 AND sink = $2`,
    [owner.pipeline, owner.sink],
  );
  return new Map(
    rows.map((row) => [
      row.source,
      {
        source: row.source,
        relid: Number(row.relid),
        phase: row.phase as LoadPhase,
        exactAt: row.exact_at,
        mixed: row.mixed === 'true',
      },
    ]),
  );
}

export interface TableEntry {
  readonly source: string;
  readonly relid: number;
  readonly phase: LoadPhase;
  /**
   * Its columns that this pipeline fills; absent: all present ones. Other columns belong to a user, and are not ours to
   * drop.
   */
  readonly columns?: readonly string[];
}

/** Notes which table of the target corresponds to which of the source. Existing rows keep their phase. */
export async function addTables(client: pg.Client, owner: Owner, entries: readonly TableEntry[]): Promise<void> {
  await client.query(
    `INSERT INTO pgsluice.bulk_table (pipeline, sink, source, relid, phase, made)
     SELECT $1, $2, e.source, e.relid, e.phase, ARRAY(
       SELECT a.attnum FROM pg_attribute a WHERE a.attrelid = e.relid AND a.attnum > 0 AND NOT a.attisdropped
         AND (e.columns IS NULL OR e.columns::jsonb ? a.attname))
     FROM unnest($3::text[], $4::oid[], $5::text[], $6::text[]) AS e (source, relid, phase, columns)
     ON CONFLICT DO NOTHING`,
    [
      owner.pipeline,
      owner.sink,
      entries.map((e) => e.source),
      entries.map((e) => e.relid),
      entries.map((e) => e.phase),
      entries.map((e) => (e.columns === undefined ? null : JSON.stringify(e.columns))),
    ],
  );
}

export async function setTablePhase(
  client: pg.Client,
  owner: Owner,
  update: { readonly relids: readonly number[]; readonly phase: LoadPhase },
): Promise<void> {
  await client.query(
    `UPDATE pgsluice.bulk_table SET phase = $4
     WHERE pipeline = $1 AND sink = $2 AND relid = ANY($3::oid[]) AND phase <> 'parent'`,
    [owner.pipeline, owner.sink, update.relids, update.phase],
  );
}

/**
 * Marks tables as copied whole and exact at these positions (I5), and as `built` again if requested. Called before the
 * marks of their ranges are removed, which show whether a table is mixed.
 */
export async function setFinished(
  client: pg.Client,
  owner: Owner,
  tables: readonly { readonly source: string; readonly exactAt: SnapshotLsn; readonly built: boolean }[],
): Promise<void> {
  await client.query(
    `UPDATE pgsluice.bulk_table t SET exact_at = e.at, phase = CASE WHEN e.built THEN 'built' ELSE t.phase END,
       mixed = t.mixed OR (SELECT count(DISTINCT c.exact_at) > 1 FROM pgsluice.chunk c
         WHERE c.pipeline = $1 AND c.sink = $2 AND c.source = e.source)
     FROM unnest($3::text[], $4::pg_lsn[], $5::boolean[]) AS e (source, at, built)
     WHERE pipeline = $1 AND sink = $2 AND t.source = e.source`,
    [
      owner.pipeline,
      owner.sink,
      tables.map((table) => table.source),
      tables.map((table) => formatLsn(table.exactAt)),
      tables.map((table) => table.built),
    ],
  );
}

/**
 * A state table that was just filled has no statistics, and without them the planner estimates a pipeline's rows as
 * one: it would read all of them for each of thousands of tables.
 */
export async function analyzeState(
  client: pg.Client,
  table: 'bulk_table' | 'bulk_object' | 'definition',
): Promise<void> {
  await client.query(`ANALYZE pgsluice.${table}`);
}
