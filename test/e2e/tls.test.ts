import assert from 'node:assert/strict';
import { chmod, chown, copyFile, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { LocalServer } from '../../core/servers/local-server.ts';
import { migration } from '../support/migration.ts';
import { ownServer } from '../support/servers.ts';
import { tlsFolder } from '../support/tls.ts';

/** `mover` may come over TLS only. */
async function secure(server: LocalServer): Promise<void> {
  const data = join(server.directory, 'data');
  const { uid, gid } = await stat(data);
  for (const [from, to] of [
    ['localhost.crt', 'server.crt'],
    ['localhost.key', 'server.key'],
  ] as const) {
    await copyFile(join(tlsFolder, from), join(data, to));
    await chmod(join(data, to), 0o600);
    if (process.getuid?.() === 0) await chown(join(data, to), uid, gid);
  }
  const hba = join(data, 'pg_hba.conf');
  const ways = 'hostnossl all mover all reject\nhostnossl replication mover all reject\n';
  await writeFile(hba, `${ways}${await readFile(hba, 'utf8')}`);
  await server.query(`CREATE ROLE mover SUPERUSER LOGIN PASSWORD 'planted'`);
  await server.query('ALTER SYSTEM SET ssl = on');
  await server.restart();
}

test('a whole pipeline over verified TLS, its logins bound to the certificate', { timeout: 240_000 }, async () => {
  const server = await ownServer(17);
  await secure(server);
  const url = (database: string) => server.url(database, 'mover', 'planted').replace('127.0.0.1', 'localhost');
  const keys = (indent: string) =>
    ['sslmode: verify-full', `sslrootcert: ${join(tlsFolder, 'ca.crt')}`, 'channel_binding: require']
      .map((key) => `${indent}${key}`)
      .join('\n');
  const moved = await migration({
    from: server,
    to: server,
    sourceUrl: url,
    targetUrl: url,
    source: keys('  '),
    sink: keys('    '),
  });
  const { source, target, verb, run } = moved;
  await source.query(
    `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' FROM generate_series(1, 100) g`,
  );
  await run();
  await source.query(`UPDATE t SET v = 'w' WHERE id <= 10`);
  await run();
  const [row] = await target.query<{ n: string }>(`SELECT count(*)::text AS n FROM t WHERE v = 'w'`);
  assert.equal(row?.n, '10');
  for (const words of [
    ['verify'],
    ['status'],
    ['cutover', '--dry-run'],
    ['cutover', '--quiet', '100ms'],
    ['cleanup', '--yes'],
  ]) {
    const { code, stdout, stderr } = await verb(...words);
    assert.equal(code, 0, `${words.join(' ')}: ${stdout}${stderr}`);
  }
});
