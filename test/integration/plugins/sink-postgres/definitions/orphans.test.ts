import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import pg from 'pg';
import { columnsOf } from '../../../../../plugins/sink-postgres/definitions/foreign-keys.ts';
import { type Reference, findOrphans } from '../../../../../plugins/sink-postgres/definitions/orphans.ts';
import { connect } from '../../../../../core/postgres/connect.ts';
import { type TestDatabase, database, server } from '../../../../support/servers.ts';

const on = await server(18);

async function connected(db: TestDatabase): Promise<pg.Client> {
  const client = await connect({ url: db.url }, { name: 'target', applicationName: 'test' });
  after(() => client.end());
  return client;
}

interface Named {
  readonly table: string;
  readonly partitioned: boolean;
  readonly ref: string;
  readonly ref_partitioned: boolean;
  readonly definition: string;
}

async function keyOf(db: TestDatabase, name: string): Promise<Reference> {
  const [row] = (await db.query(
    `SET search_path = pg_catalog;
     SELECT conrelid::regclass::text AS table, c.relkind = 'p' AS partitioned, confrelid::regclass::text AS ref,
            p.relkind = 'p' AS ref_partitioned, pg_get_constraintdef(k.oid) AS definition
     FROM pg_constraint k JOIN pg_class c ON c.oid = conrelid JOIN pg_class p ON p.oid = confrelid WHERE conname = '${name}'`,
  )) as unknown as [Named];
  const { columns, refColumns } = columnsOf(row.definition);
  return {
    name,
    table: row.table,
    partitioned: row.partitioned,
    columns,
    refTable: row.ref,
    refPartitioned: row.ref_partitioned,
    refColumns,
    constraint: row.definition,
  };
}

/** A key that cannot be validated, and the ids of the rows that are why. */
const cases: readonly { name: string; sql: string; orphans: readonly number[] }[] = [
  {
    name: 'several columns, nulls are not checked',
    sql: `CREATE TABLE p (a int, b text, PRIMARY KEY (a, b)); INSERT INTO p VALUES (1, 'x'), (2, 'y');
      CREATE TABLE c (id int, a int, "b ""q" text);
      INSERT INTO c VALUES (1, 1, 'x'), (2, 2, 'x'), (3, NULL, 'zz'), (4, NULL, NULL), (5, 2, 'y'), (6, 9, 'y');
      ALTER TABLE c ADD CONSTRAINT k FOREIGN KEY (a, "b ""q") REFERENCES p NOT VALID`,
    orphans: [2, 6],
  },
  {
    name: 'MATCH FULL: a key that is null in part is one',
    sql: `CREATE TABLE p (a int, b int, PRIMARY KEY (a, b)); INSERT INTO p VALUES (1, 1);
      CREATE TABLE c (id int, a int, b int); INSERT INTO c VALUES (1, 1, 1), (2, 1, NULL), (3, NULL, NULL), (4, 2, 1);
      ALTER TABLE c ADD CONSTRAINT k FOREIGN KEY (a, b) REFERENCES p MATCH FULL NOT VALID`,
    orphans: [2, 4],
  },
  {
    name: 'partitioned on both sides',
    sql: `CREATE TABLE p (a int PRIMARY KEY) PARTITION BY RANGE (a); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
      INSERT INTO p VALUES (1), (2);
      CREATE TABLE c (id int, a int) PARTITION BY LIST (id); CREATE TABLE c1 PARTITION OF c FOR VALUES IN (1, 2);
      CREATE TABLE c2 PARTITION OF c DEFAULT; INSERT INTO c VALUES (1, 1), (2, 5), (3, 2), (4, 6);
      ALTER TABLE c ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p NOT VALID`,
    orphans: [2, 4],
  },
  {
    name: 'rows of inheriting tables count on neither side',
    sql: `CREATE TABLE p (a int PRIMARY KEY); CREATE TABLE p1 () INHERITS (p); INSERT INTO p VALUES (1); INSERT INTO p1 VALUES (2);
      CREATE TABLE c (id int, a int); CREATE TABLE c1 () INHERITS (c); INSERT INTO c VALUES (1, 1), (2, 2); INSERT INTO c1 VALUES (3, 3);
      ALTER TABLE c ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p NOT VALID`,
    orphans: [2],
  },
  {
    name: 'periods',
    sql: `CREATE TABLE p (a int4range, during daterange, PRIMARY KEY (a, during WITHOUT OVERLAPS));
      INSERT INTO p VALUES ('[1,2)', '[2024-01-01,2024-06-01)'), ('[1,2)', '[2024-06-01,2025-01-01)');
      CREATE TABLE c (id int, a int4range, during daterange);
      INSERT INTO c VALUES (1, '[1,2)', '[2024-05-01,2024-07-01)'), (2, '[1,2)', '[2024-12-01,2025-02-01)'), (3, '[7,8)', '[2024-01-01,2024-02-01)');
      ALTER TABLE c ADD CONSTRAINT k FOREIGN KEY (a, PERIOD during) REFERENCES p (a, PERIOD during) NOT VALID`,
    orphans: [2, 3],
  },
  {
    name: 'an equality of its own',
    sql: `CREATE SCHEMA other; CREATE EXTENSION citext SCHEMA other;
      CREATE TABLE p (a other.citext PRIMARY KEY); INSERT INTO p VALUES ('One');
      CREATE TABLE c (id int, a other.citext); INSERT INTO c VALUES (1, 'one'), (2, 'two');
      ALTER TABLE c ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p NOT VALID`,
    orphans: [2],
  },
];

for (const { name, sql, orphans } of cases) {
  test(`orphans are counted, placed and listed: ${name}`, async () => {
    const db = await database(on, 'orphans');
    await db.query(sql);
    await assert.rejects(db.query('ALTER TABLE c VALIDATE CONSTRAINT k'), { code: '23503' });
    const client = await connected(db);
    const found = await findOrphans(client, await keyOf(db, 'k'), false);
    assert.match(found.text, new RegExp(`^${orphans.length} rows of public\\.c .*: ctid `));
    const { rows } = await client.query<{ id: string }>(found.query);
    assert.deepEqual(rows.map((row) => Number(row.id)).sort(), orphans);
    // Without them the key holds.
    await db.query(`DELETE FROM c WHERE id IN (${orphans.join()}); ALTER TABLE c VALIDATE CONSTRAINT k`);
    assert.match((await findOrphans(client, await keyOf(db, 'k'), false)).text, /^0 rows/);
  });
}

test('a few orphans are told by their places, and by their keys only where values were asked for', async () => {
  const db = await database(on, 'orphans');
  await db.query(`CREATE TABLE p (a text PRIMARY KEY); CREATE TABLE c (id int, a text);
    INSERT INTO c SELECT i, 'secret-' || i FROM generate_series(1, 8) i; ALTER TABLE c ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p NOT VALID`);
  const client = await connected(db);
  const key = await keyOf(db, 'k');
  const hidden = await findOrphans(client, key, false);
  assert.equal(
    hidden.text,
    '8 rows of public.c (a) refer to no row of public.p (a): ctid (0,1), (0,2), (0,3), (0,4), (0,5) and 3 more',
  );
  const shown = await findOrphans(client, key, true);
  assert.match(shown.text, /ctid \(0,1\) = \(secret-1\), .* and 3 more$/);
});
