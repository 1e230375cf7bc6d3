import type { LocalServer } from '../../core/servers/local-server.ts';

/** A table of the benchmark's database: how the floor copies it, and what is built on it afterwards. */
export interface BenchTable {
  readonly name: string;
  /** Statements that can run once its rows are in, each for itself. */
  readonly after: readonly string[];
}

/** Biggest first. */
export const tables: readonly BenchTable[] = [
  {
    name: 'pgbench_accounts',
    after: ['ALTER TABLE pgbench_accounts ADD CONSTRAINT pgbench_accounts_pkey PRIMARY KEY (aid)'],
  },
  {
    name: 'events',
    after: [
      'ALTER TABLE events ADD CONSTRAINT events_pkey PRIMARY KEY (id)',
      'CREATE INDEX events_account ON events (account)',
      'CREATE INDEX events_at ON events (at)',
      'CREATE INDEX events_token ON events (token)',
    ],
  },
  { name: 'pgbench_history', after: [] },
  {
    name: 'pgbench_tellers',
    after: ['ALTER TABLE pgbench_tellers ADD CONSTRAINT pgbench_tellers_pkey PRIMARY KEY (tid)'],
  },
  {
    name: 'pgbench_branches',
    after: ['ALTER TABLE pgbench_branches ADD CONSTRAINT pgbench_branches_pkey PRIMARY KEY (bid)'],
  },
];

export const foreignKey =
  'ALTER TABLE events ADD CONSTRAINT events_account_fkey FOREIGN KEY (account) REFERENCES pgbench_accounts (aid)';

/** Tables without indexes and keys. */
export const bareSchema = `
  CREATE TYPE event_kind AS ENUM ('placed', 'paid', 'shipped', 'returned');
  CREATE TABLE pgbench_branches (bid int NOT NULL, bbalance int, filler char(88));
  CREATE TABLE pgbench_tellers (tid int NOT NULL, bid int, tbalance int, filler char(84));
  CREATE TABLE pgbench_accounts (aid int NOT NULL, bid int, abalance int, filler char(84));
  CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
  ALTER TABLE pgbench_history REPLICA IDENTITY FULL;
  CREATE TABLE events (id bigint NOT NULL, account int NOT NULL, amount numeric(12,2), at timestamptz NOT NULL, body jsonb,
    raw bytea, token uuid NOT NULL, kind event_kind NOT NULL, tags text[]);`;

/** pgbench's tables, and one of wide types with 40,000 rows per unit of scale: 2 million at scale 50. */
export async function fill(server: LocalServer, database: string, scale: number): Promise<void> {
  await server.query(bareSchema, database);
  await server.query(
    `INSERT INTO pgbench_branches SELECT i, 0, NULL FROM generate_series(1, ${scale}) i;
     INSERT INTO pgbench_tellers SELECT i, 1 + (i - 1) / 10, 0, NULL FROM generate_series(1, ${scale * 10}) i;
     INSERT INTO pgbench_accounts SELECT i, 1 + (i - 1) / 100000, 0, '' FROM generate_series(1, ${scale * 100_000}) i;
     INSERT INTO events
       SELECT i, 1 + (i::bigint * 7919) % ${scale * 100_000}, (i % 1000000) / 100.0,
              timestamptz '2024-01-01 00:00:00+00' + i * interval '7.123457 seconds',
              jsonb_build_object('n', i, 'city', 'Reykjavík', 'lines', jsonb_build_array(i % 7, i % 11)),
              decode(md5(i::text), 'hex'), md5((i * 31)::text)::uuid,
              (enum_range(NULL::event_kind))[1 + i % 4], ARRAY['tag' || i % 10, 'tag' || i % 7]
       FROM generate_series(1, ${scale * 40_000}) i`,
    database,
  );
  await server.query(tables.flatMap((table) => table.after).join(';'), database);
  await server.query(foreignKey, database);
  await server.query('VACUUM (FREEZE, ANALYZE)', database);
}

/** Many small tables: a key, an index, ten rows each. */
export async function fillSmall(server: LocalServer, database: string, count: number): Promise<void> {
  // In groups: every table takes a lock that its transaction holds to the end.
  for (let from = 1; from <= count; from += 500) {
    const to = Math.min(count, from + 499);
    await server.query(
      `DO $$ BEGIN FOR i IN ${from}..${to} LOOP
         EXECUTE format('CREATE TABLE small_%s (id int PRIMARY KEY, name text NOT NULL, at timestamptz DEFAULT now())', i);
         EXECUTE format('CREATE INDEX ON small_%s (name)', i);
         EXECUTE format('INSERT INTO small_%s SELECT n, ''row '' || n FROM generate_series(1, 10) n', i);
       END LOOP; END $$`,
      database,
    );
  }
  await server.query('ANALYZE', database);
}

/**
 * What must be the same on both sides after a run: rows of every table, and indexes, constraints, views, functions, triggers, comments and types. A
 * contender that leaves something out is not faster, it is wrong.
 */
export async function shape(server: LocalServer, database: string): Promise<string> {
  const names = await server.query<{ name: string }>(
    `SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
     ORDER BY relname COLLATE "C"`,
    database,
  );
  const lines: string[] = [];
  for (let from = 0; from < names.length; from += 500) {
    const counts = names
      .slice(from, from + 500)
      .map(({ name }) => `SELECT '${name}' AS name, count(*)::text AS n FROM ${name}`);
    const rows = await server.query<{ name: string; n: string }>(counts.join(' UNION ALL '), database);
    lines.push(...rows.map((row) => `${row.name}: ${row.n} rows`));
  }
  const definitions = await server.query<{ line: string }>(
    `SELECT format('%s %s', pg_get_indexdef(i.indexrelid), i.indisvalid) AS line FROM pg_index i
     JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = 'public'::regnamespace
     UNION ALL
     SELECT format('%s %s %s %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid), k.convalidated)
     FROM pg_constraint k WHERE k.connamespace = 'public'::regnamespace
     UNION ALL
     SELECT format('%s %s %s', oid::regclass, pg_get_viewdef(oid), relacl) FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')
     UNION ALL
     SELECT format('%s %s', pg_get_functiondef(oid), proacl) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
     UNION ALL
     SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
     WHERE c.relnamespace = 'public'::regnamespace AND NOT t.tgisinternal
     UNION ALL
     SELECT format('%s %s: %s', objoid::regclass, objsubid, description) FROM pg_description
     WHERE classoid = 'pg_class'::regclass AND objoid >= 16384
     UNION ALL
     SELECT format('%s %s', oid::regtype, typtype) FROM pg_type WHERE typnamespace = 'public'::regnamespace`,
    database,
  );
  lines.push(...definitions.map((row) => row.line));
  return lines.sort().join('\n');
}
