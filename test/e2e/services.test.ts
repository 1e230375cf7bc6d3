import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cli, pipelineFile } from '../support/cli.ts';
import { ownServer } from '../support/servers.ts';

/** What a service of this kind gives its user: no superuser, schemas of roles that are not his, and extensions of the service. */
const asSupabase = `
  CREATE ROLE supabase_admin SUPERUSER; CREATE ROLE supabase_auth_admin; CREATE ROLE supabase_storage_admin;
  CREATE ROLE app LOGIN PASSWORD 'local-only' REPLICATION CREATEDB CREATEROLE; GRANT pg_monitor TO app`;
const schemas = `
  GRANT CREATE ON DATABASE shop TO app;
  CREATE SCHEMA auth AUTHORIZATION supabase_auth_admin; CREATE SCHEMA storage AUTHORIZATION supabase_storage_admin;
  SET ROLE supabase_auth_admin; CREATE TABLE auth.users (id uuid, email text); INSERT INTO auth.users VALUES (gen_random_uuid(), 'a@b.c');
  RESET ROLE; GRANT CREATE ON SCHEMA public TO app;
  SET ROLE app; CREATE SCHEMA vault; CREATE TABLE vault.mine (id int PRIMARY KEY); INSERT INTO vault.mine VALUES (1);
  CREATE TABLE public.profile (id int PRIMARY KEY, name text); INSERT INTO public.profile SELECT g, 'p' FROM generate_series(1, 500) g`;

async function words(file: string, ...verb: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cli([verb[0]!, file, ...verb.slice(1)]);
  assert.equal(code, 0, `${verb.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

test('a managed service on both sides: its schemas stay behind by their owners, the rest is moved by a role without powers', {
  timeout: 240_000,
}, async () => {
  const server = await ownServer(17);
  await server.query(asSupabase);
  await server.query('CREATE DATABASE shop');
  await server.query(schemas, 'shop');
  await server.query('CREATE DATABASE moved OWNER app');
  const url = (database: string) => server.url(database, 'app', 'local-only');
  const file = await pipelineFile(`pipeline: hosted
source: { plugin: postgres, url: "${url('shop')}" }
sinks: [{ plugin: postgres, url: "${url('moved')}", owners: skip }]
`);
  const check = await words(file, 'check');
  assert.match(check, /ok +service .*Supabase; left out, as the service or an extension owns them: auth, storage/);
  await words(file, 'run', '--stop-at', 'now');
  await server.query(`UPDATE profile SET name = 'q' WHERE id <= 100; DELETE FROM profile WHERE id > 450`, 'shop');
  await words(file, 'run', '--stop-at', 'now');
  assert.match(await words(file, 'verify', '--schema'), /profile/);
  const there = await server.query<{ names: string }>(
    `SELECT string_agg(schemaname || '.' || tablename, ' ' ORDER BY 1) AS names FROM pg_tables WHERE schemaname IN ('public', 'auth', 'storage', 'vault')`,
    'moved',
  );
  assert.equal(there[0]!.names, 'public.profile vault.mine');
  assert.match(await words(file, 'cutover', '--quiet', '1ms'), /GO/);
  const [row] = await server.query<{ n: string }>(
    `SELECT count(*) || ' ' || count(*) FILTER (WHERE name = 'q') AS n FROM profile`,
    'moved',
  );
  assert.equal(row!.n, '450 100');
});

test('what a service asks for is said in its own words', { timeout: 240_000 }, async () => {
  const server = await ownServer(16, { wal_level: 'replica', max_wal_senders: '0', max_replication_slots: '0' });
  await server.query(
    `CREATE ROLE rds_superuser; CREATE ROLE rds_replication; CREATE ROLE app LOGIN PASSWORD 'local-only'`,
  );
  await server.query('CREATE DATABASE shop OWNER app');
  await server.query('SET ROLE app; CREATE TABLE t (id int PRIMARY KEY)', 'shop');
  const file = await pipelineFile(`pipeline: hosted
source: { plugin: postgres, url: "${server.url('shop', 'app', 'local-only')}" }
sinks: [{ plugin: postgres, url: "${server.url('shop', 'app', 'local-only')}", schema: existing }]
`);
  const { code, stdout } = await cli(['check', file]);
  assert.equal(code, 3, stdout);
  assert.match(stdout, /wal_level is replica on Amazon RDS\n.*rds\.logical_replication = 1 in the DB parameter group/);
  assert.match(stdout, /max_replication_slots = 2 in the DB parameter group/);
  assert.match(stdout, /GRANT rds_replication TO "app";/);
});
