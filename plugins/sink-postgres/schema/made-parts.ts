import type pg from 'pg';
import type { TableName } from '../../../core/api/schema-change.ts';
import { type ManifestObject, type ObjectKind, keyOf } from '../../../core/postgres/manifest/types.ts';
import { qualified } from '../../../core/postgres/quote.ts';
import { addTables, type Owner, type TableEntry } from '../state.ts';

/** An index, constraint, trigger … of the target that this pipeline did not make, or a column. */
export interface ForeignPart {
  readonly relid: number;
  readonly object: ManifestObject;
}

/** The parts of a table before a change. */
export interface PartsBefore {
  /** Keys of parts that a user made: not ours to alter or drop, whatever their name. */
  readonly foreign: ReadonlySet<string>;
  /** Within the same transaction: new parts are ours, except a foreign part that the server created again. */
  noteNew(): Promise<void>;
}

/**
 * The parts of tables, in the words of a manifest. `child`: it exists through that of a parent, which represents it.
 */
const parts = `
  SELECT i.indrelid AS relid, 'index' AS kind, c.relname AS name, c.oid AS objid, c.relispartition AS child
  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
  UNION ALL SELECT k.conrelid, 'constraint', k.conname, k.oid, k.conparentid <> 0 OR k.coninhcount > 0
  FROM pg_catalog.pg_constraint k WHERE k.contype IN ('c', 'p', 'u', 'x', 'f')
  UNION ALL SELECT g.tgrelid, 'trigger', g.tgname, g.oid, g.tgparentid <> 0 FROM pg_catalog.pg_trigger g WHERE NOT g.tgisinternal
  UNION ALL SELECT r.ev_class, 'rule', r.rulename, r.oid, false FROM pg_catalog.pg_rewrite r WHERE r.rulename <> '_RETURN'
  UNION ALL SELECT p.polrelid, 'policy', p.polname, p.oid, false FROM pg_catalog.pg_policy p
  UNION ALL SELECT s.stxrelid, 'statistics', s.stxname, s.oid, false FROM pg_catalog.pg_statistic_ext s`;

/** Tables whose parts are noted have a row of kind `table`; for others, of an older version, nothing is known. */
const isNoted = (p: string) =>
  `EXISTS (SELECT FROM pgsluice.made_part t WHERE t.pipeline = $1 AND t.sink = $2 AND t.relid = ${p}.relid AND t.kind = 'table')`;
const isMade = (p: string) =>
  `EXISTS (SELECT FROM pgsluice.made_part m WHERE m.pipeline = $1 AND m.sink = $2 AND m.relid = ${p}.relid AND m.kind = ${p}.kind AND m.objid = ${p}.objid)`;

/** Notes tables that this pipeline made or takes over, with their parts. */
export async function takeOn(client: pg.Client, owner: Owner, entries: readonly TableEntry[]): Promise<void> {
  await addTables(client, owner, entries);
  await noteParts(
    client,
    owner,
    entries.map(({ relid }) => relid),
  );
}

/** Tables of which it is known which parts are ours. */
export async function notedTables(client: pg.Client, owner: Owner): Promise<ReadonlySet<number>> {
  const { rows } = await client.query<{ relid: string }>(
    `SELECT relid FROM pgsluice.made_part WHERE pipeline = $1 AND sink = $2 AND kind = 'table'`,
    [owner.pipeline, owner.sink],
  );
  return new Set(rows.map(({ relid }) => Number(relid)));
}

/** Within the transaction that made or took over these tables: all present parts are ours. */
export async function noteParts(client: pg.Client, owner: Owner, relids: readonly number[]): Promise<void> {
  await client.query(
    `INSERT INTO pgsluice.made_part (pipeline, sink, relid, kind, name, objid)
     SELECT $1, $2, p.relid, p.kind, p.name, p.objid FROM (${parts}) p WHERE p.relid = ANY($3::oid[])
     UNION ALL SELECT $1, $2, c, 'table', '', c FROM unnest($3::oid[]) c
     ON CONFLICT DO NOTHING`,
    [owner.pipeline, owner.sink, relids],
  );
}

/** A part that does not exist yet, but that this pipeline will make. */
export async function notePart(
  client: pg.Client,
  owner: Owner,
  part: { readonly table: TableName; readonly kind: ObjectKind; readonly name: string },
): Promise<void> {
  if (!(await areNoted(client))) return;
  await client.query(
    `INSERT INTO pgsluice.made_part (pipeline, sink, relid, kind, name, objid)
     SELECT $1, $2, to_regclass($3), $4, $5, 0 WHERE to_regclass($3) IS NOT NULL ON CONFLICT DO NOTHING`,
    [owner.pipeline, owner.sink, qualified(part.table), part.kind, part.name],
  );
}

/**
 * Parts that were set aside are new objects when they are built again: CTEs for the statement that marks definitions as
 * built, with $1 and $2 of the owner. `built`: a query with the columns relid and name. One part may have several
 * notes: from being set aside, and from DDL meanwhile.
 */
