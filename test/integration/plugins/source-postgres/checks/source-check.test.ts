import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding } from '../../../../../core/api/check.ts';
import type { PostgresSource } from '../../../../../plugins/source-postgres/source.ts';
import { database, ownServer, server } from '../../../../support/servers.ts';
import { calm, postgresSource } from '../../../../support/source-context.ts';
import { readCatalog } from '../../../../../core/api/source.ts';

const shared = await server(17);
const poor = await ownServer(14, {
  wal_level: 'replica',
  max_replication_slots: '0',
  max_wal_senders: '0',
  max_connections: '8',
  max_prepared_transactions: '2',
  wal_sender_timeout: '5s',
  max_slot_wal_keep_size: '1MB',
});

async function findings(source: PostgresSource): Promise<Finding[]> {
  const found: Finding[] = [];
  await source.check({ add: (finding) => void found.push(finding) }, calm);
  await source[Symbol.asyncDispose]();
  return found;
}
const bad = (found: readonly Finding[]) =>
  found.filter(({ level }) => level !== 'ok').map(({ check, level }) => `${check} ${level}`);
const remedy = (found: readonly Finding[], check: string) => found.find((finding) => finding.check === check)?.remedy;

test('a source that is ready has nothing but ok', async () => {
  const db = await database(shared, 'check');
  await db.query('CREATE TABLE t (id int PRIMARY KEY)');
  const found = await findings(postgresSource({ url: db.url, snapshot: { workers: 2 } }, db.name));
  assert.deepEqual(bad(found), []);
  assert.ok(found.length >= 10);
});

test('each lack of the server is found, with what mends it', async () => {
  const db = await database(poor, 'check');
  await db.query(
    'CREATE TABLE t (id int PRIMARY KEY); SELECT lo_create(0); CREATE TABLE large AS SELECT g AS id, repeat(md5(g::text), 6) FROM generate_series(1, 20000) g; ALTER TABLE large ADD PRIMARY KEY (id)',
  );
  await db.query(`BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'left open'`);
  const found = await findings(postgresSource({ url: db.url, snapshot: { workers: 4 }, origin: 'none' }, db.name));
  await db.query(`ROLLBACK PREPARED 'left open'`);
  assert.deepEqual(bad(found), [
    'origin error',
    'wal-level error',
    'replication-slots error',
    'walsenders error',
    'connections error',
    'max-slot-wal-keep-size warning',
    'prepared-transaction warning',
    'timeouts warning',
    'large-objects warning',
  ]);
  assert.match(remedy(found, 'wal-level')!, /ALTER SYSTEM SET wal_level = 'logical'/);
  assert.match(remedy(found, 'prepared-transaction')!, /COMMIT PREPARED 'left open'/);
});

test('each lack of the role and of the tables is found, with what mends it', async () => {
  const db = await database(shared, 'check');
  const role = `role_${db.name}`;
  await db.query(`CREATE ROLE ${role} LOGIN PASSWORD 'local-only'; CREATE TABLE t (id int PRIMARY KEY);
    CREATE TABLE rls (id int PRIMARY KEY); ALTER TABLE rls ENABLE ROW LEVEL SECURITY; GRANT SELECT ON rls TO ${role};
    CREATE TABLE bare (id int); CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY)`);
  const url = shared.url(db.name, role);
  const found = await findings(postgresSource({ url, snapshot: { workers: 1 } }, db.name));
  await db.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  const checks = new Set(bad(found));
  for (const expected of [
    'replication-privilege',
    'publication-privilege',
    'table-privilege',
    'replica-identity',
    'row-security',
  ]) {
    assert.ok(checks.has(`${expected} error`), expected);
  }
  assert.ok(checks.has('unlogged warning'));
  assert.equal(remedy(found, 'replication-privilege'), `ALTER ROLE "${role}" REPLICATION;`);
  assert.equal(remedy(found, 'row-security'), `ALTER ROLE ${role} BYPASSRLS;`);
  assert.equal(remedy(found, 'replica-identity'), 'ALTER TABLE "public"."bare" REPLICA IDENTITY FULL;');
  assert.equal(found.filter(({ check }) => check === 'table-privilege').length, 4);
});

test('the stream describes its tables; cleanup ends a reader of ours', async () => {
  const db = await database(shared, 'clean');
  await db.query('CREATE TABLE t (id int, beside text, PRIMARY KEY (id) INCLUDE (beside))');
  await using source = postgresSource({ url: db.url }, db.name);
  const { tables, identity } = await readCatalog(source, calm);
  await source.control.publication.publish(
    tables.map(({ relation }) => ({ relation, where: null, columns: null })),
    calm,
  );
  const from = (await source.control.slot.make(calm))!;
  const stream = await source.stream({ from, identity, until: null, acknowledged: null }, calm);
  await db.query('INSERT INTO t VALUES (1)');
  for await (const item of stream) {
    if (item.kind !== 'batch') continue;
    const insert = item.batch.changes.find((change) => change.kind === 'insert')!;
    assert.deepEqual(insert.after, ['1', null]);
    assert.deepEqual(insert.relation.primaryKey, [0]);
    assert.equal(insert.relation.columns[0]!.notNull, true);
    assert.equal(insert.relation.columns[0]!.binarySafe, true);
    break;
  }
  assert.deepEqual(await source.control.cleanup(calm), [
    `replication slot pgsluice_${db.name}`,
    `publication pgsluice_${db.name}`,
  ]);
  await stream[Symbol.asyncDispose]();
  assert.deepEqual(await source.control.cleanup(calm), []);
});
