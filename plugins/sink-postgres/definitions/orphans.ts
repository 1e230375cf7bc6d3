import type pg from 'pg';
import { quoteIdent } from '../../../core/postgres/quote.ts';

/** The properties of a foreign key that are needed to find rows that break it. */
export interface Reference {
  readonly name: string;
  readonly table: string;
  /** For a partitioned table the rows of its partitions count; for any other table only its own. */
  readonly partitioned: boolean;
  readonly columns: readonly string[];
  readonly refTable: string;
  readonly refPartitioned: boolean;
  readonly refColumns: readonly string[];
  /** As pg_get_constraintdef writes it. */
  readonly constraint: string;
}

export interface Orphans {
  /** The number of rows, and the places of the first of them. No values, unless requested (I11). */
  readonly text: string;
  /** The query that lists them. */
  readonly query: string;
}

/** At most so many orphans are listed. */
const mostShown = 5;

/**
 * Rows without a referenced row: their number and where they are. A null, where the key is not checked, makes no
 * orphan.
 */
export async function findOrphans(client: pg.Client, key: Reference, values: boolean): Promise<Orphans> {
  const found = orphansOf(key, await equalities(client, key));
  const count = await client.query<{ count: string }>(`SELECT count(*) AS count ${found}`);
  const place = key.partitioned ? `c.tableoid::regclass || ' ' || c.ctid` : 'c.ctid::text';
  const value = `row(${key.columns.map((name) => `c.${quoteIdent(name)}`).join(', ')})::text`;
  const { rows } = await client.query<{ place: string; value: string | null }>(
    `SELECT ${place} AS place, ${values ? value : 'NULL'} AS value ${found} LIMIT ${mostShown}`,
  );
  const all = BigInt(count.rows[0]!.count);
  const places = rows.map((row) => (row.value === null ? row.place : `${row.place} = ${row.value}`)).join(', ');
  const others = all > rows.length ? ` and ${all - BigInt(rows.length)} more` : '';
  const names = (columns: readonly string[]): string => columns.join(', ');
  return {
    text: `${all} rows of ${key.table} (${names(key.columns)}) refer to no row of ${key.refTable} (${names(key.refColumns)}): ctid ${places}${others}`,
    query: `SELECT ${key.partitioned ? 'c.tableoid::regclass, ' : ''}c.ctid, c.* ${found}`,
  };
}

/**
 * The key's equality operators, if they are not PostgreSQL's own: our search_path does not include the equality of
 * `citext`.
 */
async function equalities(client: pg.Client, key: Reference): Promise<readonly string[]> {
  const { rows } = await client.query<{ operator: string }>(
    `SELECT CASE n.nspname WHEN 'pg_catalog' THEN '=' ELSE format('OPERATOR(%I.%s)', n.nspname, o.oprname) END AS operator
     FROM pg_constraint k, unnest(k.conpfeqop) WITH ORDINALITY AS u (op, at)
     JOIN pg_operator o ON o.oid = u.op JOIN pg_namespace n ON n.oid = o.oprnamespace
     WHERE k.conrelid = $1::text::regclass AND k.conname = $2 AND k.contype = 'f' ORDER BY u.at`,
    [key.table, key.name],
  );
  return rows.map((row) => row.operator);
}

/** FROM and WHERE of the rows `c` that break the key. */
export function orphansOf(key: Reference, operators: readonly string[] = []): string {
  const [child, parent] = [key.columns.map((name) => `c.${quoteIdent(name)}`), key.refColumns.map(quoteIdent)];
  const period = / PERIOD /.test(key.constraint.replaceAll(/"(?:[^"]|"")*"/g, ''));
  const equal = child
    .slice(0, period ? -1 : undefined)
    .map((name, i) => `p.${parent[i]} ${operators[i] ?? '='} ${name}`)
    .join(' AND ');
  const refs = `FROM ${key.refPartitioned ? '' : 'ONLY '}${key.refTable} p`;
  const missing = period
    ? `(${child.at(-1)} <@ (SELECT range_agg(p.${parent.at(-1)}) ${refs} WHERE ${equal || 'true'})) IS NOT TRUE`
    : `NOT EXISTS (SELECT ${refs} WHERE ${equal})`;
  const full = / MATCH FULL\b/.test(key.constraint.replaceAll(/"(?:[^"]|"")*"/g, ''));
  const checked = child.map((name) => `${name} IS NOT NULL`).join(full ? ' OR ' : ' AND ');
  return `FROM ${key.partitioned ? '' : 'ONLY '}${key.table} c WHERE (${checked}) AND ${missing}`;
}
