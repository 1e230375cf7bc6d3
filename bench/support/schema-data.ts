import type { LocalServer } from '../../core/servers/local-server.ts';

/** A database whose copy takes its time in the schema, made by its own statements. */
export interface SchemaKind {
  readonly name: string;
  readonly what: string;
  /** Database-wide roles that the target needs as well. */
  readonly roles: readonly string[];
  fill(server: LocalServer, database: string): Promise<void>;
}

/** Per table: a key, four indexes, two foreign keys, two views, two functions, a trigger, two types, comments, grants. */
export function manyObjects(tables: number): SchemaKind {
  return {
    name: 'objects',
    what: `${tables} tables with about 29 objects each`,
    roles: ['bench_reader', 'bench_writer'],
    fill: (server, database) =>
      inGroups(server, database, {
        count: tables,
        each: [
          `CREATE TYPE kind_%1$s AS ENUM ('new', 'open', 'done')`,
          `CREATE DOMAIN amount_%1$s AS numeric(12, 2) CHECK (VALUE >= 0)`,
          `CREATE TABLE t_%1$s (id bigint PRIMARY KEY, parent int UNIQUE, other bigint, kind kind_%1$s NOT NULL DEFAULT 'new',
             amount amount_%1$s, name text NOT NULL, tags text[], at timestamptz DEFAULT now())`,
          `CREATE INDEX ON t_%1$s (name)`,
          `CREATE INDEX ON t_%1$s (kind, at DESC)`,
          `CREATE INDEX ON t_%1$s USING gin (tags)`,
          `CREATE INDEX ON t_%1$s (lower(name)) WHERE amount > 0`,
          `ALTER TABLE t_%1$s ADD FOREIGN KEY (parent) REFERENCES t_%2$s (parent)`,
          `ALTER TABLE t_%1$s ADD FOREIGN KEY (other) REFERENCES t_%2$s ON DELETE SET NULL`,
          `CREATE VIEW open_%1$s AS SELECT t.id, t.name, p.name AS of FROM t_%1$s t JOIN t_%2$s p ON p.id = t.other WHERE t.kind = 'open'`,
          `CREATE VIEW sums_%1$s AS SELECT kind, count(*) AS n, sum(amount) AS amount FROM t_%1$s GROUP BY kind`,
          `CREATE FUNCTION name_of_%1$s(wanted bigint) RETURNS text LANGUAGE sql STABLE AS 'SELECT name FROM public.t_%1$s WHERE id = wanted'`,
          `CREATE FUNCTION touch_%1$s() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.at := now(); RETURN NEW; END'`,
          `CREATE TRIGGER touch BEFORE UPDATE ON t_%1$s FOR EACH ROW EXECUTE FUNCTION touch_%1$s()`,
          `COMMENT ON TABLE t_%1$s IS 'Table %1$s'`,
          `COMMENT ON VIEW open_%1$s IS 'What is open in %1$s'`,
          ...['id', 'parent', 'other', 'kind', 'amount', 'name'].map(
            (column) => `COMMENT ON COLUMN t_%1$s.${column} IS 'Column ${column} of table %1$s'`,
          ),
          `GRANT SELECT ON t_%1$s, open_%1$s, sums_%1$s TO bench_reader`,
          `GRANT INSERT, UPDATE (name, kind) ON t_%1$s TO bench_writer`,
          `GRANT EXECUTE ON FUNCTION name_of_%1$s TO bench_reader`,
          `INSERT INTO t_%1$s (id, parent, name) SELECT n, n, 'row ' || n FROM generate_series(1, 5) n`,
        ],
      }),
  };
}

export function manyTables(tables: number): SchemaKind {
  return {
    name: 'tables',
    what: `${tables} tables with a key, an index and three rows`,
    roles: [],
    fill: (server, database) =>
      inGroups(server, database, {
        count: tables,
        each: [
          `CREATE TABLE small_%1$s (id int PRIMARY KEY, name text NOT NULL, at timestamptz DEFAULT now())`,
          `CREATE INDEX ON small_%1$s (name)`,
          `INSERT INTO small_%1$s SELECT n, 'row ' || n FROM generate_series(1, 3) n`,
        ],
      }),
  };
}

/** Trees by list, each with a key and an index that every partition has as well. */
export function manyPartitions(trees: number, partitions: number): SchemaKind {
  return {
    name: 'partitions',
    what: `${trees} trees of ${partitions} partitions`,
    roles: [],
    fill: async (server, database) => {
      for (let tree = 1; tree <= trees; tree++) {
        await server.query(
          `CREATE TABLE tree_${tree} (day int, id bigint, name text, PRIMARY KEY (day, id)) PARTITION BY LIST (day);
           CREATE INDEX ON tree_${tree} (name)`,
          database,
        );
        await inGroups(server, database, {
          count: partitions,
          each: [
            `CREATE TABLE tree_${tree}_%1$s PARTITION OF tree_${tree} FOR VALUES IN (%1$s)`,
            `INSERT INTO tree_${tree}_%1$s VALUES (%1$s, 1, 'a'), (%1$s, 2, 'b')`,
          ],
        });
      }
    },
  };
}

/** `%1$s` is the number, `%2$s` the one before it. In groups, as a transaction holds a lock for each object to its end. */
async function inGroups(
  server: LocalServer,
  database: string,
  { count, each }: { readonly count: number; readonly each: readonly string[] },
): Promise<void> {
  for (let from = 1; from <= count; from += 100) {
    const lines = each.map((sql) => `EXECUTE format($sql$${sql}$sql$, i, greatest(i - 1, 1));`);
    await server.query(
      `DO $$ BEGIN FOR i IN ${from}..${Math.min(count, from + 99)} LOOP ${lines.join('\n')} END LOOP; END $$`,
      database,
    );
  }
  await server.query('ANALYZE', database);
}
