import type pg from 'pg';
import { type CommitLsn, formatLsn } from '../../../core/postgres/lsn.ts';
import { advisoryKey, stateSchema } from '../../../core/postgres/state-schema.ts';
import { assign, type Groups, type Layout, oneLane, sameText } from './layout.ts';

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
  // Two that make a table at once: for one of them it ends with an error, IF NOT EXISTS or not.
  await client.query(`SELECT pg_advisory_xact_lock(${advisoryKey('state schema')})`);
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

const user = `c.relkind IN ('r', 'p', 'f', 'v') AND n.nspname NOT IN ('information_schema', '${stateSchema}') AND n.nspname !~ '^pg_'`;

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
        AND (a.atttypid NOT IN (${[...sameText].join(', ')}) OR NOT coalesce(l.collisdeterministic, true)))`;

/** How the tables of the target are to be divided. */
export interface Division {
  readonly lanes: number;
  readonly by: By;
  /** Tables that came from the source, which must not be divided. */
  readonly whole: ReadonlySet<string>;
  /** Tables that came, and which the catalog may not show as tables. */
  readonly later: ReadonlySet<string>;
}

/** What each lane of so many shall do, by what the target is now. */
export async function planLayout(client: pg.Client, { lanes, by, whole, later }: Division): Promise<Layout> {
  if (lanes === 1) return oneLane;
  const groups = await readGroups(client, by !== 'group');
  // One that the catalog does not show is the first lane's.
  const unknown = Object.fromEntries([...later].map((name) => [name, 0]));
  return { lanes, tables: { ...unknown, ...assign(groups, lanes) }, keys: await readKeys(client, by, whole) };
}

async function readKeys(
  client: pg.Client,
  by: By,
  whole: ReadonlySet<string>,
): Promise<Readonly<Record<string, readonly string[]>>> {
  if (by !== 'key') return {};
  const { rows } = await client.query<{ name: string; key: string }>(keysQuery);
  const divided = rows.filter(({ name }) => !whole.has(name));
  return Object.fromEntries(divided.map(({ name, key }) => [name, JSON.parse(key) as string[]]));
}

/**
 * What of the target the layout does not know: a foreign key or a tree that came between tables of two lanes, a constraint by which
 * rows of several lanes meet. Null: nothing. `apart`: foreign keys do not act.
 */
export async function outgrown(
  client: pg.Client,
  layout: Layout,
  { by, apart }: { readonly by: By; readonly apart: boolean },
): Promise<string | null> {
  const { edges } = await readGroups(client, apart);
  const between = edges.find(([one, other]) => !together(layout, one, other));
  if (between !== undefined) return `${between[0]} and ${between[1]} are connected now`;
  const keys = await readKeys(client, by, new Set());
  const whole = Object.keys(layout.keys).find((name) => keys[name] === undefined);
  return whole === undefined ? null : `${whole} has another key or constraint now`;
}

/** All rows of both are written by one lane, or those of one of them by no lane while others are at work. */
function together({ tables, keys }: Layout, one: string, other: string): boolean {
  if (tables[one] === undefined || tables[other] === undefined) return true;
  return keys[one] === undefined && keys[other] === undefined && tables[one] === tables[other];
}

/** A foreign key that is there and leads from one lane's rows to another's; null: none. */
export async function actingKey(client: pg.Client, layout: Layout): Promise<string | null> {
  const { rows } = await client.query<Record<'key' | 'one' | 'other', string>>(
    `SELECT k.conname || ' of ' || k.conrelid::regclass AS key, a.nspname || '.' || x.relname AS one, b.nspname || '.' || y.relname AS other
     FROM pg_constraint k JOIN pg_class x ON x.oid = k.conrelid JOIN pg_namespace a ON a.oid = x.relnamespace
     JOIN pg_class y ON y.oid = k.confrelid JOIN pg_namespace b ON b.oid = y.relnamespace
     WHERE k.contype = 'f' AND coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true) ORDER BY k.conname`,
  );
  return rows.find(({ one, other }) => !together(layout, one, other))?.key ?? null;
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
