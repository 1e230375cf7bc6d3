import type pg from 'pg';
import type { TablePlan } from '../../../core/api/plan.ts';
import type { WaitingRange } from '../../../core/api/shared-copy.ts';
import type { LoadedRange } from '../../../core/api/sink.ts';
import { parseLsn, type SnapshotLsn } from '../../../core/postgres/lsn.ts';
import { qualified } from '../../../core/postgres/quote.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import type { Owner } from '../state.ts';

/** A table of the target that is filled in ranges. */
export interface RangedTarget {
  readonly owner: Owner;
  readonly plan: TablePlan;
  readonly relid: number;
  readonly ledger: string;
}

/** With what the state notes of it for whoever copies its ranges. */
export interface OfferedTarget extends RangedTarget {
  readonly columns: readonly string[];
  /** Of the columns that are filled. */
  readonly types: readonly number[];
  readonly digest: string;
  readonly ranges: readonly WaitingRange[];
}

const setAside = `
    SELECT d.name, coalesce(d.create_sql, d.constraint_sql) FROM pgsluice.definition d
    WHERE d.pipeline = $3 AND d.sink = $4 AND d.relid = $1 AND d.kind IN ('index', 'constraint')
      AND (d.create_sql LIKE '%CREATE UNIQUE INDEX%' OR d.constraint_sql LIKE ANY (ARRAY['EXCLUDE%', 'UNIQUE%', 'PRIMARY KEY%']))`;

/**
 * Between ranges of different positions a row may be there twice, by its old key and by its new one, until the stream has brought both to
 * one position. Whatever is unique but the key itself could not be built in that time. `$2`: the key's columns here.
 */
const others = (saved: boolean) => `
  SELECT what FROM (
    ${saved ? `${setAside} UNION ALL` : ''}
    SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i
    WHERE i.indrelid = $1 AND (i.indisunique OR i.indisexclusion)
  ) AS u (what, sql), (SELECT string_agg(quote_ident(n), ', ' ORDER BY o) FROM unnest($2::text[]) WITH ORDINALITY k (n, o)) AS k (names)
  WHERE NOT (sql LIKE '%CREATE UNIQUE INDEX%' AND right(sql, length(names) + 2) = '(' || names || ')') LIMIT 1`;

function notUnique(unique: string): string {
  return `the target holds another thing unique than its key: ${unique}`;
}

/** The key's columns as the target calls them; a text that says why it has not all of them as they are. */
export function namesInTarget(plan: TablePlan, columns: readonly string[]): readonly string[] | string {
  if (plan.tail !== null) return 'a script has a part in its rows';
  const names = columns.flatMap((from) => plan.projection.columns.find((column) => column.from === from)?.name ?? []);
  return names.length === columns.length ? names : 'the target does not have its key as it is';
}

/** See RangeSink.unfit. */
export async function unfit(
  client: pg.Client,
  owner: Owner,
  plan: TablePlan,
  of: { readonly columns: readonly string[]; readonly unique: string | null },
): Promise<string | null> {
  const names = namesInTarget(plan, of.columns);
  if (typeof names === 'string') return names;
  const { rows } = await client.query<{ oid: string; relkind: string; state: string }>(
    `SELECT oid, relkind, (to_regclass('pgsluice.definition') IS NOT NULL)::text AS state FROM pg_class WHERE oid = to_regclass($1)`,
    [qualified(plan.output)],
  );
  const [found] = rows;
  if (found === undefined) return of.unique === null ? null : notUnique(of.unique);
  if (found.relkind === 'p') return 'its target is partitioned';
  return unfitTarget(client, { owner, relid: Number(found.oid), saved: found.state === 'true' }, names);
}

/** Why a table that is there cannot hold ranges of different positions; `columns`: the key as the target calls it. */
export async function unfitTarget(
  client: pg.Client,
  { owner, relid, saved = true }: Pick<RangedTarget, 'owner' | 'relid'> & { readonly saved?: boolean },
  columns: readonly string[],
): Promise<string | null> {
  const asked = await client.query<{ relpersistence: string }>('SELECT relpersistence FROM pg_class WHERE oid = $1', [
    relid,
  ]);
  // A crash of the server empties it, and leaves the marks of its ranges, which are logged.
  if (asked.rows[0]?.relpersistence !== 'p') return 'its target is unlogged';
  const values = [relid, columns, ...(saved ? [owner.pipeline, owner.sink] : [])];
  const { rows } = await client.query<{ what: string }>(others(saved), values);
  const [unique] = rows;
  return unique === undefined ? null : notUnique(unique.what);
}

/** See RangeSink.isKeyed. {@link unfitTarget} lets nothing be unique but the key. */
export async function isKeyed(client: pg.Client, plan: TablePlan): Promise<boolean> {
  const { rows } = await client.query<{ keyed: string }>(
    `SELECT EXISTS (SELECT FROM pg_index WHERE indrelid = to_regclass($1) AND indisunique AND indisvalid AND indimmediate)::text AS keyed`,
    [qualified(plan.output)],
  );
  return rows[0]?.keyed === 'true';
}

/** The file that the ranges were written to is part of the mark: a table that was emptied or made again has another. */
const mark = `'ledger ' || $4 || ' in ' || coalesce(pg_relation_filenode($5::oid)::text, '')`;
const mine = 'pipeline = $1 AND sink = $2 AND source = $3';

