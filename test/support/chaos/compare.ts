import type { LocalServer } from '../../../core/servers/local-server.ts';

export interface Side {
  readonly server: LocalServer;
  readonly database: string;
}

/** What the target must hold of a table: under another name, or other rows, where transforms say so. */
export interface Expectation {
  readonly target: string;
  /** SELECT on the source with the target's columns. */
  readonly select: string;
}

/**
 * Compares every table of the source with the target as multisets of rows, each the text of all columns by name; shares
 * nothing with the product's own comparison. Returns a line per difference, at most a few per table.
 */
export async function compareSides(
  source: Side,
  target: Side,
  expectations: ReadonlyMap<string, Expectation>,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const name of await tablesOf(source)) {
    const expected = expectations.get(name) ?? { target: name, select: `SELECT * FROM ONLY ${name}` };
    const wanted = await rowsOf(source, expected.select);
    const there = await rowsOf(target, `SELECT * FROM ONLY ${expected.target}`);
    found.push(...differences(name, wanted, there));
  }
  return found;
}

async function tablesOf({ server, database }: Side): Promise<readonly string[]> {
  const rows = await server.query<{ name: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgsluice') ORDER BY 1`,
    database,
  );
  return rows.map((row) => row.name);
}

/** Text of a row to how many times it is there. */
async function rowsOf({ server, database }: Side, select: string): Promise<ReadonlyMap<string, number>> {
  const described = await server.query<{ names: string[] }>(
    `CREATE TEMP VIEW described AS ${select};
     SELECT array_agg(attname::text ORDER BY attname COLLATE "C") AS names FROM pg_attribute
     WHERE attrelid = 'described'::regclass AND attnum > 0`,
    database,
  );
  const parts = described[0]!.names.map((name) => `quote_nullable(${quote(name)}::text)`).join(", ',', ");
  const rows = await server.query<{ row: string; n: string }>(
    `SET extra_float_digits = 3; SET TimeZone = 'UTC'; SELECT concat(${parts}) AS row, count(*)::text AS n FROM (${select}) q GROUP BY 1`,
    database,
  );
  return new Map(rows.map(({ row, n }) => [row, Number(n)]));
}

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;

function differences(
  name: string,
  wanted: ReadonlyMap<string, number>,
  there: ReadonlyMap<string, number>,
): readonly string[] {
  const lines: string[] = [];
  for (const row of new Set([...wanted.keys(), ...there.keys()])) {
    const [want, have] = [wanted.get(row) ?? 0, there.get(row) ?? 0];
    if (want !== have) lines.push(`${name}: ${want} in the source, ${have} in the target: ${row.slice(0, 160)}`);
  }
  const sum = (rows: ReadonlyMap<string, number>) => [...rows.values()].reduce((a, b) => a + b, 0);
  if (lines.length === 0) return [];
  return [`${name}: ${sum(wanted)} rows against ${sum(there)}, ${lines.length} differ`, ...lines.sort().slice(0, 8)];
}
