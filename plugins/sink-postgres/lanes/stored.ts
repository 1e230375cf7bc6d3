import type pg from 'pg';
import { type CommitLsn, formatLsn } from '../../../core/postgres/lsn.ts';
import { stateSchema } from '../../../core/postgres/state-schema.ts';
import { assign, type Groups, type Layout } from './layout.ts';

export type By = 'group' | 'key' | 'table';

/** Whose lanes. */
export interface LanesOf {
  readonly pipeline: string;
  readonly name: string;
}

/** The first lane has the sink's own row, as the only one has. */
export const laneName = (sink: string, lane: number): string => (lane === 0 ? sink : `${sink}#${lane}`);

/** Null: one lane. */
export async function readStored(client: pg.Client, { pipeline, name }: LanesOf): Promise<Layout | null> {
  const { rows: there } = await client.query<{ there: string }>(
    `SELECT (to_regclass('${stateSchema}.lanes') IS NOT NULL)::text AS there`,
  );
  if (there[0]?.there !== 'true') return null;
  const { rows } = await client.query<{ layout: string }>(
    `SELECT layout FROM ${stateSchema}.lanes WHERE pipeline = $1 AND sink = $2`,
    [pipeline, name],
  );
  return rows[0] === undefined ? null : (JSON.parse(rows[0].layout) as Layout);
}

/** The layout, with every lane at one position, in one transaction. */
export async function store(
  client: pg.Client,
  { pipeline, name }: LanesOf,
  state: { readonly layout: Layout; readonly position: CommitLsn | null },
): Promise<void> {
  const { layout } = state;
  const names = Array.from({ length: layout.lanes }, (_, lane) => laneName(name, lane));
  await client.query('BEGIN');
  await client.query(
    `CREATE TABLE IF NOT EXISTS ${stateSchema}.lanes (pipeline text, sink text, layout text NOT NULL, PRIMARY KEY (pipeline, sink))`,
  );
  // Also rows of a run that was killed before it stored its layout: nothing else knows of them.
  await client.query(
    `DELETE FROM ${stateSchema}.position WHERE pipeline = $1 AND starts_with(sink, $2 || '#')
       AND substr(sink, length($2) + 2) ~ '^[0-9]+$' AND sink <> ALL ($3::text[])`,
    [pipeline, name, names],
  );
  await client.query(
    `INSERT INTO ${stateSchema}.position (pipeline, sink, lsn) SELECT $1, n, $3::pg_lsn FROM unnest($2::text[]) AS n
     ON CONFLICT (pipeline, sink) DO UPDATE SET lsn = excluded.lsn, updated = now()`,
    [pipeline, names, state.position === null ? null : formatLsn(state.position)],
  );
  if (layout.lanes === 1) {
    await client.query(`DELETE FROM ${stateSchema}.lanes WHERE pipeline = $1 AND sink = $2`, [pipeline, name]);
  } else {
    await client.query(
      `INSERT INTO ${stateSchema}.lanes VALUES ($1, $2, $3) ON CONFLICT (pipeline, sink) DO UPDATE SET layout = excluded.layout`,
      [pipeline, name, JSON.stringify(layout)],
    );
  }
  await client.query('COMMIT');
}

const user = `c.relkind IN ('r', 'p', 'f') AND n.nspname NOT IN ('information_schema', '${stateSchema}') AND n.nspname !~ '^pg_'`;

const tablesQuery = `
  SELECT n.nspname || '.' || c.relname AS name,
    coalesce(pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid), 0) AS writes
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${user}`;

/** Foreign keys, those that were set aside among them, and trees. `$1`: trees only. */
const edgesQuery = (setAside: boolean) => `
  SELECT a.n AS one, b.n AS other
  FROM (SELECT conrelid AS x, confrelid AS y FROM pg_constraint WHERE contype = 'f' AND NOT $1::boolean
    ${setAside ? `UNION SELECT relid, ref_relid FROM ${stateSchema}.definition WHERE ref_relid IS NOT NULL AND NOT $1::boolean` : ''}
    UNION SELECT inhrelid, inhparent FROM pg_inherits) e
  JOIN (SELECT c.oid, n.nspname || '.' || c.relname AS n FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace) a ON a.oid = e.x
  JOIN (SELECT c.oid, n.nspname || '.' || c.relname AS n FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace) b ON b.oid = e.y`;

/**
 * Keys by whose text rows may be divided: the only unique index of a plain table that no tree holds, without an exclusion constraint,
 * over columns of types in which equal values have equal text.
 */
const keysQuery = `
  SELECT n.nspname || '.' || c.relname AS name, (SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey)) AS key
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary AND i.indimmediate
  WHERE c.relkind = 'r' AND NOT c.relispartition AND ${user}
    AND NOT EXISTS (SELECT FROM pg_inherits h WHERE c.oid IN (h.inhrelid, h.inhparent))
    AND NOT EXISTS (SELECT FROM pg_index o WHERE o.indrelid = c.oid AND o.indexrelid <> i.indexrelid AND (o.indisunique OR o.indisexclusion))
    AND i.indnatts = i.indnkeyatts
    AND NOT EXISTS (SELECT FROM pg_attribute a LEFT JOIN pg_collation l ON l.oid = a.attcollation
      WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
        AND (a.atttypid NOT IN (16, 17, 20, 21, 23, 25, 26, 1043, 1082, 1114, 2950) OR NOT coalesce(l.collisdeterministic, true)))`;

/** What each lane of so many shall do, by what the target is now. */
export async function planLayout(client: pg.Client, lanes: number, by: By): Promise<Layout> {
  const groups = await readGroups(client, by !== 'group');
  const keys: Record<string, readonly string[]> = {};
  if (by === 'key' && lanes > 1) {
    const { rows } = await client.query<{ name: string; key: string }>(keysQuery);
    for (const { name, key } of rows) keys[name] = JSON.parse(key) as string[];
  }
  return { lanes, tables: lanes === 1 ? {} : assign(groups, lanes), keys };
}

/** `apart`: foreign keys do not keep tables together. */
async function readGroups(client: pg.Client, apart: boolean): Promise<Groups> {
  const { rows: tables } = await client.query<{ name: string; writes: string }>(tablesQuery);
  const { rows: found } = await client.query<{ there: string }>(
    `SELECT (to_regclass('${stateSchema}.definition') IS NOT NULL)::text AS there`,
  );
  const { rows: edges } = await client.query<{ one: string; other: string }>(edgesQuery(found[0]?.there === 'true'), [
    apart,
  ]);
  return {
    tables: tables.map(({ name, writes }) => ({ name, writes: Number(writes) })),
    edges: edges.map(({ one, other }) => [one, other] as const),
  };
}
