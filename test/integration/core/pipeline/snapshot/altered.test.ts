import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { SnapshotQuery, TablePlan } from '../../../../../core/api/plan.ts';
import type { CopyChunk, SnapshotSession } from '../../../../../core/api/snapshot.ts';
import { type CopyRun, openCopy } from '../../../../support/copy-database.ts';
import { type TestDatabase, database, server } from '../../../../support/servers.ts';
import { calm } from '../../../../support/source-context.ts';

/**
 * Bytes of a binary COPY say nothing of their type: a column that was given another one, of the same width, since the plan was
 * made would read them as other values, and nobody would notice. An error on either side instead.
 */
const on = await server(17);
const table = `CREATE TABLE t (id int PRIMARY KEY, v int, w text); INSERT INTO t SELECT i, i * 7, 'w' || i FROM generate_series(1, 100) i`;
const toReal = 'ALTER TABLE t ALTER COLUMN v TYPE real USING v';
const only = { kind: 'only', before: null } as const;
const rows = 'SELECT id, v::int AS v, w FROM t ORDER BY id';

interface Setting extends AsyncDisposable {
  readonly source: TestDatabase;
  readonly target: TestDatabase;
  readonly run: CopyRun;
  readonly plan: TablePlan;
}

async function setting(): Promise<Setting> {
  const source = await database(on, 'altered');
  const target = await database(on, 'altered');
  await source.query(table);
  const run = await openCopy({ source: source.url, target: { url: target.url } });
  return { source, target, run, plan: run.plans[0]!, [Symbol.asyncDispose]: () => run[Symbol.asyncDispose]() };
}

async function wholeTable(session: SnapshotSession, plan: TablePlan): Promise<CopyChunk> {
  return (await session.chunks(plan.source, 1 << 28))[0]!;
}

/** Somebody's open transaction that alters the table; what we start waits for it, then it commits. */
async function heldBack<T>(db: TestDatabase, sql: string, start: () => Promise<T>): Promise<PromiseSettledResult<T>> {
  const holder = new pg.Client({ connectionString: db.url });
  await holder.connect();
  try {
    await holder.query(`BEGIN; ${sql}`);
    let over = false;
    const started = Promise.allSettled([start()]).finally(() => (over = true));
    const waits = `SELECT FROM pg_locks WHERE NOT granted AND relation = 't'::regclass`;
    while ((await holder.query(waits)).rowCount === 0) {
      assert.equal(over, false, 'it did not wait');
      await sleep(20);
    }
    await holder.query('COMMIT');
    return (await started)[0]!;
  } finally {
    await holder.end();
  }
}

function failure(result: PromiseSettledResult<unknown>): unknown {
  assert.equal(result.status, 'rejected');
  return (result as PromiseRejectedResult).reason;
}

test('a source column altered between plan and snapshot: bytes are refused, text is what it says', async () => {
  await using at = await setting();
  const { source, run, plan } = at;
  assert.deepEqual(plan.route.kind === 'raw' && plan.route.format, 'binary');
  await source.query(toReal);
  const session = await run.source.snapshot.open(only, calm);
  const chunk = await wholeTable(session, plan);
  await assert.rejects(session.openRaw(chunk, plan.query, 'binary', calm), {
    code: 'PGS2121',
    retry: 'never',
    message: /public\.t is another, or has other columns/,
  });
  const read: (string | null)[] = [];
  const copy = await session.openRows(chunk, plan.query, calm);
  for await (const batch of copy.rows) for (const row of batch) read.push(row[1]!);
  await session[Symbol.asyncDispose]();
  assert.deepEqual(
    read,
    Array.from({ length: 100 }, (_, i) => String((i + 1) * 7)),
  );
});

