import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PgsluiceError } from '../../../../../core/base/error.ts';
import { server } from '../../../../support/servers.ts';
import {
  brief,
  type OpenMore,
  readAll,
  Reader,
  type StreamSource,
  streamSource,
} from '../../../../support/stream-source.ts';

const schema = 'CREATE TABLE t (id int PRIMARY KEY)';

async function refused(source: StreamSource, more: OpenMore, code: string, retry = 'never'): Promise<PgsluiceError> {
  try {
    await using _ = await source.open(more);
  } catch (error) {
    assert.ok(error instanceof PgsluiceError, String(error));
    assert.deepEqual([error.code, error.retry], [code, retry], error.message);
    return error;
  }
  throw new assert.AssertionError({ message: `opened, ${code} expected` });
}

test('another system, timeline or database', async () => {
  const source = await streamSource(await server(17), schema);
  const { identity } = source;
  const error = await refused(source, { identity: { ...identity, systemId: '1' } }, 'PGS2150');
  assert.match(error.message, /system identifier \d+ instead of 1/);
  await refused(source, { identity: { ...identity, timeline: identity.timeline + 1 } }, 'PGS2198', 'backoff');
  await refused(source, { identity: { ...identity, database: 'other' } }, 'PGS2150');
});

test('slot missing, of another plugin, physical, of another database', async () => {
  const source = await streamSource(await server(17), schema);
  const { db } = source;
  await refused(source, { slot: 'nowhere' }, 'PGS2151');
  await db.query(`SELECT pg_create_logical_replication_slot('${db.name}_td', 'test_decoding')`);
  await refused(source, { slot: `${db.name}_td` }, 'PGS2152');
  await db.query(`SELECT pg_create_physical_replication_slot('${db.name}_ph')`);
  try {
    await refused(source, { slot: `${db.name}_ph` }, 'PGS2152');
  } finally {
    await db.query(`SELECT pg_drop_replication_slot('${db.name}_ph')`);
  }
  const other = await streamSource(await server(17), schema);
  await refused(source, { slot: other.db.name }, 'PGS2152');
});

test('slot in use: the PID is named, and it is worth trying again', async () => {
  const source = await streamSource(await server(17), schema);
  const first = await source.open();
  const error = await refused(source, {}, 'PGS2153', 'backoff');
  const [active] = await source.db.query<{ pid: number }>(
    `SELECT active_pid AS pid FROM pg_replication_slots WHERE slot_name = '${source.db.name}'`,
  );
  assert.match(error.message, new RegExp(`PID ${active?.pid}$`));
  await first[Symbol.asyncDispose]();
  await using _ = await source.open();
});

test('publication missing', async () => {
  const source = await streamSource(await server(14), schema);
  const error = await refused(source, { publications: [source.db.name, 'nowhere'] }, 'PGS2155');
  assert.match(error.message, /"nowhere"/);
});

test('a slot that something else consumed from is a gap', async () => {
  const source = await streamSource(await server(17), schema);
  await source.db.query('INSERT INTO t VALUES (1)');
  await source.db.query(
    `SELECT count(*) FROM pg_logical_slot_get_binary_changes('${source.db.name}', NULL, NULL,
      'proto_version', '1', 'publication_names', '${source.db.name}')`,
  );
  await refused(source, {}, 'PGS2156');
  await refused(source, { acknowledged: source.from }, 'PGS2156');
});

test('origin none: refused before 16, from there on leaves out what came from elsewhere', async () => {
  await refused(await streamSource(await server(15), schema), { origin: 'none' }, 'PGS2157');
  const source = await streamSource(await server(16), schema);
  await source.db.query(
    `SELECT pg_replication_origin_create('${source.db.name}'); SELECT pg_replication_origin_session_setup('${source.db.name}');
     INSERT INTO t VALUES (1)`,
  );
  await source.db.query('INSERT INTO t VALUES (2)');
  const all = await readAll(source);
  assert.deepEqual(
    all.map((change) => [brief(change), change.tx.origin]),
    [
      ['insert t 1', source.db.name],
      ['insert t 2', null],
    ],
  );
  assert.deepEqual((await readAll(source, { origin: 'none' })).map(brief), ['insert t 2']);
  await source.db.query(`SELECT pg_replication_origin_drop('${source.db.name}')`);
});

test('an abort ends opening and reading with its reason, and frees the slot', async () => {
  const source = await streamSource(await server(17), schema);
  await assert.rejects(source.open({ signal: AbortSignal.abort(new Error('stopped')) }), /stopped/);
  const control = new AbortController();
  const stream = await source.open({ signal: control.signal });
  const reading = new Reader(stream).rest();
  control.abort(new Error('stopped'));
  await assert.rejects(reading, /stopped/);
  await stream[Symbol.asyncDispose]();
  for (let tries = 0; ; tries++) {
    try {
      await using _ = await source.open();
      return;
    } catch (error) {
      if (tries === 100 || !(error instanceof PgsluiceError) || error.retry !== 'backoff') throw error;
    }
  }
});

test('a value whose send function refuses is asked for as text', async () => {
  const source = await streamSource(await server(15), `${schema}; CREATE TABLE rights (a aclitem[])`);
  await source.db.query(`INSERT INTO rights VALUES (ARRAY[makeaclitem(10, 10, 'SELECT', false)])`);
  await assert.rejects(readAll(source, { binary: true }), { code: 'PGS2169', retry: 'text' });
  assert.equal((await readAll(source)).length, 1);
});
