import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckpointStore, Json } from '../../../../core/api/checkpoint.ts';
import { PgsluiceError } from '../../../../core/base/error.ts';
import { checkpointPostgres } from '../../../../plugins/checkpoint-postgres/plugin.ts';
import { contextFor } from '../../../support/apply.ts';
import { database, server } from '../../../support/servers.ts';

const shared = await server(17);
const old = await server(14);
const never = new AbortController().signal;
const open = (url: string, pipeline = 'p'): Promise<CheckpointStore> =>
  checkpointPostgres.create({ url }, { ...contextFor(), pipeline });
const entries = (of: Record<string, Json>) => new Map(Object.entries(of));

for (const on of [shared, old]) {
  test(`saved, loaded, removed, per pipeline (PostgreSQL ${on.major})`, async () => {
    const db = await database(on);
    await using a = await open(db.url, 'a');
    await using b = await open(db.url, 'b');
    assert.deepEqual(await a.load(), new Map());
    assert.deepEqual(
      await db.query(`SELECT 1 FROM pg_namespace WHERE nspname = 'pgsluice'`),
      [],
      'reading makes nothing',
    );
    const value: Json = { deep: [1, 'quote " \\ é', null, { x: true }], n: 9007199254740991 };
    await a.save(entries({ one: value, two: 'x' }));
    await b.save(entries({ one: 1 }));
    await Promise.all([a.save(new Map([['two', null as Json]])), a.save(entries({ three: 'y' }))]);
    assert.deepEqual(await a.load(), entries({ one: value, three: 'y' }));
    await a.remove();
    assert.deepEqual(await a.load(), new Map());
    assert.deepEqual(await b.load(), entries({ one: 1 }));
  });
}

test('a second run is refused and told who runs; the death of the first frees the lock', async () => {
  const db = await database(shared);
  await using first = await open(db.url);
  await first.lock(never);
  await using other = await open(db.url, 'other');
  await other.lock(never);
  await using second = await open(db.url);
  const [holder] = await db.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity WHERE application_name = 'pgsluice p' AND datname = '${db.name}'
     AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')`,
  );
  await assert.rejects(second.lock(never), (error) => {
    assert.ok(error instanceof PgsluiceError);
    assert.equal(error.code, 'PGS6050');
    assert.match(error.message, new RegExp(`session ${holder?.pid} \\(pgsluice p, from 127\\.0\\.0\\.1\\)`));
    return true;
  });
  await db.query(`SELECT pg_terminate_backend(${holder?.pid})`);
  await second.lock(never);
  await assert.rejects(
    async () => {
      // The first to be called may still meet the broken connection; the next connects again and finds the lock taken.
      await first.save(entries({ a: 1 })).catch(() => {});
      await first.save(entries({ a: 1 }));
    },
    (error) => error instanceof PgsluiceError && error.code === 'PGS6051',
  );
  assert.deepEqual(await second.load(), new Map());
});

test('a broken connection is made again with its lock', async () => {
  const db = await database(shared);
  await using store = await open(db.url);
  await store.lock(never);
  await store.save(entries({ a: 1 }));
  await db.query(
    `SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE application_name = 'pgsluice p' AND datname = '${db.name}'`,
  );
  await store.save(entries({ a: 2 })).catch(() => {});
  await store.save(entries({ a: 3 }));
  assert.deepEqual(await store.load(), entries({ a: 3 }));
  await using second = await open(db.url);
  await assert.rejects(second.lock(never), (error) => (error as PgsluiceError).code === 'PGS6050');
});

test('waiting for the lock ends with the signal', async () => {
  const db = await database(shared);
  await using first = await open(db.url);
  await first.lock(never);
  await using second = await open(db.url);
  await assert.rejects(second.lock(AbortSignal.abort()), { name: 'AbortError' });
});
