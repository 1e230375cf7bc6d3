import assert from 'node:assert/strict';
import { chown, copyFile, chmod, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ownServer } from '../../../../support/servers.ts';
import { brief, readAll, Reader, type StreamSource, streamSource } from '../../../../support/stream-source.ts';
import { tlsFolder } from '../../../../support/tls.ts';

const own = await ownServer(17);

/** The same rows over any transport: many small transactions, one large value, and a transaction in pieces. */
async function exercise(source: StreamSource, url: string): Promise<void> {
  await source.db.query('DO $$ BEGIN FOR i IN 1..500 LOOP INSERT INTO t VALUES (i, NULL); COMMIT; END LOOP; END $$');
  await source.db.query(`INSERT INTO t VALUES (501, repeat('é', 3000000))`);
  await source.db.query(`INSERT INTO t SELECT i, 'x' FROM generate_series(502, 5000) i`);
  const changes = await readAll(source, { connection: { url }, batchBytes: 64 << 10, bufferBytes: 256 << 10 });
  const ids = changes.map((change) => change.kind === 'insert' && Number(change.after[0]));
  assert.deepEqual(
    ids,
    Array.from({ length: 5000 }, (_, i) => i + 1),
  );
}

test('over a Unix socket', async () => {
  const source = await streamSource(own, 'CREATE TABLE t (id int, a text)');
  const url = `postgres://postgres@/${source.db.name}?host=${encodeURIComponent(own.directory)}&port=${own.port}`;
  await exercise(source, url);
});

test('over TLS', async () => {
  const data = join(own.directory, 'data');
  const { uid, gid } = await stat(data);
  for (const [from, to] of [
    ['localhost.crt', 'server.crt'],
    ['localhost.key', 'server.key'],
  ] as const) {
    const file = join(data, to);
    await copyFile(join(tlsFolder, from), file);
    await chmod(file, 0o600);
    await chown(file, uid, gid);
  }
  await own.query('ALTER SYSTEM SET ssl = on');
  await own.query('SELECT pg_reload_conf()');
  const source = await streamSource(own, 'CREATE TABLE t (id int, a text)');
  const url = `${source.db.url}?sslmode=require`;
  {
    await using _ = await source.open({ connection: { url } });
    const [row] = await own.query<{ ssl: boolean }>(
      `SELECT ssl FROM pg_stat_ssl JOIN pg_replication_slots ON active_pid = pid WHERE slot_name = '${source.db.name}'`,
    );
    assert.equal(row?.ssl, true);
  }
  await exercise(source, url);
});

test('settings of the database do not reach the text of values', async () => {
  const source = await streamSource(own, 'CREATE TABLE t (a timestamptz, b interval, c bytea, d float8, e date)');
  const { name } = source.db;
  await own.query(
    `ALTER DATABASE ${name} SET DateStyle = 'German'; ALTER DATABASE ${name} SET TimeZone = 'Asia/Tokyo';
     ALTER DATABASE ${name} SET IntervalStyle = 'iso_8601'; ALTER DATABASE ${name} SET bytea_output = 'escape';
     ALTER DATABASE ${name} SET extra_float_digits = 0; ALTER DATABASE ${name} SET statement_timeout = '200ms'`,
  );
  await using stream = await source.open();
  await new Promise((resolve) => setTimeout(resolve, 400));
  await source.db.query(
    `INSERT INTO t VALUES ('2026-02-03 04:05:06.789012+00', '1 day 2 hours', '\\x0aff', 0.1::float8 + 0.2, '0044-03-15 BC')`,
  );
  assert.deepEqual((await new Reader(stream).batch())?.changes.map(brief), [
    'insert t 2026-02-03 04:05:06.789012+00,1 day 02:00:00,\\x0aff,0.30000000000000004,0044-03-15 BC',
  ]);
});
