import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SchemaObject } from '../../../../../core/api/snapshot.ts';
import { fitRoles, type RolesHere } from '../../../../../plugins/sink-postgres/schema/fit-roles.ts';
import { splitStatements } from '../../../../../plugins/sink-postgres/schema/statements.ts';

const there = new Set(['app', 'reader', 'Odd "one', 'new owner']);
const here = (more: Partial<RolesHere> = {}): RolesHere => ({
  nameFor: (role) => {
    const name = role === 'old' ? 'new owner' : role;
    return there.has(name) ? name : null;
  },
  mayOwn: () => true,
  wanted: true,
  superuser: true,
  lacks: [],
  ...more,
});

function object(type: string, sql: string): SchemaObject {
  return { type, schema: 'public', name: 'x', owner: null, section: 'pre-data', sql };
}

test('statements end at semicolons, not at those in strings, names, dollar quotes and parentheses', () => {
  const parts = [
    `COMMENT ON TABLE a IS 'x;''y;';`,
    `GRANT ALL ON TABLE "a;b""c;" TO app;`,
    `CREATE FUNCTION f() AS $f$ a; $$ b; $$ $f$;`,
    `CREATE RULE r AS ON DELETE TO t DO ALSO (DELETE FROM u; DELETE FROM v;);`,
    `SELECT E'a\\';';`,
  ];
  assert.deepEqual(splitStatements(`${parts.join('\n')}\n-- end; of it`), parts);
});

test('the owner statement behind an object is cut off, and nothing in a body', () => {
  const body = 'CREATE FUNCTION f() AS $$\nALTER TABLE a OWNER TO b;\n$$;';
  const fit = fitRoles(object('FUNCTION', `${body}\n\n\nALTER FUNCTION f() OWNER TO app;\n`), here());
  assert.deepEqual(fit, { sql: body, owner: 'ALTER FUNCTION f() OWNER TO app;', left: [] });
  const set =
    'SET default_table_access_method = heap_too;\nCREATE TABLE t ();\n\nALTER TABLE t OWNER TO old;\nSET default_table_access_method = heap;';
  const fitted = fitRoles(object('TABLE', set), here());
  assert.equal(fitted.owner, 'ALTER TABLE t OWNER TO "new owner";');
  assert.doesNotMatch(fitted.sql!, /OWNER/);
  assert.match(fitted.sql!, /= heap_too;[^]*= heap;$/);
  const gone = fitRoles(object('TABLE', 'CREATE TABLE t ();\nALTER TABLE t OWNER TO gone;'), here());
  assert.deepEqual([gone.sql, gone.owner, gone.left[0]?.role], ['CREATE TABLE t ();', null, 'gone']);
  const comment = fitRoles(object('SCHEMA', '-- *not* creating; it\n\nALTER SCHEMA public OWNER TO gone;'), here());
  assert.deepEqual([comment.owner, comment.left.length], [null, 1]);
  const theirs = fitRoles(
    object('TABLE', 'CREATE TABLE t ();\nALTER TABLE t OWNER TO app;'),
    here({ mayOwn: () => false }),
  );
  assert.deepEqual([theirs.owner, theirs.left[0]?.why], [null, 'not ours']);
});

test('of grants only those that name a missing role are left out', () => {
  const acl = `REVOKE ALL ON TABLE public.x FROM PUBLIC;
GRANT SELECT("to",b) ON TABLE public."x TO gone;" TO "Odd ""one" WITH GRANT OPTION;
GRANT ALL ON TABLE public.x TO gone;
SET SESSION AUTHORIZATION "Odd ""one";
GRANT SELECT ON TABLE public.x TO reader;
RESET SESSION AUTHORIZATION;
GRANT ALL ON TABLE public.x TO old;
GRANT SELECT ON TABLE public.x TO PUBLIC;`;
  const fit = fitRoles(object('ACL', acl), here());
  assert.equal(
    fit.sql,
    acl.replace('GRANT ALL ON TABLE public.x TO gone;\n', '').replace('TO old;', 'TO "new owner";'),
  );
  assert.deepEqual(
    fit.left.map(({ role }) => role),
    ['gone'],
  );
  assert.doesNotMatch(fitRoles(object('ACL', acl), here({ superuser: false })).sql!, /SESSION/);
  assert.equal(fitRoles(object('ACL', acl), here({ wanted: false })).sql, null);
  const lone = fitRoles(object('ACL', 'GRANT ALL ON TABLE public.x TO gone;'), here());
  assert.equal(lone.sql, null);
  const defaults = 'ALTER DEFAULT PRIVILEGES FOR ROLE gone IN SCHEMA s GRANT SELECT ON TABLES TO reader;';
  assert.deepEqual(
    fitRoles(object('DEFAULT ACL', defaults), here()).left.map(({ role }) => role),
    ['gone'],
  );
});

test('a policy stays for the roles that are there; a user mapping goes with its role', () => {
  const policy = `CREATE POLICY "p TO x" ON s.t AS RESTRICTIVE FOR SELECT TO app, gone, old USING ((owner = 'TO gone'::text));`;
  const fit = fitRoles(object('POLICY', policy), here());
  assert.equal(fit.sql, policy.replace('app, gone, old', 'app, "new owner"'));
  assert.deepEqual(
    fit.left.map(({ role }) => role),
    ['gone'],
  );
  assert.equal(fitRoles(object('POLICY', 'CREATE POLICY p ON t TO gone;'), here()).sql, null);
  const all = 'CREATE POLICY p ON t USING (("to" > 1));';
  assert.deepEqual(fitRoles(object('POLICY', all), here({ wanted: false })), { sql: all, owner: null, left: [] });
  assert.equal(fitRoles(object('USER MAPPING', 'CREATE USER MAPPING FOR gone SERVER s;'), here()).sql, null);
  const everyone = 'CREATE USER MAPPING FOR public SERVER s;';
  assert.equal(fitRoles(object('USER MAPPING', everyone), here()).sql, everyone);
});

test('privileges that the target does not know yet are left out of the list', () => {
  const older = here({ lacks: ['MAINTAIN'] });
  const grant = (sql: string) => fitRoles(object('ACL', sql), older).sql;
  assert.equal(grant('GRANT SELECT,MAINTAIN ON TABLE t TO app;'), 'GRANT SELECT ON TABLE t TO app;');
  assert.equal(grant('GRANT MAINTAIN,UPDATE(c) ON TABLE t TO app;'), 'GRANT UPDATE(c) ON TABLE t TO app;');
  assert.equal(grant('GRANT MAINTAIN ON TABLE "MAINTAIN" TO app;'), null);
});
