import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { cli } from '../support/cli.ts';
import { type Migration, eventsOf, migration } from '../support/migration.ts';
import { ownedBy, targetOwner } from '../support/owners.ts';
import { rightsOf } from '../support/rights.ts';
import { type TestServer, server } from '../support/servers.ts';

const servers = { 14: await server(14), 15: await server(15), 17: await server(17), 18: await server(18) };

/** Names of one test's roles; the servers are shared. */
interface Names {
  readonly owner: string;
  readonly reader: string;
  readonly writer: string;
  readonly login: string;
  readonly gone: string;
}

function namesOf(tag: string): Names {
  return {
    owner: `${tag}_owner`,
    reader: `${tag}_Read"er`,
    writer: `${tag}_writer`,
    login: `${tag}_login`,
    gone: `${tag}_gone`,
  };
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

function rolesSql(names: Names): string {
  const [owner, reader, writer, login, gone] = Object.values(names).map(quoted);
  return `CREATE ROLE ${owner} NOLOGIN; CREATE ROLE ${reader} NOLOGIN; CREATE ROLE ${writer} CREATEDB CONNECTION LIMIT 7;
    CREATE ROLE ${login} LOGIN NOINHERIT VALID UNTIL '2099-01-01 00:00:00+00'; CREATE ROLE ${gone} LOGIN;
    GRANT ${reader} TO ${writer}; GRANT ${writer} TO ${login} WITH ADMIN OPTION;
    ALTER ROLE ${login} SET search_path = s, "Odd, s", public; ALTER ROLE ${login} SET work_mem = '5MB';`;
}

/** Every kind of object that names a role, in a schema of its own and in public. */
function schemaSql(names: Names): string {
  const [owner, reader, writer, login, gone] = Object.values(names).map(quoted);
  return `
    CREATE SCHEMA s AUTHORIZATION ${owner}; CREATE SCHEMA "Odd, s";
    CREATE TABLE s.t (id serial PRIMARY KEY, "a b" text, c int); ALTER TABLE s.t OWNER TO ${owner};
    CREATE TABLE public.u (id int PRIMARY KEY); ALTER TABLE public.u OWNER TO ${writer};
    CREATE TABLE "Odd, s"."Ta""b" (id int PRIMARY KEY); ALTER TABLE "Odd, s"."Ta""b" OWNER TO ${gone};
    CREATE VIEW s.v AS SELECT id FROM s.t; ALTER VIEW s.v OWNER TO ${reader};
    CREATE MATERIALIZED VIEW s.m AS SELECT 1 AS one; CREATE TYPE s.mood AS ENUM ('a'); ALTER TYPE s.mood OWNER TO ${writer};
    CREATE DOMAIN s.d AS int; CREATE SEQUENCE public.q; ALTER SEQUENCE public.q OWNER TO ${gone};
    CREATE FUNCTION s.f(int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT $1; END; ALTER FUNCTION s.f(int) OWNER TO ${owner};
    CREATE FUNCTION public.g() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
    GRANT USAGE ON SCHEMA s TO ${reader}, ${gone}; GRANT ALL ON SCHEMA "Odd, s" TO ${writer} WITH GRANT OPTION;
    GRANT SELECT ON s.t TO ${reader}, ${gone}; GRANT INSERT ("a b"), UPDATE (c) ON s.t TO ${writer}, ${gone};
    GRANT SELECT ON public.u TO PUBLIC; REVOKE TRUNCATE, DELETE ON public.u FROM ${writer};
    REVOKE ALL ON FUNCTION s.f(int), public.g() FROM PUBLIC; GRANT EXECUTE ON FUNCTION s.f(int) TO ${login}, ${gone};
    GRANT EXECUTE ON FUNCTION public.g() TO ${gone}; REVOKE USAGE ON TYPE s.mood FROM PUBLIC; GRANT USAGE ON TYPE s.mood TO ${reader};
    GRANT USAGE ON SEQUENCE public.q TO ${writer}; GRANT SELECT ON s.v, s.m TO ${reader} WITH GRANT OPTION;
    ALTER DEFAULT PRIVILEGES FOR ROLE ${owner} IN SCHEMA s GRANT SELECT ON TABLES TO ${reader};
    ALTER DEFAULT PRIVILEGES FOR ROLE ${gone} GRANT EXECUTE ON FUNCTIONS TO ${reader};
    ALTER DEFAULT PRIVILEGES FOR ROLE ${owner} GRANT ALL ON SEQUENCES TO ${gone};
    ALTER TABLE s.t ENABLE ROW LEVEL SECURITY;
    CREATE POLICY "two" ON s.t FOR SELECT TO ${reader}, ${gone} USING (c > 1);
    CREATE POLICY "none" ON s.t AS RESTRICTIVE TO ${gone} USING (true); CREATE POLICY everyone ON s.t USING (true);
    SELECT lo_create(4711); ALTER LARGE OBJECT 4711 OWNER TO ${writer}; GRANT SELECT ON LARGE OBJECT 4711 TO ${reader}, ${gone};
    INSERT INTO s.t ("a b", c) VALUES ('x', 2); INSERT INTO public.u VALUES (1);`;
}

/** The superuser's: foreign servers are. */
const mappingsSql = ({ reader, gone }: Names) =>
  `CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w;
   CREATE USER MAPPING FOR ${quoted(reader)} SERVER far; CREATE USER MAPPING FOR ${quoted(gone)} SERVER far; CREATE USER MAPPING FOR PUBLIC SERVER far;`;

async function made(
  tag: string,
  from: TestServer,
  to: TestServer,
  sink?: string,
): Promise<Migration & { names: Names }> {
  const names = namesOf(tag);
  // Registered first, so run last: databases that depend on the roles are dropped before.
  after(() => drop([from, to], names));
  await from.query(rolesSql(names));
  const m = await migration({ from, to, ...(sink === undefined ? {} : { sink }) });
  await m.source.query(schemaSql(names));
  return { ...m, names };
}

async function drop(on: readonly TestServer[], names: Names): Promise<void> {
  for (const each of on)
    for (const role of Object.values(names).reverse()) {
      const mine = await each.query<{ db: string }>(
        `SELECT DISTINCT d.datname AS db FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid WHERE s.refobjid = to_regrole('${quoted(role)}')`,
      );
      for (const { db } of mine) await each.query(`DROP OWNED BY ${quoted(role)} CASCADE`, db);
      await each.query(`DROP ROLE IF EXISTS ${quoted(role)}`);
    }
}

/** Lines of the source's rights, without those of roles that the target lacks. */
async function expected(m: Migration, gone: readonly string[]): Promise<string[]> {
  const lines = await rightsOf(m.source);
  return lines.filter(
    (line) =>
      !gone.some(
        (role) =>
          line.endsWith(` of ${role}`) ||
          line.includes(` to ${role}`) ||
          line.includes(`by ${role}:`) ||
          line.startsWith(`mapping of ${role} `),
      ),
  );
}

test('a role that the target lacks takes only what names it: owners, grants, policies, mappings of the others arrive', async () => {
  const m = await made('ra', servers[14], servers[18]);
  await m.source.query(mappingsSql(m.names));
  const { gone } = m.names;
  await m.target.query(rolesSql(m.names).replace(`CREATE ROLE "${gone}" LOGIN;`, ''));
  const check = await m.verb('check');
  assert.equal(check.code, 0, check.stdout);
  assert.match(
    check.stdout,
    new RegExp(
      `warning .*lacks 1 roles that the schema names: ${gone} \\(has 1 user mapping, has rights on \\d+ objects, is in 2 default privileges, is in 2 policies, owns 2 objects\\)`,
    ),
  );
  const run = await m.run();
  const told = eventsOf(run, 'owners-skipped');
  assert.deepEqual(new Set(told.map((line) => line['roles'])), new Set([gone]));
  const [source, target] = [await expected(m, [gone]), await rightsOf(m.target)];
  // What the missing role owned is ours, and so are the rights that its owner has by itself.
  const theirs = /Ta""b|relation q(?: |:)|MAINTAIN|^default S .* to ra_owner$/;
  const policies = source
    .filter((line) => line.startsWith('policy'))
    .map((line) => line.replace(/,?\s*"?ra_gone"?/, ''))
    .filter((line) => !line.endsWith('{}'));
  const plain = (lines: string[]) => lines.filter((line) => !theirs.test(line) && !line.startsWith('policy')).sort();
  assert.deepEqual(plain(target), plain(source));
  assert.deepEqual(
    target.filter((line) => line.startsWith('policy')),
    policies,
  );
  assert.deepEqual(
    target.filter((line) => line.includes(gone)),
    [],
  );
  const cut = await m.verb('cutover', '--quiet', '300ms', '--dry-run');
  assert.match(cut.stdout, new RegExp(`left out of the target: .*the target has no role ${gone}`));
});

test('check --sql and init --roles make all that is missing, with attributes, settings and memberships', async () => {
  const m = await made('rb', servers[17], servers[15], '    owners: keep');
  const check = await m.verb('check');
  assert.equal(check.code, 3, check.stdout);
  for (const role of Object.values(m.names)) assert.ok(check.stdout.includes(`CREATE ROLE ${quoted(role)}`), role);
  const script = await m.verb('check', '--sql');
  assert.equal(script.code, 3);
  const init = await cli(['init', '--roles', '--source', m.source.url]);
  assert.equal(init.code, 0, init.stderr);
  const statements = (text: string) => text.split('\n').filter((line) => /"rb_/.test(line) && !line.startsWith('--'));
  assert.deepEqual(statements(init.stdout).length, statements(script.stdout).length);
  await m.target.query(script.stdout);
  const roles = `SELECT rolname, rolinherit, rolcreatedb, rolcanlogin, rolconnlimit, rolvaliduntil, rolconfig,
    (SELECT array_agg(a.roleid::regrole::text || a.admin_option ORDER BY 1) FROM pg_auth_members a WHERE a.member = r.oid) AS member
    FROM pg_roles r WHERE rolname LIKE 'rb_%' ORDER BY 1`;
  assert.deepEqual(await m.target.query(roles), await m.source.query(roles));
  assert.equal((await m.verb('check')).code, 0);
  await m.run();
  const known = (lines: string[]) => lines.filter((line) => !line.includes('MAINTAIN'));
  assert.deepEqual(known(await rightsOf(m.target)), known(await rightsOf(m.source)));
});

test('owners: map gives the roles other names; owners: skip leaves policies of roles that are there', async () => {
  const m = await made(
    'rc',
    servers[18],
    servers[17],
    `    owners: { map: { rc_owner: "rc Boss", rc_gone: rc_writer } }`,
  );
  await m.target.query(
    rolesSql(m.names)
      .replace(/CREATE ROLE "rc_gone" LOGIN;/, '')
      .replaceAll('"rc_owner"', '"rc Boss"'),
  );
  after(() => servers[17].query('DROP ROLE IF EXISTS "rc Boss"').catch(() => {}));
  await m.run();
  const mapped = (await rightsOf(m.source)).map((line) =>
    line.replaceAll('rc_owner', '"rc Boss"').replaceAll('rc_gone', 'rc_writer'),
  );
  const target = await rightsOf(m.target);
  const about = (lines: readonly string[]) =>
    new Set(lines.filter((line) => / s\.t| function s\.f|default|public\.u/.test(line) && !line.startsWith('policy')));
  assert.deepEqual(about(target.map((line) => line.replace(' of rc Boss', ' of "rc Boss"'))), about(mapped));
  const skip = await made('rd', servers[17], servers[18], '    owners: skip');
  await skip.target.query(rolesSql(skip.names));
  await skip.run();
  const rights = await rightsOf(skip.target);
  assert.deepEqual(
    rights.filter((line) => line.startsWith('policy')),
    (await rightsOf(skip.source)).filter((line) => line.startsWith('policy')),
  );
  assert.deepEqual(
    rights.filter((line) => / of rd_| to "?rd_/.test(line)),
    [],
  );
});

for (const [from, to] of [
  [15, 14],
  [14, 18],
] as const) {
  test(`without a superuser on the target, ${from} to ${to}: owners that we are a member of, and all grants`, async () => {
    const tag = `re${to}`;
    const names = namesOf(tag);
    after(() => drop([servers[from], servers[to]], names));
    await servers[from].query(rolesSql(names));
    const m = await migration({
      from: servers[from],
      to: servers[to],
      sink: '    large_objects: skip',
      databases: await pair(from, to),
    });
    await m.source.query(schemaSql(names).replace(/SELECT lo_create.*\n/, ''));
    const script = await m.verb('check', '--sql');
    assert.equal(script.code, 0, script.stderr + script.stdout);
    await m.target.query(script.stdout);
    const again = await m.verb('check');
    assert.doesNotMatch(again.stdout, /the target lacks/);
    assert.match(again.stdout, /may not make postgres an owner/);
    await m.run();
    const us = new URL(m.target.url).username;
    const ours = (lines: string[]) =>
      lines
        .filter((line) => !line.includes('MAINTAIN'))
        .map((line) => line.replaceAll(us, 'us').replaceAll('postgres', 'us'));
    assert.deepEqual(ours(await rightsOf(m.target)), ours(await rightsOf(m.source)));
  });
}

async function pair(from: 14 | 15, to: 14 | 18) {
  const { database } = await import('../support/servers.ts');
  const source = await database(servers[from], 'own');
  const target = await ownedBy(await database(servers[to], 'own'), targetOwner);
  return { source, target };
}
