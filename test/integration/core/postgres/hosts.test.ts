import assert from 'node:assert/strict';
import { chmod, chown, copyFile, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { PgsluiceError } from '../../../../core/base/error.ts';
import { type ConnectionOptions, connect, disconnect } from '../../../../core/postgres/connect.ts';
import { ownServer } from '../../../support/servers.ts';
import { caughtUp, promote, standbyOf } from '../../../support/standby.ts';
import { tlsFolder } from '../../../support/tls.ts';

const primary = await ownServer(17, { listen_addresses: "'127.0.0.1,::1'", max_connections: '20' });
await primary.query(`CREATE ROLE odd LOGIN PASSWORD 'p@:/?#[]%41 +&=''"é\\'`);
const standby = await standbyOf(primary, { listen_addresses: "'127.0.0.1'" });
await caughtUp(primary, standby);
const folder = await mkdtemp(join(tmpdir(), 'pgsluice-test-'));
after(() => rm(folder, { recursive: true }));

const me = 'postgres:local-only';
const [a, b] = [`127.0.0.1:${primary.port}`, `127.0.0.1:${standby.port}`];
const nobody = '127.0.0.1:1';

async function value(options: ConnectionOptions, sql: string, replication = false): Promise<string> {
  const client = await connect(options, { name: 'source', applicationName: 'test', replication });
  const { rows } = await client.query<{ v: string }>(sql);
  await disconnect(client);
  return rows[0]!.v;
}

/** The port of the server that a list leads to. Each list once: the next connection would prefer the server of the first. */
let lists = 0;
const where = (hosts: string, more = ''): Promise<string> =>
  value(
    { url: `postgres://${me}@${hosts}/postgres?application_name=${++lists}${more}` },
    `SELECT current_setting('port') AS v`,
  );

async function refused(options: ConnectionOptions, code: string): Promise<PgsluiceError> {
  return value(options, 'SELECT 1 AS v').then(
    () => assert.fail('connected'),
    (error: PgsluiceError) => {
      assert.equal(error.code, code, error.message);
      return error;
    },
  );
}

async function withEnv(set: Record<string, string>, work: () => Promise<void>): Promise<void> {
  const kept = { ...process.env };
  Object.assign(process.env, set);
  try {
    await work();
  } finally {
    process.env = kept;
  }
}

const [first, second] = [String(primary.port), String(standby.port)];

test('several hosts: the first that answers, and of the kind that is asked for', async () => {
  assert.equal(await where(`${a},${b}`), first);
  assert.equal(await where(`${nobody},${b},${a}`), second);
  for (const [kind, port] of Object.entries({
    any: second,
    'read-write': first,
    primary: first,
    standby: second,
    'read-only': second,
    'prefer-standby': second,
  }))
    assert.equal(await where(`${nobody},${b},${a}`, `&target_session_attrs=${kind}`), port, kind);
  assert.equal(await where(`${nobody},${a}`, '&target_session_attrs=prefer-standby'), first);
  // The same lists by parameters, and one port for all hosts.
  assert.equal(await where('', `&host=127.0.0.1,127.0.0.1&port=1,${first}`), first);
  assert.equal(await where('', `&host=localhost,127.0.0.1&hostaddr=127.0.0.1,127.0.0.1&port=${second}`), second);
  const walsender = { url: `postgres://${me}@${b},${a}/postgres?target_session_attrs=read-write` };
  assert.equal(await value(walsender, `SELECT current_setting('port') AS v`, true), first);
});

test('no host of the kind is said with what each of them is; who refuses the login ends the search', async () => {
  const at = (hosts: string, kind: string) => ({
    url: `postgres://${me}@${hosts}/postgres?target_session_attrs=${kind}`,
  });
  const error = await refused(at(`${nobody},${b}`, 'primary'), 'PGS2095');
  assert.match(error.message, new RegExp(`no host is primary: ${nobody}: .*REFUSED.*; ${b}: is a standby`));
  assert.equal(error.retry, 'backoff');
  assert.match((await refused(at(a, 'standby'), 'PGS2095')).message, /is a primary/);
  assert.match((await refused(at(a, 'read-only'), 'PGS2095')).message, /is read-write/);
  assert.match((await refused(at(`${nobody},127.0.0.1:2`, 'any'), 'PGS2001')).message, /:1: .*:2: /);
  await refused({ url: `postgres://postgres:wrong@${a},${b}/postgres` }, 'PGS2002');
  for (const more of [
    'target_session_attrs=best',
    'load_balance_hosts=yes',
    'hostaddr=localhost',
    'port=1,2,3',
    'connect_timeout=soon',
  ])
    await refused({ url: `postgres://${me}@${a},${b}/postgres?${more}` }, 'PGS2009');
});

test('a list leads to the server of the connection before, until that is away or of another kind', async () => {
  const list = { url: `postgres://${me}@${nobody},${b},${a}/postgres?load_balance_hosts=random` };
  const port = `SELECT current_setting('port') AS v`;
  const chosen = await value(list, port);
  for (let i = 0; i < 8; i++) assert.equal(await value(list, port), chosen);
  const seen = new Set<string>();
  for (let i = 0; i < 40 && seen.size < 2; i++) seen.add(await where(`${a},${b}`, '&load_balance_hosts=random'));
  assert.equal(seen.size, 2, 'random leads to both');
});

test('a read-only default, as a cutover sets it, does not make a primary read-only for us', async () => {
  await primary.query('CREATE DATABASE fenced');
  await primary.query('ALTER DATABASE fenced SET default_transaction_read_only = on');
  const url = `postgres://${me}@${a}/fenced?target_session_attrs=read-write`;
  assert.equal(await value({ url }, `SELECT current_setting('transaction_read_only') AS v`), 'off');
});

test('services, from PGSERVICEFILE or the file of the machine; the URL wins, then the service', async () => {
  const file = join(folder, 'services');
  const lines = [`host=127.0.0.1`, `port=${first}`, 'user=postgres', 'password=local-only', 'dbname=template1'];
  await writeFile(file, `# mine\n[other]\nport=1\n\n[mine]\n${lines.join('\n')}\nport=1\n[later]\nuser=x\n`);
  const database = 'SELECT current_database() AS v';
  await withEnv({ PGSERVICEFILE: file, PGPORT: '2' }, async () => {
    assert.equal(await value({ url: 'postgres://?service=mine' }, database), 'template1');
    assert.equal(await value({ url: 'postgres:///postgres?service=mine' }, database), 'postgres');
    assert.match((await refused({ url: 'postgres://?service=none' }, 'PGS2009')).message, /\[none\]/);
    process.env['PGSERVICE'] = 'mine';
    assert.equal(await value({ url: 'postgres://' }, database), 'template1');
  });
  await writeFile(join(folder, 'pg_service.conf'), `[whole]\n${lines.join('\n')}\n[odd]\nno parameter\n`);
  await withEnv({ PGSYSCONFDIR: folder, HOME: folder }, async () => {
    assert.equal(await value({ url: 'postgres://?service=whole' }, database), 'template1');
    assert.match((await refused({ url: 'postgres://?service=odd' }, 'PGS2009')).message, /line 8/);
    await refused({ url: `postgres://?service=whole&servicefile=${folder}/nowhere` }, 'PGS2009');
  });
});

test('passwords of every character, as the URL, a service, the environment and the password file have them', async () => {
  const password = `p@:/?#[]%41 +&='"é\\`;
  const user = 'SELECT current_user AS v';
  assert.equal(await value({ url: `postgres://odd:${encodeURIComponent(password)}@${a}/postgres` }, user), 'odd');
  const query = `postgres://odd@${a}/postgres?password=${encodeURIComponent(password)}`;
  assert.equal(await value({ url: query }, user), 'odd');
  const file = join(folder, 'passwords');
  await writeFile(file, `127.0.0.1:${second}:*:odd:other\n*:*:*:odd:${password.replaceAll(/[\\:]/g, '\\$&')}\n`, {
    mode: 0o600,
  });
  const services = join(folder, 'odd');
  await writeFile(services, `[odd]\npassword=${password}\n`);
  await withEnv({ PGPASSFILE: file, PGSERVICEFILE: services }, async () => {
    assert.equal(await value({ url: `postgres://odd@${a}/postgres` }, user), 'odd');
    await refused({ url: `postgres://odd@${b}/postgres` }, 'PGS2002');
    assert.equal(await value({ url: `postgres://odd@${b}/postgres?service=odd` }, user), 'odd');
    process.env['PGPASSWORD'] = password;
    assert.equal(await value({ url: `postgres://odd@${b}/postgres` }, user), 'odd');
  });
  // What is unreserved in libpq's grammar needs no encoding.
  await primary.query(`ALTER ROLE odd PASSWORD 'a?b#c+d&e=f:g@h[i]%zz'`);
  assert.equal(await value({ url: `postgres://odd:a?b#c+d&e=f:g@h[i]%zz@${a}/postgres` }, user), 'odd');
  await primary.query(`ALTER ROLE odd PASSWORD 'a+b c'`);
  assert.equal(await value({ url: `postgres://odd@${a}/postgres?password=a+b%20c` }, user), 'odd');
});

test('IPv6, Unix sockets, addresses beside names', async () => {
  const address = 'SELECT coalesce(host(inet_client_addr()), $$socket$$) AS v';
  assert.equal(await value({ url: `postgres://${me}@[::1]:${first}/postgres` }, address), '::1');
  assert.equal(
    await value({ url: `postgres://${me}@[::2]:1,[::1]:${first}/postgres?connect_timeout=5` }, address),
    '::1',
  );
  const socket = encodeURIComponent(primary.directory);
  assert.equal(
    await value({ url: `postgres://postgres@${socket}:${first}/postgres?sslmode=require` }, address),
    'socket',
  );
  assert.equal(await value({ url: `postgres://postgres@${nobody},${socket}:${first}/postgres` }, address), 'socket');
  const url = `postgres://${me}@no-such-host.invalid:${first}/postgres?hostaddr=127.0.0.1`;
  assert.equal(await value({ url }, address), '127.0.0.1');
  await withEnv({ PGHOSTADDR: '127.0.0.1' }, async () => {
    assert.equal(await value({ url: url.replace(/\?.*/, '') }, address), '127.0.0.1');
  });
});

test('revocation lists, the name of a certificate beside hostaddr, a client key with a password', async () => {
  const data = join(primary.directory, 'data');
  const { uid, gid } = await stat(data);
  for (const [from, to] of [
    ['revoked.crt', 'server.crt'],
    ['revoked.key', 'server.key'],
    ['ca.crt', 'root.crt'],
  ] as const) {
    await copyFile(join(tlsFolder, from), join(data, to));
    await chmod(join(data, to), 0o600);
    if (process.getuid?.() === 0) await chown(join(data, to), uid, gid);
  }
  await writeFile(
    join(data, 'pg_hba.conf'),
    'hostssl all certified all cert\nhost all all all scram-sha-256\nlocal all all trust\nhost replication all all scram-sha-256\n',
  );
  await primary.query('CREATE ROLE certified LOGIN');
  await primary.query('ALTER SYSTEM SET ssl = on');
  await primary.query(`ALTER SYSTEM SET ssl_ca_file = 'root.crt'`);
  await primary.restart();
  const ssl = 'SELECT ssl AS v FROM pg_stat_ssl WHERE pid = pg_backend_pid()';
  const at = (more: string, host = `localhost:${first}`) => ({
    url: `postgres://${me}@${host}/postgres?sslmode=verify-full&sslrootcert=${tlsFolder}/revoking-ca.crt${more}`,
  });
  assert.equal(await value(at(''), ssl), 't');
  assert.equal(await value(at(`&sslcrl=${tlsFolder}/empty.crl`), ssl), 't');
  await refused(at(`&sslcrl=${tlsFolder}/revoked.crl`), 'PGS2004');
  await refused(at(`&sslcrl=${tlsFolder}/none.crl`), 'PGS2004');
  const lists = await mkdtemp(join(folder, 'crl-'));
  await copyFile(join(tlsFolder, 'revoked.crl'), join(lists, 'a.r0'));
  await refused(at(`&sslcrldir=${lists}`), 'PGS2004');
  await withEnv({ PGSSLCRL: join(tlsFolder, 'revoked.crl') }, async () => void (await refused(at(''), 'PGS2004')));
  assert.equal(await value(at('&hostaddr=127.0.0.1'), ssl), 't');
  await refused(at('&hostaddr=127.0.0.1', `elsewhere.example:${first}`), 'PGS2004');
  const key = `sslcert=${tlsFolder}/certified.crt&sslkey=${tlsFolder}/certified-locked.key`;
  const certified = `postgres://certified@localhost:${first}/postgres?sslmode=require&${key}`;
  assert.equal(await value({ url: `${certified}&sslpassword=opensesame` }, 'SELECT current_user AS v'), 'certified');
  await assert.rejects(value({ url: `${certified}&sslpassword=no` }, 'SELECT 1 AS v'));
});

test('after a promotion a list leads to the new primary', async () => {
  const list = { url: `postgres://${me}@${a},${b}/postgres?target_session_attrs=read-write` };
  const port = `SELECT current_setting('port') AS v`;
  assert.equal(await value(list, port), first);
  await primary.stop('immediate');
  await refused(list, 'PGS2095');
  await promote(standby);
  assert.equal(await value(list, port), second);
});
