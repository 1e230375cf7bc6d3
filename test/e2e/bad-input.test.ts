import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { freePort } from '../../core/servers/free-port.ts';
import { database, ownServer, server, type TestDatabase } from '../support/servers.ts';

const secret = 'local-only';

function yaml(name: string, source: string, target: string, more = ''): string {
  return `pipeline: ${name}\nsource:\n  plugin: postgres\n  url: ${source}\n${more}sinks:\n  - plugin: postgres\n    url: ${target}\n`;
}

const recent = await server(17);
const old = await server(15);
const replicaServer = await ownServer(17, { wal_level: 'replica' });
const slotServer = await ownServer(17, { max_replication_slots: '1' });

async function pair(prefix: string): Promise<{ source: TestDatabase; target: TestDatabase }> {
  const source = await database(recent, `${prefix}_src`);
  const target = await database(recent, `${prefix}_dst`);
  await source.query('CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, $$one$$)');
  return { source, target };
}

/** One line on stderr with this code, this exit code, no stack and no password. */
async function refused(file: string, code: string, exit: number, verb: readonly string[] = ['run']): Promise<string> {
  const { stderr, stdout, code: ended } = await cli([...verb, file, '--log', 'json']);
  const lines = stderr.trim().split('\n');
  assert.equal(lines.length, 1, `one line on stderr, not: ${stderr}`);
  assert.match(stderr, new RegExp(`\\b${code}\\b`), stderr);
  assert.equal(ended, exit, stderr);
  for (const text of [stderr, stdout]) {
    assert.doesNotMatch(text, /\n\s+at /, 'no stack');
    assert.ok(!text.includes(secret), 'no password');
  }
  return stderr;
}

/** Nothing of a pipeline on either side. */
async function untouched(source: TestDatabase | null, target: TestDatabase | null): Promise<void> {
  if (source !== null) {
    assert.deepEqual(
      await source.query(`SELECT slot_name FROM pg_replication_slots WHERE database = '${source.name}'`),
      [],
    );
    assert.deepEqual(await source.query('SELECT pubname FROM pg_publication'), []);
  }
  if (target !== null) {
    assert.deepEqual(await target.query(`SELECT nspname FROM pg_namespace WHERE nspname = 'pgsluice'`), []);
  }
}

test('a server that nobody listens on', async () => {
  const { target } = await pair('unreachable');
  const url = `postgres://postgres:${secret}@127.0.0.1:${await freePort()}/nothing`;
  await refused(await pipelineFile(yaml('p', url, target.url)), 'PGS2001', 1);
  await untouched(null, target);
});

test('a wrong password', async () => {
  const { source, target } = await pair('password');
  const url = source.url.replace(secret, 'wrong-password');
  const stderr = await refused(await pipelineFile(yaml('p', url, target.url)), 'PGS2002', 1);
  assert.ok(!stderr.includes('wrong-password'));
  await untouched(source, target);
});

test('a database that does not exist', async () => {
  const { source, target } = await pair('nodb');
  await refused(await pipelineFile(yaml('p', source.url, target.url.replace(target.name, 'no_such_db'))), 'PGS2003', 1);
  await untouched(source, null);
});

test('a source without logical WAL', async () => {
  const source = await database(replicaServer, 'replica');
  await source.query('CREATE TABLE t (id int PRIMARY KEY)');
  const { target } = await pair('wal');
  const stderr = await refused(await pipelineFile(yaml('p', source.url, target.url)), 'PGS21\\d\\d', 3);
  assert.match(stderr, /wal_level/);
  await untouched(source, target);
});

test('no free replication slot', async () => {
  const source = await database(slotServer, 'slots');
  await source.query('CREATE TABLE t (id int PRIMARY KEY)');
  await source.query(`SELECT pg_create_logical_replication_slot('other', 'pgoutput')`);
  const { target } = await pair('slot');
  const stderr = await refused(await pipelineFile(yaml('p', source.url, target.url)), 'PGS21\\d\\d', 3);
  assert.match(stderr, /max_replication_slots/);
  assert.deepEqual(await source.query('SELECT pubname FROM pg_publication'), []);
  await untouched(null, target);
});

test('a second run of the same file is refused, the first goes on', async () => {
  const { source, target } = await pair('second');
  const file = await pipelineFile(yaml(source.name, source.url, target.url));
  const first = new CliProcess(['run', file, '--log', 'json']);
  await first.until('stream-started');
  await refused(file, 'PGS6050', 1);
  first.process.kill('SIGTERM');
  assert.equal((await first.ended).code, 0);
});

test('a target that is not empty', async () => {
  const { source, target } = await pair('full');
  await target.query('CREATE TABLE t (id int); INSERT INTO t VALUES (7)');
  const stderr = await refused(await pipelineFile(yaml(source.name, source.url, target.url)), 'PGS3001', 3);
  assert.match(stderr, /public\.t/);
  const checked = await cli(['check', await pipelineFile(yaml(source.name, source.url, target.url))]);
  assert.equal(checked.code, 3, checked.stdout);
  await untouched(source, target);
  assert.deepEqual(await target.query('SELECT id FROM t'), [{ id: 7 }]);
});

test('an extension that the target does not have', async () => {
  const source = await database(old, 'ext_src');
  const target = await database(recent, 'ext_dst');
  // adminpack went away with 17, so no server of that major can have it.
  await source.query('CREATE EXTENSION adminpack; CREATE TABLE t (id int PRIMARY KEY)');
  const stderr = await refused(await pipelineFile(yaml(source.name, source.url, target.url)), 'PGS6030', 3);
  assert.match(stderr, /adminpack[^]*Install the package/);
  await untouched(source, target);
});

test('a table without primary key or replica identity is refused with the statement that mends it', async () => {
  const { source, target } = await pair('nokey');
  await source.query('CREATE TABLE "No Key" (v int)');
  const file = await pipelineFile(yaml(source.name, source.url, target.url));
  const stderr = await refused(file, 'PGS21\\d\\d', 3);
  assert.match(
    stderr,
    /ALTER TABLE public\."No Key" REPLICA IDENTITY FULL|ALTER TABLE "public"\."No Key" REPLICA IDENTITY FULL/,
  );
  await untouched(source, target);
  await source.query('UPDATE "No Key" SET v = 1');
  const { code, stdout } = await cli(['check', file]);
  assert.equal(code, 3, stdout);
});

test('a pattern that matches nothing', async () => {
  const { source, target } = await pair('pattern');
  const tables = '  tables: { include: ["public.t", "public.tt*"] }\n';
  await refused(await pipelineFile(yaml(source.name, source.url, target.url, tables)), 'PGS21\\d\\d', 2);
  await untouched(source, target);
});

test('malformed YAML and an unknown plugin end with 2 and a position', async () => {
  const broken = await pipelineFile('pipeline: [\nsource: x\n');
  const first = await cli(['run', broken]);
  assert.equal(first.code, 2);
  assert.match(first.stderr, /pipeline\.yaml:\d+:\d+: /);
  const file = await pipelineFile(
    yaml('p', 'postgres://x/y', 'postgres://x/y').replace('- plugin: postgres', '- plugin: postgress'),
  );
  const { code, stderr } = await cli(['run', file]);
  assert.equal(code, 2);
  assert.match(stderr, /pipeline\.yaml:6:13: .*postgres/);
});
