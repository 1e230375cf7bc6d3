import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { migration } from '../support/migration.ts';
import { type TestDatabase, server } from '../support/servers.ts';

const pairs = [
  [14, 18],
  [17, 17],
] as const;
for (const major of [14, 17, 18]) await server(major);

/** Settings, comment and rights of the database, and roles' settings in it, without its name. */
async function database(db: TestDatabase): Promise<unknown> {
  const [row] = await db.query(`
    SELECT shobj_description(d.oid, 'pg_database') AS comment,
           (SELECT array_agg(format('%s %s', coalesce(r.rolname, '-'), c) ORDER BY 1) FROM pg_db_role_setting s
            LEFT JOIN pg_roles r ON r.oid = s.setrole, unnest(setconfig) c WHERE s.setdatabase = d.oid) AS settings,
           (SELECT array_agg(format('%s to %s %s', x.privilege_type, coalesce(nullif(x.grantee, 0)::regrole::text, 'PUBLIC'), x.is_grantable) ORDER BY 1)
            FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) x) AS rights
    FROM pg_database d WHERE datname = current_database()`);
  return row;
}

for (const [from, to] of pairs) {
  test(`settings, comment and grants of the database arrive, ${from} to ${to}`, async () => {
    const m = await migration({ from: await server(from), to: await server(to) });
    const role = `beside_${from}`;
    after(async () => {
      for (const major of [from, to]) await (await server(major)).query(`DROP ROLE IF EXISTS ${role}`).catch(() => {});
    });
    for (const db of [m.source, m.target])
      await db.query(`DROP ROLE IF EXISTS ${role}; CREATE ROLE ${role}`).catch(() => {});
    await m.source.query(`
      CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);
      ALTER DATABASE ${m.source.name} SET search_path = "Odd, one", public; ALTER DATABASE ${m.source.name} SET work_mem = '7MB';
      ALTER DATABASE ${m.source.name} SET my.own = 'it''s \\ "so"'; ALTER DATABASE ${m.source.name} SET default_transaction_read_only = off;
      ALTER ROLE ${role} IN DATABASE ${m.source.name} SET statement_timeout = '9s';
      COMMENT ON DATABASE ${m.source.name} IS 'it''s; mine';
      REVOKE CONNECT ON DATABASE ${m.source.name} FROM PUBLIC; GRANT CONNECT ON DATABASE ${m.source.name} TO ${role} WITH GRANT OPTION`);
    await m.run();
    const expected = (await database(m.source)) as { settings: string[] };
    const settings = expected.settings.filter((line) => !line.includes('read_only'));
    assert.deepEqual(await database(m.target), { ...expected, settings });
  });
}

/** An extension with two tables of its own rows and a sequence, as SQL in the extension's script would make them. */
const extension = `
  CREATE SCHEMA part; CREATE EXTENSION hstore SCHEMA part;
  CREATE TABLE part.config (name text PRIMARY KEY, note text DEFAULT 'x;''y', own boolean DEFAULT false, doubled text GENERATED ALWAYS AS (name || name) STORED);
  CREATE SEQUENCE part.counter;
  ALTER EXTENSION hstore ADD TABLE part.config; ALTER EXTENSION hstore ADD SEQUENCE part.counter;
  INSERT INTO part.config VALUES ('builtin', 'made by the script');`;
const marked = `UPDATE pg_extension SET extconfig = ARRAY['part.config'::regclass, 'part.counter'::regclass]::oid[],
    extcondition = ARRAY['WHERE own', ''] WHERE extname = 'hstore'`;

test('rows of extensions’ configuration tables come before the rows of tables', async () => {
  const m = await migration({ from: await server(17), to: await server(18) });
  // The target has the extension as its packages make it: with its tables, and its own rows in them.
  await m.target.query(extension);
  await m.source.query(`${extension} ${marked};
    INSERT INTO part.config VALUES ('mine', E'a\\nb\\\\', true), ('null', NULL, true); SELECT setval('part.counter', 41);
    CREATE FUNCTION looked(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
      IF NOT EXISTS (SELECT FROM part.config c WHERE c.name = $1) THEN RAISE 'no %', $1; END IF; RETURN $1; END $$;
    CREATE TABLE t (id int PRIMARY KEY, name text, known text GENERATED ALWAYS AS (looked(name)) STORED);
    INSERT INTO t (id, name) VALUES (1, 'mine');`);
  await m.run();
  const rows = `SELECT name, note, own, doubled FROM part.config ORDER BY name`;
  assert.deepEqual(await m.target.query(rows), await m.source.query(rows));
  assert.deepEqual(await m.target.query(`SELECT known FROM t`), [{ known: 'mine' }]);
  assert.deepEqual(await m.target.query(`SELECT last_value, is_called FROM part.counter`), [
    { last_value: '41', is_called: true },
  ]);
});

test('subscriptions of the source are named with their statement', async () => {
  const m = await migration({ from: await server(17), to: await server(17) });
  await m.source.query('CREATE TABLE t (id int PRIMARY KEY)');
  await m.source.query(
    `CREATE SUBSCRIPTION "sub x" CONNECTION 'host=127.0.0.1 password=hidden-word' PUBLICATION a, "b c" WITH (connect = false, slot_name = NONE)`,
  );
  try {
    const check = await m.verb('check');
    assert.match(
      check.stdout,
      /warning +subscriptions .*"sub x"[^]*CREATE SUBSCRIPTION "sub x" CONNECTION '…' PUBLICATION "?a"?, "b c"/,
    );
    assert.doesNotMatch(check.stdout, /hidden-word/);
    await m.run();
    assert.deepEqual(
      await m.target.query(
        'SELECT subname FROM pg_subscription JOIN pg_database d ON d.oid = subdbid AND datname = current_database()',
      ),
      [],
    );
  } finally {
    await m.source.query('DROP SUBSCRIPTION "sub x"');
  }
});
