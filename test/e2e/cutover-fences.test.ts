import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import pg from 'pg';
import { cli } from '../support/cli.ts';
import { migration } from '../support/migration.ts';
import { short } from '../support/long.ts';
import { dropDatabase, server } from '../support/servers.ts';

const kinds = short(2, ['triggers', 'revoke', 'read_only', 'terminate'] as const);
/** What a new session of the application gets while the fence is up. */
const refusals = { triggers: '25006', read_only: '25006', revoke: '42501', terminate: '25006' } as const;

test('each fence keeps writers away as it says, and an abort or a failure takes it down as it was', {
  timeout: 300_000,
}, async () => {
  const from = await server(16);
  const to = await server(17);
  const { source, target, file, run } = await migration({ from, to });
  const app = `app_${source.name}`;
  const [first, second] = [`a_${app}`, `"b ""${app}"`];
  for (const side of [from, to])
    await side.query(`CREATE ROLE ${app} LOGIN PASSWORD 'p'; CREATE ROLE ${first}; CREATE ROLE ${second}`);
  after(async () => {
    await dropDatabase(target);
    for (const side of [from, to]) await side.query(`DROP ROLE ${app}, ${first}, ${second}`);
  });
  await source.query(`CREATE TABLE item (id int PRIMARY KEY, word text);
    GRANT INSERT, SELECT ON item TO ${app} WITH GRANT OPTION; GRANT UPDATE (word) ON item TO ${app}`);
  // Roles that pass privileges on, one of them before the others by name, and one privilege that comes from two.
  await source.query(`SET ROLE ${app}; GRANT INSERT ON item TO ${second} WITH GRANT OPTION;
    SET ROLE ${second}; GRANT INSERT ON item TO ${first}; GRANT INSERT (word) ON item TO ${first};
    RESET ROLE; GRANT INSERT ON item TO ${first}`);
  await run();

  const session = async () => {
    const client = new pg.Client(from.url(source.name, app, 'p'));
    client.on('error', () => {});
    await client.connect();
    return client;
  };
  let id = 0;
  /** SQLSTATE of the refusal of a write in a new session, or null. */
  const write = async (): Promise<string | null> => {
    const client = await session();
    try {
      await client.query('INSERT INTO item VALUES ($1)', [id + 1]);
      id++;
      return null;
    } catch (error) {
      return (error as pg.DatabaseError).code ?? 'none';
    } finally {
      await client.end();
    }
  };
  const settings = () =>
    source.query(`SELECT 'item' AS what, NULL AS col, a.grantee::int, a.privilege_type, a.is_grantable, a.grantor::int FROM pg_class, aclexplode(relacl) a WHERE relname = 'item'
      UNION ALL SELECT 'item', attname, a.grantee::int, a.privilege_type, a.is_grantable, a.grantor::int FROM pg_attribute, aclexplode(attacl) a WHERE attrelid = 'item'::regclass
      UNION ALL SELECT 'database', NULL, setrole::int, setconfig::text, false, 0 FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname = current_database()
      UNION ALL SELECT 'trigger', tgname::text, 0, tgrelid::regclass::text, false, 0 FROM pg_trigger
      UNION ALL SELECT 'function', p.proname::text, 0, n.nspname::text, false, 0 FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE p.oid >= 16384
      UNION ALL SELECT 'schema', nspname::text, 0, NULL, false, 0 FROM pg_namespace WHERE nspname !~ '^pg_'
      ORDER BY 1, 2, 3, 4, 6`);
  const before = await settings();

  for (const kind of kinds) {
    const args = ['cutover', file, '--fence', kind, '--verify', 'none'];
    const old = await session();
    const killed = await cli(args, { PGSLUICE_FAILPOINT: 'cutover-fenced:kill' });
    assert.equal(killed.code, null, `${kind}: ${killed.stdout}${killed.stderr}`);
    const ended = kind === 'read_only' || kind === 'terminate';
    const there = old.query('INSERT INTO item VALUES (-2)');
    if (ended) await assert.rejects(there, kind);
    else await assert.rejects(there, { code: refusals[kind] }, kind);
    if (!ended) await old.end();
    assert.equal(await write(), refusals[kind], kind);
    const aborted = await cli(['cutover', file, '--abort']);
    assert.equal(aborted.code, 0, aborted.stderr);
    assert.match(aborted.stdout, /^the cutover is aborted; the pipeline can be run on\n/);
    assert.equal(await write(), null, kind);
    assert.deepEqual(await settings(), before, kind);

    // It can never be quiet for so long in so short a time.
    const failed = await cli([...args, '--quiet', '60s', '--wait', '1s'], { PGSLUICE_FAILPOINT: 'cutover-quiet' });
    assert.equal(failed.code, 1, failed.stdout);
    assert.match(failed.stdout, /^undone: /m);
    assert.equal(await write(), null, kind);
    assert.deepEqual(await settings(), before, kind);
    assert.match((await cli(['cutover', file, '--abort'])).stdout, /no cutover is under way/);
  }
  await run();

  // What a session that is ended had not committed is on neither side.
  const writer = await session();
  await writer.query(`BEGIN; INSERT INTO item VALUES (-1)`);
  const done = await cli(['cutover', file, '--fence', 'terminate', '--verify', 'none', '--quiet', '100ms']);
  assert.equal(done.code, 0, done.stdout + done.stderr);
  assert.match(done.stdout, /ready: fence terminate: \d+ sessions ended, 1 tables closed to writes\n[^]*\nGO after /);
  await assert.rejects(writer.query('COMMIT'));
  const rows = await target.query<{ id: number }>('SELECT id FROM item ORDER BY id');
  assert.deepEqual(
    rows.map((row) => row.id),
    Array.from({ length: id }, (_, i) => i + 1),
  );
});
