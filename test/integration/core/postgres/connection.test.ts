import assert from 'node:assert/strict';
import { chmod, chown, copyFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { PgsluiceError } from '../../../../core/base/error.ts';
import { type ConnectionOptions, connect, disconnect } from '../../../../core/postgres/connect.ts';
import { database, ownServer, server } from '../../../support/servers.ts';
import { calm, postgresSource } from '../../../support/source-context.ts';
import { readCatalog } from '../../../../core/api/source.ts';
import { tlsFolder } from '../../../support/tls.ts';

const shared = await server(17);
const tlsServer = await ownServer(17);
const secret = 'planted-secret';
const tlsOn = useTls();
const folder = await mkdtemp(join(tmpdir(), 'pgsluice-test-'));
after(() => rm(folder, { recursive: true }));

async function value(options: ConnectionOptions, sql: string): Promise<string> {
  const client = await connect(options, { name: 'source', applicationName: 'test' });
  const { rows } = await client.query<{ v: string }>(sql);
  await disconnect(client);
  return rows[0]!.v;
}

async function refused(options: ConnectionOptions, code: string): Promise<PgsluiceError> {
  return await value(options, 'SELECT 1 AS v').then(
    () => assert.fail('connected'),
    (error: PgsluiceError) => {
      assert.equal(error.code, code, error.message);
      assert.doesNotMatch(`${error.message} ${error.remedy} ${JSON.stringify(error.where)}`, new RegExp(secret));
      return error;
    },
  );
}

test('wrong password, no such database, nobody listening, no URL', async () => {
  await refused({ url: shared.url('postgres', 'postgres', secret) }, 'PGS2002');
  await refused({ url: shared.url('nope_nope') }, 'PGS2003');
  await refused({ url: `postgres://u:${secret}@127.0.0.1:1/db` }, 'PGS2001');
  await refused({ url: `postgres://u:${secret}@no-such-host.invalid/db` }, 'PGS2001');
  await refused({ url: `mysql://u:${secret}@h/db` }, 'PGS2009');
  await refused({ url: `${shared.url()}?sslmode=secure` }, 'PGS2009');
});

test('what the URL leaves out comes from PG* and the password file', async () => {
  const at = new URL(shared.url());
  const file = join(folder, 'pgpass');
  await writeFile(file, `# comment\n127.0.0.1:1:*:*:wrong\n127.0.0.1:${at.port}:*:post\\gres:${at.password}\n`, {
    mode: 0o600,
  });
  const kept = { ...process.env };
  try {
    Object.assign(process.env, {
      PGHOST: '127.0.0.1',
      PGPORT: at.port,
      PGUSER: 'postgres',
      PGDATABASE: 'postgres',
      PGPASSFILE: file,
    });
    assert.equal(await value({ url: 'postgres://' }, 'SELECT current_database() AS v'), 'postgres');
    assert.equal(await value({ url: 'postgres://postgres@/template1' }, 'SELECT current_database() AS v'), 'template1');
    delete process.env['PGPASSFILE'];
    assert.equal(await value({ url: `postgres://?passfile=${file}` }, 'SELECT current_user AS v'), 'postgres');
    process.env['PGPASSFILE'] = file;
    await chmod(file, 0o644);
    await refused({ url: 'postgres://' }, 'PGS2002');
    process.env['PGPASSWORD'] = at.password;
    assert.equal(await value({ url: 'postgres://' }, 'SELECT current_user AS v'), 'postgres');
    const options = `${shared.url()}?options=-c%20work_mem%3D5MB`;
    assert.equal(await value({ url: options }, `SELECT current_setting('work_mem') AS v`), '5MB');
  } finally {
    process.env = kept;
  }
});

test('settings that would change or cut what we read are undone, also where the role sets them', async () => {
  const db = await database(shared, 'conn');
  await db.query(`ALTER DATABASE ${db.name} SET DateStyle = 'German'; ALTER DATABASE ${db.name} SET TimeZone = 'Asia/Tokyo';
    ALTER DATABASE ${db.name} SET statement_timeout = '50ms'; ALTER DATABASE ${db.name} SET transaction_timeout = '60ms';
    ALTER DATABASE ${db.name} SET bytea_output = 'escape'; ALTER DATABASE ${db.name} SET idle_in_transaction_session_timeout = '50ms'`);
  const sql = `SELECT '2024-02-03 04:05:06+00'::timestamptz::text || '\\x0a'::bytea::text || coalesce(pg_sleep(0.2)::text, '') AS v`;
  assert.equal(await value({ url: db.url }, sql), '2024-02-03 04:05:06+00\\x0a');
});

test('TLS as libpq has it: prefer, require, verify-ca, verify-full, client certificates', async () => {
  await tlsOn;
  const own = tlsServer;
  const ssl = (url: string, more: Partial<ConnectionOptions> = {}) =>
    value({ url, ...more }, 'SELECT ssl::text AS v FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
  const host = own.url().replace('127.0.0.1', 'localhost');
  const ca = join(tlsFolder, 'ca.crt');
  assert.equal(await ssl(own.url()), 'true');
  assert.equal(await ssl(`${own.url()}?sslmode=disable`), 'false');
  assert.equal(await ssl(own.url(), { sslmode: 'require' }), 'true');
  assert.equal(await ssl(`${own.url()}?sslmode=verify-ca&sslrootcert=${ca}`), 'true');
  assert.equal(await ssl(`${host}?sslmode=verify-full&sslrootcert=${ca}`), 'true');
  await refused({ url: `${own.url()}?sslmode=verify-full&sslrootcert=${ca}` }, 'PGS2004');
  await refused({ url: `${host}?sslmode=verify-full` }, 'PGS2004');
  await refused({ url: `${host}?sslmode=verify-ca` }, 'PGS2004');
  await refused({ url: `${host}?sslmode=verify-ca&sslrootcert=${folder}/nowhere.crt` }, 'PGS2004');
  await refused({ url: own.url('postgres', 'certified', '') }, 'PGS2002');
  const cert = { sslcert: join(tlsFolder, 'certified.crt'), sslkey: join(tlsFolder, 'certified.key') };
  assert.equal(await ssl(own.url('postgres', 'certified', ''), { ...cert, sslmode: 'require' }), 'true');
  await refused({ url: `${shared.url()}?sslmode=require` }, 'PGS2004');
  assert.equal(await ssl(`${shared.url()}?sslmode=prefer`), 'false');
});

test('what decides about TLS comes from the environment, too, and nothing that makes it safer is overlooked', async () => {
  await tlsOn;
  const url = tlsServer.url().replace('127.0.0.1', 'localhost');
  const version = (given: string) =>
    value({ url: given }, 'SELECT version AS v FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
  assert.equal(await version(`${url}?ssl_min_protocol_version=TLSv1.3`), 'TLSv1.3');
  assert.equal(await version(`${url}?ssl_max_protocol_version=tlsv1.2`), 'TLSv1.2');
  const kept = { ...process.env };
  try {
    process.env['PGSSLMAXPROTOCOLVERSION'] = 'TLSv1.2';
    assert.equal(await version(url), 'TLSv1.2');
    process.env['PGSSLMODE'] = 'require';
    await refused({ url: shared.url() }, 'PGS2004');
    assert.equal(await value({ url: `${shared.url()}?sslmode=prefer` }, `SELECT 'in' AS v`), 'in');
    process.env['PGSSLMODE'] = 'verify-full';
    process.env['PGSSLROOTCERT'] = join(tlsFolder, 'ca.crt');
    assert.equal(await version(url), 'TLSv1.2');
    await refused({ url: tlsServer.url() }, 'PGS2004');
    process.env['PGREQUIREAUTH'] = 'scram-sha-256';
    await refused({ url }, 'PGS2009');
  } finally {
    process.env = kept;
  }
  // With the authorities that everyone trusts, the name is always compared.
  await refused({ url: `${url}?sslrootcert=system` }, 'PGS2004');
  for (const mode of ['disable', 'prefer', 'require', 'verify-ca'] as const)
    assert.match((await refused({ url, sslmode: mode, sslrootcert: 'system' }, 'PGS2004')).message, /too weak/);
  assert.match((await refused({ url, sslcert: join(tlsFolder, 'certified.crt') }, 'PGS2004')).message, /no sslkey/);
  for (const more of ['require_auth=scram-sha-256', 'requirepeer=me', 'service=x', 'gssencmode=require'])
    await refused({ url: `${url}?${more}` }, 'PGS2009');
  await refused({ url: `${url}?ssl_min_protocol_version=SSLv3` }, 'PGS2009');
});

test('channel binding: asked for where it is required, for a walsender too, and no way around it', async () => {
  await tlsOn;
  const url = (user: string, password: string) =>
    `${tlsServer.url('postgres', user, password)}?channel_binding=require`;
  const require = { channel_binding: 'require' } as const;
  const me = 'SELECT current_user AS v';
  assert.equal(await value({ url: url('scrammed', secret) }, me), 'scrammed');
  assert.equal(await value({ url: tlsServer.url('postgres', 'scrammed', secret), ...require }, me), 'scrammed');
  const walsender = await connect(
    { url: url('scrammed', secret) },
    { name: 'source', applicationName: 'test', replication: true },
  );
  assert.equal((await walsender.query<{ dbname: string }>('IDENTIFY_SYSTEM')).rows[0]?.dbname, 'postgres');
  await disconnect(walsender);
  // The right password each time: what is refused is the way it would be given away.
  for (const user of ['hashed', 'plain', 'trusting']) {
    assert.equal(await value({ url: tlsServer.url('postgres', user, secret) }, me), user);
    assert.match((await refused({ url: url(user, secret) }, 'PGS2004')).message, /does not bind/);
  }
  await refused({ url: `${url('scrammed', secret)}&sslmode=disable` }, 'PGS2004');
  await refused({ url: shared.url(), ...require }, 'PGS2004');
  for (const binding of ['disable', 'prefer'] as const)
    assert.equal(await value({ url: url('scrammed', secret), channel_binding: binding }, me), 'scrammed');
  await refused({ url: `${tlsServer.url()}?channel_binding=maybe` }, 'PGS2009');
});

/** Switches TLS on with the certificates of test/support/tls. */
async function useTls(): Promise<void> {
  const data = join(tlsServer.directory, 'data');
  const { uid, gid } = await stat(data);
  for (const [from, to] of [
    ['localhost.crt', 'server.crt'],
    ['localhost.key', 'server.key'],
    ['ca.crt', 'root.crt'],
  ] as const) {
    await copyFile(join(tlsFolder, from), join(data, to));
    await chmod(join(data, to), 0o600);
    if (process.getuid?.() === 0) await chown(join(data, to), uid, gid);
  }
  await tlsServer.query(`CREATE ROLE certified LOGIN; CREATE ROLE trusting LOGIN;
    CREATE ROLE scrammed LOGIN REPLICATION PASSWORD '${secret}'; CREATE ROLE plain LOGIN PASSWORD '${secret}';
    SET password_encryption = 'md5'; CREATE ROLE hashed LOGIN PASSWORD '${secret}'`);
  await tlsServer.query('ALTER SYSTEM SET ssl = on');
  await tlsServer.query(`ALTER SYSTEM SET ssl_ca_file = 'root.crt'`);
  const ways = [
    'hostssl all certified all cert',
    'hostssl all trusting all trust',
    'hostssl all plain all password',
    'hostssl all hashed all md5',
  ];
  const hba = join(data, 'pg_hba.conf');
  await writeFile(hba, `${ways.join('\n')}\n${await readFile(hba, 'utf8')}`);
  await tlsServer.restart();
}

test('a source that is killed, or that goes away, is a retryable error', async () => {
  const db = await database(shared, 'conn');
  await db.query('CREATE TABLE t (id int PRIMARY KEY)');
  const client = await connect({ url: db.url }, { name: 'source', applicationName: 'pgsluice kill' });
  const sleeping = client.query('SELECT pg_sleep(20)').catch((error: unknown) => error);
  await db.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgsluice kill'`);
  assert.match(String(await sleeping), /terminat/);
  await disconnect(client);
  await assert.rejects(readCatalog(postgresSource({ url: 'postgres://localhost:1/x' }, 'p'), calm), {
    code: 'PGS2001',
    retry: 'backoff',
  });
});
