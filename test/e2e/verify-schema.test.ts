import assert from 'node:assert/strict';
import test from 'node:test';
import { migration } from '../support/migration.ts';
import { printedOtherwise, richRoles, richSchema, richUnpublishable } from '../support/rich-schema.ts';
import { server } from '../support/servers.ts';

const exclude = `  tables: { exclude: [${richUnpublishable.map((name) => JSON.stringify(name)).join(', ')}] }`;

for (const [from, to] of [
  [14, 18],
  [17, 17],
] as const) {
  test(`a schema of every kind arrives equal, and what is changed there is told with what mends it (${from} to ${to})`, async () => {
    const [a, b] = await Promise.all([server(from), server(to)]);
    await Promise.all([a, b].map((on) => on.query(richRoles)));
    const of = await migration({ from: a, to: b, source: exclude });
    // Rows of a foreign table are not copied, and verify names it for that.
    await of.source.query(`${richSchema(from)}; ${printedOtherwise} DROP FOREIGN TABLE app.remote`);
    await of.run();
    const equal = await of.verb('verify', '--schema');
    assert.equal(equal.code, 0, equal.stdout);
    assert.match(equal.stdout, /schema: \d{3} objects compared with sink postgres: all agree/);

    await of.target.query(`
      DROP INDEX app.orders_placed; ALTER TABLE app.orders ALTER COLUMN placed SET DEFAULT '2025-01-01';
      ALTER TABLE app.orders DROP CONSTRAINT total_not_negative; DROP TRIGGER orders_touch ON app.orders;
      REVOKE SELECT ON app.orders FROM rich_reader CASCADE; DROP VIEW app.over_rich; ALTER SEQUENCE app.ticket INCREMENT 7;
      CREATE OR REPLACE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
      CREATE TABLE app.mine (a int)`);
    const differs = await of.verb('verify', '--schema');
    assert.equal(differs.code, 4, differs.stdout);
    for (const name of [
      'index app.orders_placed: is missing',
      'column app.orders.placed: default is',
      'constraint total_not_negative of app.orders: is missing',
      'trigger orders_touch of app.orders: is missing',
      'table app.orders: acl is',
      'view app.over_rich: is missing',
      'function app.touch(): definition is',
      'table app.mine: is in the target only',
    ])
      assert.ok(differs.stdout.includes(name), `${name}\n${differs.stdout}`);

    // Sequences are told by the list of what the file chooses.
    assert.match(differs.stdout, /app\.ticket +sequence: increment is 7/);
    await of.target.query('ALTER SEQUENCE app.ticket INCREMENT 5');
    const json = JSON.parse((await of.verb('verify', '--schema', '--json')).stdout) as {
      schemas: { findings: { statements: { sql: string }[] }[] }[];
    };
    for (const { sql } of json.schemas[0]!.findings.flatMap((finding) => finding.statements)) {
      assert.ok(differs.stdout.includes(sql.split('\n')[0]!), sql);
      await of.target.query(sql);
    }
    const mended = await of.verb('verify', '--schema');
    assert.equal(mended.code, 0, mended.stdout);
  });
}

test('renamed columns agree wherever a definition names them, and columns of the same name elsewhere keep theirs', async () => {
  const of = await migration({
    from: await server(17),
    to: await server(18),
    more: `transforms:
  - { plugin: rename, tables: public.child, to: moved.kid, columns: { id: 'New "1', up: key, at: "ON" } }
  - { plugin: rename, tables: public.parent, columns: { code: id2 } }
`,
  });
  await of.source.query(`
    CREATE TABLE parent (id int PRIMARY KEY, code text UNIQUE, up int, at int, UNIQUE (up, at));
    CREATE TABLE child (id int PRIMARY KEY, up int, at int, code text, "UPDATE" int, next int,
      FOREIGN KEY (up) REFERENCES parent (id) ON UPDATE CASCADE ON DELETE CASCADE, FOREIGN KEY (code) REFERENCES parent (code),
      FOREIGN KEY (up, at) REFERENCES parent (up, at) MATCH FULL, FOREIGN KEY (next) REFERENCES child (id) DEFERRABLE,
      CHECK (up IS NULL OR at IS NOT NULL), CHECK ("UPDATE" > id));
    CREATE INDEX ON child (at DESC, (up + id)) INCLUDE (code) WHERE id > 0;
    CREATE POLICY mine ON child USING (EXISTS (SELECT FROM parent p WHERE p.id = child.up));
    INSERT INTO parent VALUES (1, 'a', 1, 1); INSERT INTO child VALUES (1, 1, 1, 'a', 2, 1)`);
  await of.run();
  const equal = await of.verb('verify', '--schema');
  assert.equal(equal.code, 0, equal.stdout);
});
