import assert from 'node:assert/strict';
import { test } from 'node:test';
import { migration } from '../support/migration.ts';
import { type TestDatabase, server } from '../support/servers.ts';

const [from, to] = [await server(14), await server(18)];

/** Trees whose members stand in other schemas than their parents, three levels deep, with names that need quotes. */
const trees = `
  CREATE SCHEMA a; CREATE SCHEMA b; CREATE SCHEMA "C.d";
  CREATE TABLE a.root (id int, r text, PRIMARY KEY (id, r)) PARTITION BY LIST (r);
  CREATE TABLE b.root_x PARTITION OF a.root FOR VALUES IN ('x');
  CREATE TABLE public.measure (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
  CREATE TABLE b.measure PARTITION OF public.measure FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
  CREATE TABLE b.measure_2025 PARTITION OF public.measure FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
  CREATE TABLE a."Top.x" (id int, k text, n int, PRIMARY KEY (id, k, n)) PARTITION BY LIST (k);
  CREATE TABLE "C.d"."Mid ""q""" PARTITION OF a."Top.x" FOR VALUES IN ('m') PARTITION BY RANGE (n);
  CREATE TABLE b."leaf.1" PARTITION OF "C.d"."Mid ""q""" FOR VALUES FROM (0) TO (10);
  CREATE TABLE a.leaf_rest PARTITION OF a."Top.x" DEFAULT;
  CREATE TABLE a.animal (id int PRIMARY KEY, name text);
  CREATE TABLE b.dog (bark text, CONSTRAINT dog_pkey PRIMARY KEY (id)) INHERITS (a.animal);
  CREATE TABLE a.same (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
  CREATE TABLE a.same_1 PARTITION OF a.same FOR VALUES IN (1);
  CREATE TABLE b.same_2 PARTITION OF a.same FOR VALUES IN (2);
  INSERT INTO a.root VALUES (1, 'x'); INSERT INTO public.measure VALUES (1, '2024-05-05'), (2, '2025-05-05');
  INSERT INTO a."Top.x" VALUES (1, 'm', 5), (2, 'other', 5); INSERT INTO a.same VALUES (1, 1), (2, 2);
  INSERT INTO b.dog VALUES (1, 'rex', 'wau');`;

/** Every table with its parent and bound, by the server's own catalog. */
async function shape(db: TestDatabase): Promise<string[]> {
  const rows = await db.query<{ line: string }>(
    `SELECT format('%s %s in %s %s', c.relkind, c.oid::regclass, coalesce(i.inhparent::regclass::text, '-'),
                   coalesce(pg_get_expr(c.relpartbound, c.oid), '')) AS line
     FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
     WHERE c.relkind IN ('r', 'p') AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema|pgsluice)' ORDER BY 1`,
  );
  return rows.map(({ line }) => line);
}

/** `transforms` as YAML; `renamed` is what it makes of a line of the source's shape. */
async function arrives(transforms: string | null, renamed: (line: string) => string): Promise<string> {
  const m = await migration({ from, to, ...(transforms === null ? {} : { more: transforms }) });
  await m.source.query(trees);
  const plan = await m.verb('plan');
  assert.equal(plan.code, 0, plan.stderr);
  await m.run();
  assert.deepEqual(await shape(m.target), (await shape(m.source)).map(renamed).sort());
  const left = await m.target.query(`SELECT relname FROM pg_class WHERE relname LIKE '%pgsluice_moving%'`);
  assert.deepEqual(left, []);
  return plan.stdout;
}

test('without a transform every table stays in its schema', async () => {
  const plan = await arrives(null, (line) => line);
  assert.doesNotMatch(plan, /partitioned:/);
});

test('a rename of the parent’s schema takes the parent, and the partitions that it chooses', async () => {
  const moved = (line: string) => line.replaceAll(/(?<![\w."])a\./g, 'z.');
  const plan = await arrives('transforms:\n  - plugin: rename\n    tables: "a.*"\n    to: "z.{table}"', moved);
  assert.match(plan, /^a\.same -> z\.same\n {2}partitioned: transforms\[0\] rename renames it$/m);
  assert.doesNotMatch(plan, /measure -> /);
});

test('a rename of the partitions’ schema alone leaves parents of other schemas', async () => {
  const moved = (line: string) => line.replaceAll(/(?<![\w."])b\./g, 'y.');
  await arrives('transforms:\n  - plugin: rename\n    tables: "b.*"\n    to: "y.{table}"', moved);
});

test('a pattern for all partitions beside their parent takes the parent along', async () => {
  const m = await migration({
    from,
    to,
    more: 'transforms:\n  - plugin: rename\n    tables: "public.log_*"\n    to: "old.{table}_x"',
  });
  await m.source.query(`
    CREATE TABLE log (at date PRIMARY KEY) PARTITION BY RANGE (at);
    CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');`);
  assert.match((await m.verb('plan')).stdout, /public\.log -> old\.log_x\n.*renames all of its partitions/);
  await m.run();
  const names = (await shape(m.target)).map((line) => line.split(' ')[1]);
  assert.deepEqual(names.sort(), ['old.log_1_x', 'old.log_2_x', 'old.log_x']);
});

test('a parent that would take another table’s name is refused before the run', async () => {
  const m = await migration({
    from,
    to,
    more: 'transforms:\n  - plugin: rename\n    tables: "a.*"\n    to: "b.{table}"',
  });
  await m.source.query(`
    CREATE SCHEMA a; CREATE SCHEMA b;
    CREATE TABLE a.root (id int PRIMARY KEY) PARTITION BY LIST (id);
    CREATE TABLE a.root_1 PARTITION OF a.root FOR VALUES IN (1);
    CREATE TABLE b.root PARTITION OF a.root FOR VALUES IN (2);`);
  const result = await m.verb('run', '--stop-at', 'now');
  assert.equal(result.code, 2, result.stderr);
  assert.match(
    result.stderr,
    /PGS4002.*b\.root and a\.root would both be b\.root|a\.root and b\.root would both be b\.root/,
  );
});
