/** A state to start from and a backlog of changes on top of it. Both are made by SQL alone, the state alike on both servers. */
export interface Workload {
  readonly name: string;
  readonly what: string;
  readonly tables: readonly string[];
  /** Tables and rows on both servers. */
  readonly state: string;
  /** Run on the source only. */
  readonly backlog: string;
  readonly changes: number;
  readonly transactions: number;
}

/** The backlog's last transaction writes here, so that its arrival can be seen cheaply. */
export const marker = 'bench_marker';
const markerTable = `CREATE TABLE ${marker} (id int PRIMARY KEY)`;
const perTransaction = 10;

/** pgbench's transaction and tables; `scale` branches of 100,000 accounts. */
export function tpcb(transactions: number, scale: number): Workload {
  const accounts = scale * 100_000;
  return {
    name: 'tpcb',
    what: `${transactions} TPC-B transactions on ${accounts} accounts`,
    tables: ['pgbench_accounts', 'pgbench_branches', 'pgbench_history', 'pgbench_tellers'],
    state: `
      CREATE TABLE pgbench_branches (bid int PRIMARY KEY, bbalance int, filler char(88)) WITH (fillfactor=100);
      CREATE TABLE pgbench_tellers (tid int PRIMARY KEY, bid int, tbalance int, filler char(84)) WITH (fillfactor=100);
      CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84)) WITH (fillfactor=100);
      CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
      ALTER TABLE pgbench_history REPLICA IDENTITY FULL;
      INSERT INTO pgbench_branches SELECT i, 0 FROM generate_series(1, ${scale}) i;
      INSERT INTO pgbench_tellers SELECT i, 1 + (i - 1) / 10, 0 FROM generate_series(1, ${scale * 10}) i;
      INSERT INTO pgbench_accounts SELECT i, 1 + (i - 1) / 100000, 0, '' FROM generate_series(1, ${accounts}) i;
      ${markerTable}`,
    backlog: `DO $$ DECLARE a int; t int; b int; d int; BEGIN
      PERFORM setseed(0.42);
      FOR i IN 1..${transactions} LOOP
        a := 1 + floor(random() * ${accounts}); t := 1 + floor(random() * ${scale * 10});
        b := 1 + floor(random() * ${scale}); d := floor(random() * 10000) - 5000;
        UPDATE pgbench_accounts SET abalance = abalance + d WHERE aid = a;
        UPDATE pgbench_tellers SET tbalance = tbalance + d WHERE tid = t;
        UPDATE pgbench_branches SET bbalance = bbalance + d WHERE bid = b;
        INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (t, b, a, d, clock_timestamp());
        COMMIT;
      END LOOP; END $$`,
    changes: transactions * 4,
    transactions,
  };
}

const wideTable = `CREATE TABLE wide (id bigint PRIMARY KEY, account int NOT NULL, amount numeric(12,2), state text, email text,
  created timestamptz, updated timestamptz, ratio float8, active boolean, token uuid, payload jsonb, note text)`;
/** About 350 bytes as text. */
const wideRow = (
  i: string,
) => `${i}, ${i} % 1000, (${i} % 100000) / 100.0, (ARRAY['new','paid','sent','done'])[1 + ${i} % 4],
  'customer' || ${i} || '@example.com', timestamptz '2026-01-01' + ${i} * interval '1 second', timestamptz '2026-02-01' + ${i} * interval '1 second',
  ${i} / 7.0, ${i} % 2 = 0, md5(${i}::text)::uuid,
  jsonb_build_object('city', 'Zürich', 'zip', ${i} % 10000, 'tags', jsonb_build_array('a', 'b', ${i})),
  repeat('Lorem ipsum dolor sit amet. ', 3) || ${i}`;

export function wideInserts(rows: number): Workload {
  return {
    name: 'inserts',
    what: `${rows} inserts of wide rows, ${perTransaction} per transaction`,
    tables: ['wide'],
    state: `${wideTable}; ${markerTable}`,
    backlog: `DO $$ BEGIN FOR b IN 0..${rows / perTransaction - 1} LOOP
      INSERT INTO wide SELECT ${wideRow('i')} FROM generate_series(b * ${perTransaction} + 1, (b + 1) * ${perTransaction}) i;
      COMMIT; END LOOP; END $$`,
    changes: rows,
    transactions: rows / perTransaction,
  };
}

/** Each row once, neighbours in time far apart in the table: the net change per key saves nothing here. */
export function wideUpdates(rows: number): Workload {
  return {
    name: 'updates',
    what: `${rows} updates of wide rows by key, ${perTransaction} per transaction, every row once`,
    tables: ['wide'],
    state: `${wideTable}; INSERT INTO wide SELECT ${wideRow('i')} FROM generate_series(1, ${rows}) i; ${markerTable}`,
    backlog: `DO $$ BEGIN FOR b IN 0..${rows / perTransaction - 1} LOOP
      FOR k IN b * ${perTransaction}..(b + 1) * ${perTransaction} - 1 LOOP
        UPDATE wide SET amount = amount + 1, state = 'updated', updated = clock_timestamp(), note = note || '!'
          WHERE id = (k * 7919::bigint) % ${rows} + 1;
      END LOOP; COMMIT; END LOOP; END $$`,
    changes: rows,
    transactions: rows / perTransaction,
  };
}

/** The same with four more indexes, of which each update writes all: the target has more to do. */
export function indexedUpdates(rows: number): Workload {
  const plain = wideUpdates(rows);
  const indexes = ['updated', 'amount', 'state, id', 'account, updated'].map(
    (columns) => `CREATE INDEX ON wide (${columns})`,
  );
  return {
    ...plain,
    name: 'indexed',
    what: `${plain.what}, four more indexes`,
    state: `${plain.state}; ${indexes.join('; ')}`,
  };
}

export function oneTransaction(rows: number): Workload {
  return {
    name: 'single',
    what: `one transaction of ${rows} inserts`,
    tables: ['big'],
    state: `CREATE TABLE big (id int PRIMARY KEY, n int, note text); ${markerTable}`,
    backlog: `INSERT INTO big SELECT i, i % 1000, 'row number ' || i FROM generate_series(1, ${rows}) i`,
    changes: rows,
    transactions: 1,
  };
}

/** Rows of several tables with an index each, every row updated once; the tables have an equal share. */
export function spread(rows: number, names: readonly string[]): Workload {
  const tables = names.length;
  const each = Math.floor(rows / tables);
  const state = names.map(
    (
      name,
    ) => `CREATE TABLE ${name} (id int PRIMARY KEY, n int, note text, at timestamptz); CREATE INDEX ON ${name} (at);
      INSERT INTO ${name} SELECT i, 0, 'row number ' || i, timestamptz '2026-01-01' FROM generate_series(1, ${each}) i`,
  );
  const updates = names.map((name) => `UPDATE ${name} SET n = n + 1, at = clock_timestamp() WHERE id = i;`);
  return {
    name: 'spread',
    what: `${each * tables} updates by key in ${tables} tables, ${tables} per transaction, every row once`,
    tables: names,
    state: state.join('; '),
    backlog: `DO $$ BEGIN FOR i IN 1..${each} LOOP ${updates.join(' ')} COMMIT; END LOOP; END $$`,
    changes: each * tables,
    transactions: each,
  };
}
