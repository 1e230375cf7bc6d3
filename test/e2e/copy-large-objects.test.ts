import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CliProcess } from '../support/cli.ts';
import { eventsOf, migration } from '../support/migration.ts';
import { server, type TestDatabase } from '../support/servers.ts';

const [old, recent] = [await server(14), await server(18)];
const roles = ['lo_owner', 'lo_reader'];
for (const on of [old, recent]) {
  for (const role of roles)
    await on.query(
      `DO $$ BEGIN CREATE ROLE ${role}; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$`,
    );
}

/** Small ones, an empty one, one of every byte, one of several pieces, one with a hole. */
const objects = `
  CREATE TABLE doc (id int PRIMARY KEY, body oid);
  INSERT INTO doc SELECT i, lo_from_bytea(500000 + i, decode(repeat(md5(i::text), 1 + i % 50), 'hex')) FROM generate_series(1, 150) i;
  SELECT lo_create(600001);
  SELECT lo_from_bytea(600002, decode(string_agg(lpad(to_hex(i), 2, '0'), '' ORDER BY i), 'hex')) FROM generate_series(0, 255) i;
  SELECT lo_from_bytea(600003, decode(repeat(md5('large'), 200000), 'hex'));
  SELECT lo_create(600004); SELECT lo_put(600004, 3000000, 'end');
  SELECT lo_from_bytea(600005, decode(repeat('ab', 131072), 'hex'));
  SELECT lo_from_bytea(4294967295, 'last');
  ALTER LARGE OBJECT 600002 OWNER TO lo_owner;
  ALTER LARGE OBJECT 600003 OWNER TO lo_owner;
  GRANT SELECT ON LARGE OBJECT 600003 TO lo_reader WITH GRANT OPTION; GRANT SELECT, UPDATE ON LARGE OBJECT 600001 TO PUBLIC;
  REVOKE UPDATE ON LARGE OBJECT 600003 FROM lo_owner;
  COMMENT ON LARGE OBJECT 600001 IS 'it''s \\ empty'`;

function allOf(db: TestDatabase) {
  return db.query(
    `SELECT m.oid::text, pg_get_userbyid(m.lomowner) AS owner, obj_description(m.oid, 'pg_largeobject') AS comment,
            (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(m.lomacl) a) AS acl, md5(lo_get(m.oid)) AS data, length(lo_get(m.oid)) AS n
     FROM pg_largeobject_metadata m ORDER BY m.oid`,
  );
}

test('large objects come with oid, bytes, owner, grants and comment; killed in between, none is lost or made twice', async () => {
  const { source, target, run, file } = await migration({ from: old, to: recent });
  await source.query(objects);
  const killed = new CliProcess(['run', file, '--log', 'json'], { PGSLUICE_FAILPOINT: 'large-objects:kill' });
  await killed.ended;
  assert.equal(killed.process.signalCode, 'SIGKILL', killed.stderr);
  const [some] = await target.query<{ n: number }>('SELECT count(*)::int AS n FROM pg_largeobject_metadata');
  assert.ok(some!.n > 0 && some!.n < 156, `${some!.n} at the kill`);
  const ended = await run();
  const [event] = eventsOf(ended, 'large-objects-copied');
  assert.equal(event?.['objects'], 156 - some!.n);
  assert.deepEqual(await allOf(target), await allOf(source));
  assert.equal(eventsOf(await run(), 'large-objects-copied').length, 0);
});

test('an oid that the target has is refused, and its object left as it is; skip leaves all out', async () => {
  const input = { from: old, to: recent };
  const first = await migration(input);
  await first.source.query(`CREATE TABLE t (id int PRIMARY KEY); SELECT lo_from_bytea(700001, 'ours')`);
  await first.target.query(`SELECT lo_from_bytea(700001, 'theirs')`);
  const { code, stderr } = await first.verb('run', '--stop-at', 'now', '--log', 'json');
  assert.equal(code, 1);
  assert.match(stderr, /PGS3008 .*SQLSTATE 23505/);
  const { source, target } = first;
  assert.equal((await first.verb('cleanup', '--yes')).code, 0);
  await target.query('DROP TABLE t');
  const second = await migration({ ...input, sink: '    large_objects: skip', databases: { source, target } });
  await second.run();
  assert.deepEqual(await target.query(`SELECT convert_from(lo_get(700001), 'UTF8') AS v`), [{ v: 'theirs' }]);
});

test('a role that may not read one is told so, with the way out', async () => {
  const user = 'lo_stranger';
  await old.query(
    `DO $$ BEGIN CREATE ROLE ${user} LOGIN PASSWORD 's'; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
  );
  const { source, verb } = await migration({
    from: old,
    to: recent,
    source: '  snapshot: { mode: initial_only }',
    sourceUrl: (name) => old.url(name, user, 's'),
  });
  await source.query(`CREATE TABLE t (id int PRIMARY KEY); GRANT SELECT ON t TO ${user}; SELECT lo_create(800001)`);
  const { code, stderr } = await verb('run', '--log', 'json');
  assert.equal(code, 1);
  assert.match(stderr, /PGS2123 .*large_objects: skip/);
});
