import assert from 'node:assert/strict';
import { test } from 'node:test';
import { live } from '../support/live.ts';
import { server } from '../support/servers.ts';

await Promise.all([14, 15, 17, 18].map((major) => server(major)));

const schema = `CREATE TABLE p (second int, v text);
  CREATE TABLE c (own int, CONSTRAINT c_key PRIMARY KEY (second)) INHERITS (p);
  CREATE TABLE d () INHERITS (p);
  ALTER TABLE d ALTER COLUMN second SET NOT NULL, ALTER COLUMN v SET NOT NULL, ADD PRIMARY KEY (second);
  ALTER TABLE p REPLICA IDENTITY FULL;
  INSERT INTO p VALUES (NULL, 'a'); INSERT INTO c VALUES (1, 'b', 2); INSERT INTO d VALUES (3, 'c');`;

const columns = `SELECT attrelid::regclass::text, attname, attnotnull, attinhcount FROM pg_attribute
  WHERE attrelid IN ('p'::regclass, 'c'::regclass, 'd'::regclass) AND attnum > 0`;

/** pg_dump 18 writes these as constraints of the table, which older servers cannot read. */
for (const [from, to] of [
  [14, 17],
  [18, 15],
  [17, 18],
] as const) {
  test(`a column that is NOT NULL in the child alone arrives, from ${from} to ${to}`, async () => {
    const pipeline = await live({ from, to, source: schema });
    await pipeline.settle();
    assert.equal(await pipeline.same(columns, columns), 7);
    assert.equal(
      await pipeline.same(
        'SELECT tableoid::regclass::text AS t, * FROM p',
        'SELECT tableoid::regclass::text AS t, * FROM p',
      ),
      3,
    );
  });
}