/** Within the caller's transaction. True: the table holds what this ledger wrote, and nothing else was begun since. */
export async function goesOn(client: pg.Client, target: RangedTarget): Promise<boolean> {
  await client.query(`LOCK TABLE ONLY ${qualified(target.plan.output)} IN ROW EXCLUSIVE MODE`);
  const { rowCount } = await client.query(
    `SELECT FROM pgsluice.chunk WHERE ${mine} AND chunk = ${mark}`,
    parameters(target),
  );
  return rowCount === 1;
}

/**
 * Within the caller's transaction: the table is emptied and its marks go. Waits for loads that other processes have under way, and for
 * one that still runs in a backend we lost: they hold the rows of their ranges, and no other range can be claimed once these are gone.
 */
export async function startAgain(client: pg.Client, target: RangedTarget): Promise<void> {
  await forgetWork(client, target.owner, relationName(target.plan.source));
  await client.query(`TRUNCATE ONLY ${qualified(target.plan.output)}`);
  await client.query(`DELETE FROM pgsluice.chunk WHERE ${mine}`, parameters(target).slice(0, 3));
  await client.query(
    `INSERT INTO pgsluice.chunk (pipeline, sink, source, chunk) VALUES ($1, $2, $3, ${mark})`,
    parameters(target),
  );
}

/** Within the caller's transaction: nothing of the table is to be copied in ranges any more. */
export async function forgetWork(client: pg.Client, owner: Owner, source: string): Promise<void> {
  const of = [owner.pipeline, owner.sink, source];
  await client.query(`DELETE FROM pgsluice.work_range WHERE ${mine}`, of);
  await client.query(`DELETE FROM pgsluice.work_table WHERE ${mine}`, of);
}

/** Rows of a statement that gives a table's ranges out. */
const together = 5000;

/** Within the caller's transaction: the ranges that are not in are there to be claimed. */
export async function offerRanges(client: pg.Client, target: OfferedTarget): Promise<void> {
  const { owner, plan, ledger, columns, types, digest, ranges } = target;
  const source = relationName(plan.source);
  // A row that is right is left alone: whoever is at a range of the table holds it.
  await client.query(
    `INSERT INTO pgsluice.work_table (pipeline, sink, source, ledger, columns, types, plan, least)
     SELECT n.*, coalesce((SELECT w.least FROM pgsluice.work w WHERE w.pipeline = $1 AND w.sink = $2), '0/0')
     FROM (VALUES ($1::text, $2::text, $3::text, $4::text, $5::text[], $6::oid[], $7::text)) n (pipeline, sink, source, ledger, columns, types, plan)
     WHERE NOT EXISTS (SELECT FROM pgsluice.work_table t
       WHERE (t.pipeline, t.sink, t.source, t.ledger, t.columns, t.types, t.plan) = (n.pipeline, n.sink, n.source, n.ledger, n.columns, n.types, n.plan))
     ON CONFLICT (pipeline, sink, source) DO UPDATE
       SET ledger = excluded.ledger, columns = excluded.columns, types = excluded.types, plan = excluded.plan, least = excluded.least`,
    [owner.pipeline, owner.sink, source, ledger, columns, types, digest],
  );
  for (let at = 0; at < ranges.length; at += together) {
    const some = ranges.slice(at, at + together);
    await client.query(
      `INSERT INTO pgsluice.work_range (pipeline, sink, source, ledger, n, chunk, keys, bytes)
       SELECT $1, $2, $3, $4, $5 + r.n, r.chunk, r.keys, r.bytes
       FROM unnest($6::text[], $7::text[], $8::bigint[]) WITH ORDINALITY r (chunk, keys, bytes, n)
       WHERE NOT EXISTS (SELECT FROM pgsluice.chunk c
         WHERE c.pipeline = $1 AND c.sink = $2 AND c.source = $3 AND c.chunk = r.chunk AND c.exact_at IS NOT NULL)
       ON CONFLICT DO NOTHING`,
      [
        owner.pipeline,
        owner.sink,
        source,
        ledger,
        at,
        some.map(({ chunk }) => chunk),
        some.map(({ from, to }) => JSON.stringify([from, to])),
        some.map(({ bytes }) => bytes),
      ],
    );
  }
}

function parameters({ owner, plan, ledger, relid }: RangedTarget): (string | number)[] {
  return [owner.pipeline, owner.sink, relationName(plan.source), ledger, relid];
}

export async function loadedRanges(
  client: pg.Client,
  owner: Owner,
  plan: TablePlan,
): Promise<ReadonlyMap<string, LoadedRange>> {
  const { rows } = await client.query<{ chunk: string; exact_at: string; rows: string; bytes: string }>(
    `SELECT chunk, exact_at, rows, bytes FROM pgsluice.chunk WHERE ${mine} AND exact_at IS NOT NULL`,
    [owner.pipeline, owner.sink, relationName(plan.source)],
  );
  return new Map(
    rows.map(({ chunk, exact_at: at, rows: count, bytes }) => [
      chunk,
      { exactAt: parseLsn(at) as SnapshotLsn, rows: BigInt(count), bytes: Number(bytes) },
    ]),
  );
}