export const renewedParts = (built: string): string => `
  stale AS (
    DELETE FROM pgsluice.made_part m USING (${built}) b, (${parts}) p
    WHERE m.pipeline = $1 AND m.sink = $2 AND m.relid = b.relid AND m.name = b.name AND p.relid = b.relid AND p.name = b.name
      AND p.kind = m.kind AND p.objid <> m.objid
      AND NOT EXISTS (SELECT FROM (${parts}) q WHERE q.relid = m.relid AND q.kind = m.kind AND q.objid = m.objid)
    RETURNING p.relid, p.kind, p.name, p.objid),
  renewed AS (
    INSERT INTO pgsluice.made_part (pipeline, sink, relid, kind, name, objid)
    SELECT DISTINCT $1, $2, relid, kind, name, objid FROM stale ON CONFLICT DO NOTHING)`;

/** Parts of tables (null: of all tables of this pipeline) that a user made. */
export async function foreignParts(
  client: pg.Client,
  owner: Owner,
  relids: readonly number[] | null,
): Promise<readonly ForeignPart[]> {
  const { rows } = await client.query<Record<'relid' | 'kind' | 'schema' | 'table' | 'name', string>>(
    `SELECT p.relid, p.kind, n.nspname AS schema, c.relname AS "table", p.name FROM (${parts}) p
     JOIN pg_catalog.pg_class c ON c.oid = p.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE ($3::oid[] IS NULL OR p.relid = ANY($3::oid[])) AND NOT p.child AND ${isNoted('p')} AND NOT ${isMade('p')}
     ORDER BY n.nspname, c.relname, p.kind, p.name`,
    [owner.pipeline, owner.sink, relids],
  );
  return rows.map(({ relid, kind, schema, table, name }) => ({
    relid: Number(relid),
    object: partOf(kind as ObjectKind, [schema, table], name),
  }));
}

function partOf(kind: ObjectKind, [schema, table]: readonly [string, string], name: string): ManifestObject {
  const ofSchema = kind === 'index' || kind === 'statistics';
  const props = { table: JSON.stringify([schema, table]) };
  return { kind, name: ofSchema ? [schema, name] : [schema, table, name], props, facts: {}, needs: [] };
}

/** Tables (null: all of this pipeline), and the tables that a change of them affects: their whole trees. */
export async function partsBefore(
  client: pg.Client,
  owner: Owner,
  tables: readonly TableName[] | null,
): Promise<PartsBefore> {
  if (!(await areNoted(client))) return { foreign: new Set(), noteNew: () => Promise.resolve() };
  const relids = tables === null ? null : await familyOf(client, tables);
  const foreign = await foreignParts(client, owner, relids);
  const { rows } = await client.query<{ seen: string }>(
    `SELECT p.kind || p.objid AS seen FROM (${parts}) p WHERE ($3::oid[] IS NULL OR p.relid = ANY($3::oid[])) AND ${isNoted('p')}`,
    [owner.pipeline, owner.sink, relids],
  );
  const noteNew = async (): Promise<void> => {
    await client.query(
      `INSERT INTO pgsluice.made_part (pipeline, sink, relid, kind, name, objid)
       SELECT $1, $2, p.relid, p.kind, p.name, p.objid FROM (${parts}) p
       WHERE ($3::oid[] IS NULL OR p.relid = ANY($3::oid[])) AND ${isNoted('p')}
         AND NOT EXISTS (SELECT FROM unnest($4::text[]) AS s (seen) WHERE s.seen = p.kind || p.objid)
         AND NOT EXISTS (SELECT FROM unnest($5::oid[], $6::text[], $7::text[]) AS f (relid, kind, name)
           WHERE f.relid = p.relid AND f.kind = p.kind AND f.name = p.name)
       ON CONFLICT DO NOTHING`,
      [
        owner.pipeline,
        owner.sink,
        relids,
        rows.map(({ seen }) => seen),
        foreign.map(({ relid }) => relid),
        foreign.map(({ object }) => object.kind),
        foreign.map(({ object }) => object.name.at(-1)),
      ],
    );
  };
  return { foreign: new Set(foreign.map(({ object }) => keyOf(object))), noteNew };
}

/** A stream without a copy, or one continued from an older version, has no notes. */
export async function areNoted(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query(`SELECT FROM pg_catalog.pg_class WHERE oid = to_regclass('pgsluice.made_part')`);
  return rows.length > 0;
}

async function familyOf(client: pg.Client, tables: readonly TableName[]): Promise<readonly number[]> {
  const { rows } = await client.query<{ oid: string }>(
    `WITH RECURSIVE family AS (
       SELECT coalesce(pg_partition_root(to_regclass(t))::oid, to_regclass(t)::oid) AS oid FROM unnest($1::text[]) t
       UNION SELECT i.inhrelid FROM family f JOIN pg_catalog.pg_inherits i ON i.inhparent = f.oid)
     SELECT oid FROM family WHERE oid IS NOT NULL`,
    [tables.map(qualified)],
  );
  return rows.map(({ oid }) => Number(oid));
}