test('a source column made again under the snapshot, without a new file: refused, also where the COPY waited for it', async () => {
  const again = 'ALTER TABLE t DROP COLUMN v; ALTER TABLE t ADD COLUMN v real DEFAULT 1.5';
  const computed: SnapshotQuery = { select: ['"id"', '"v"'], where: '"id" > 0', plain: null };
  for (const queryOf of [(plan: TablePlan) => plan.query, () => computed]) {
    await using at = await setting();
    const { source, run, plan } = at;
    const session = await run.source.snapshot.open(only, calm);
    const chunk = await wholeTable(session, plan);
    const open = () => session.openRaw(chunk, queryOf(plan), 'binary', calm);
    const expected = { code: 'PGS2121', message: /has other columns/ };
    await assert.rejects(async () => {
      throw failure(await heldBack(source, again, open));
    }, expected);
    await assert.rejects(open(), expected);
    await session[Symbol.asyncDispose]();
  }
});

test('a table that lost or got a column under the snapshot is left to the next one, whether the plan reads the column or not', async () => {
  for (const sql of ['ALTER TABLE t DROP COLUMN v', 'ALTER TABLE t ADD COLUMN more real DEFAULT 1.5']) {
    await using at = await setting();
    const { source, run, plan } = at;
    const session = await run.source.snapshot.open(only, calm);
    const chunk = await wholeTable(session, plan);
    await source.query(sql);
    const query = { select: ['"id"', 'upper("w")'], where: null, plain: null };
    await assert.rejects(session.openRaw(chunk, query, 'binary', calm), { code: 'PGS2121' });
    await session[Symbol.asyncDispose]();
  }
});

/** The three ways in which a chunk is loaded: into a small table, into a large one with FREEZE, and as one of several. */
const ways = [
  { name: 'small', chunks: 1, bytes: 8192 },
  { name: 'whole', chunks: 1, bytes: 1 << 30 },
  { name: 'one of several', chunks: 2, bytes: 1 << 30 },
] as const;

for (const { name, chunks, bytes } of ways) {
  test(`a target column altered since it was compared with the plan: ${name}`, async () => {
    await using at = await setting();
    const { source, target, run, plan } = at;
    const session = await run.source.snapshot.open(only, calm);
    await run.prepare();
    const chunk = { ...(await wholeTable(session, plan)), bytes };
    await run.sink.snapshot.begin(plan, chunks, calm);
    const load = async (format: 'binary' | 'text') =>
      run.sink.snapshot.load(plan, await session.openRaw(chunk, plan.query, format, calm), calm);
    const expected = {
      code: 'PGS3006',
      message: /given other types/,
      where: { table: 'public.t', chunk: 'public.t#0' },
    };
    await assert.rejects(async () => {
      throw failure(await heldBack(target, toReal, () => load('binary')));
    }, expected);
    // As often as there are connections to the source, and more: none of them hangs in its COPY.
    for (let i = 0; i < 6; i++) await assert.rejects(load('binary'), expected);
    assert.deepEqual(await target.query('SELECT 1 FROM t'), []);
    await load('text');
    assert.deepEqual(await target.query(rows), await source.query(rows));
    await target.query('ALTER TABLE t ALTER COLUMN v TYPE int USING v');
    await run.sink.snapshot.begin(plan, chunks, calm);
    await load('binary');
    await session[Symbol.asyncDispose]();
    assert.deepEqual(await target.query(rows), await source.query(rows));
  });
}

test('a domain in the target is its own type, and one over another type is noticed', async () => {
  await using at = await setting();
  const { source, target, run, plan } = at;
  await target.query(
    'CREATE DOMAIN whole AS int; CREATE DOMAIN broken AS real; CREATE TABLE t (id int PRIMARY KEY, v whole, w text)',
  );
  await using existing = await openCopy({ source: source.url, target: { url: target.url, schema: 'existing' } });
  const session = await run.source.snapshot.open(only, calm);
  await existing.prepare();
  await existing.sink.snapshot.begin(plan, 1, calm);
  const chunk = await wholeTable(session, plan);
  const load = async () =>
    existing.sink.snapshot.load(plan, await session.openRaw(chunk, plan.query, 'binary', calm), calm);
  await load();
  assert.deepEqual(await target.query(rows), await source.query(rows));
  await target.query('ALTER TABLE t ALTER COLUMN v TYPE broken');
  await assert.rejects(load(), { code: 'PGS3006' });
  await session[Symbol.asyncDispose]();
});
