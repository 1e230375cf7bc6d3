import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlanStep } from '../../../../../core/pipeline/plan/planner.ts';
import { loadParser } from '../../../../../core/expr/parse.ts';
import type { RawCopy, RowCopy } from '../../../../../core/api/snapshot.ts';
import { PgsluiceError } from '../../../../../core/base/error.ts';
import { set } from '../../../../../plugins/transform-set/plugin.ts';
import { copyDatabase, copyTable, openCopy } from '../../../../support/copy-database.ts';
import { type TestDatabase, database, server } from '../../../../support/servers.ts';
import { calm } from '../../../../support/source-context.ts';

await server(15);
await server(17);
await loadParser();

const rows = 4000;
async function things(): Promise<TestDatabase> {
  const db = await database(await server(15), 'load');
  await db.query(`
    CREATE TYPE mood AS ENUM ('a', 'b');
    CREATE TABLE thing (id int PRIMARY KEY, n numeric, at timestamptz, doc jsonb, raw bytea, mood mood, tags text[], t text, twice int GENERATED ALWAYS AS (id * 2) STORED);
    INSERT INTO thing (id, n, at, doc, raw, mood, tags, t)
      SELECT i, CASE i WHEN 5 THEN 'NaN' ELSE i / 7.0 END, '2024-01-01 00:00:00.123456+00'::timestamptz + i * interval '1 s', jsonb_build_object('k', i), decode(md5(i::text), 'hex'),
        'b', ARRAY['x', NULL, 'y,"z'], CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN E'tab\\tnl\\nback\\\\cr\\r' WHEN 3 THEN E'\\\\.' ELSE 'ä€😀' || repeat('x', i % 300) END
      FROM generate_series(1, ${rows}) i;`);
  return db;
}

/** Read only: shared by the tests of this file. */
const source = await things();

const hash = 'SELECT count(*)::int AS n, sum(hashtext(t::text)::bigint)::text AS h FROM thing t';

async function same(target: TestDatabase): Promise<void> {
  assert.deepEqual(await target.query(hash), await source.query(hash));
}

/** The copy of one chunk with its frames changed on the way. */
function altered(
  copy: RawCopy | RowCopy,
  frames: (from: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
): RawCopy {
  assert.equal(copy.kind, 'raw');
  return { ...(copy as RawCopy), frames: frames((copy as RawCopy).frames) };
}

test('binary and text frames, of one chunk and of many, and the rows route give the same rows', async () => {
  const target = await database(await server(17));
  await using run = await openCopy({ source: source.url, target: { url: target.url } });
  const session = await run.source.snapshot.open({ kind: 'new' }, calm);
  await run.prepare();
  assert.deepEqual(run.plans[0]!.route.kind, 'raw');
  const routes = [
    { kind: 'raw', format: 'binary', because: 'test' },
    { kind: 'raw', format: 'text', because: 'test' },
    { kind: 'rows', because: 'test' },
  ] as const;
  for (const route of routes) {
    for (const chunkBytes of [1 << 28, 64 * 1024]) {
      const result = await copyTable(run.sink, session, { ...run.plans[0]!, route }, chunkBytes);
      assert.equal(result.rows, BigInt(rows));
      assert.ok(result.bytes > 100_000);
      await same(target);
      assert.deepEqual(await target.query('SELECT count(*)::int AS n FROM pgsluice.chunk'), [{ n: 0 }]);
    }
  }
  await session[Symbol.asyncDispose]();
});

test('a chunk that is loaded again after its commit is not doubled', async () => {
  const target = await database(await server(17));
  await using run = await openCopy({ source: source.url, target: { url: target.url } });
  const session = await run.source.snapshot.open({ kind: 'new' }, calm);
  await run.prepare();
  const plan = run.plans[0]!;
  const { snapshot } = run.sink;
  const chunks = await session.chunks(plan.source, 64 * 1024);
  assert.ok(chunks.length > 2);
  await snapshot.begin(plan, chunks.length, calm);
  for (const chunk of [...chunks, ...chunks]) {
    await snapshot.load(plan, await session.openRaw(chunk, plan.query, 'binary', calm), calm);
  }
  await same(target);
  // A new start of the table removes everything.
  await snapshot.begin(plan, chunks.length, calm);
  assert.deepEqual(await target.query('SELECT count(*)::int AS n FROM thing'), [{ n: 0 }]);
  await copyTable(run.sink, session, plan, 64 * 1024);
  await session[Symbol.asyncDispose]();
  await same(target);
});

test('a source that breaks off ends the copy with its error and leaves no row (I6)', async () => {
  const target = await database(await server(17));
  await using run = await openCopy({ source: source.url, target: { url: target.url } });
  const session = await run.source.snapshot.open({ kind: 'new' }, calm);
  await run.prepare();
  const plan = run.plans[0]!;
  const [chunk] = await session.chunks(plan.source, 1 << 28);
  const breaks: ((from: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>)[] = [
    // At once, inside a header, inside a payload, and a clean end inside a message.
    async function* (from) {
      for await (const frame of from) {
        if (frame.length > 0) throw new Error('source gone');
        yield frame;
      }
    },
    async function* (from) {
      for await (const frame of from) {
        yield frame.subarray(0, 3);
        throw new Error('source gone');
      }
    },
    async function* (from) {
      for await (const frame of from) {
        yield frame.subarray(0, frame.length - 1);
        throw new Error('source gone');
      }
    },
    async function* (from) {
      for await (const frame of from) {
        yield frame.subarray(0, frame.length - 1);
        return;
      }
    },
  ];
  for (const chunks of [1, 2]) {
    await run.sink.snapshot.begin(plan, chunks, calm);
    for (const broken of breaks) {
      const copy = altered(await session.openRaw(chunk!, plan.query, 'binary', calm), broken);
      await assert.rejects(run.sink.snapshot.load(plan, copy, calm), (error: PgsluiceError) => {
        assert.ok(error instanceof PgsluiceError);
        assert.equal(error.where.chunk, chunk!.id);
        return true;
      });
    }
    assert.deepEqual(await target.query('SELECT count(*)::int AS n FROM thing'), [{ n: 0 }]);
  }
  await copyTable(run.sink, session, plan, 1 << 28);
  await session[Symbol.asyncDispose]();
  await same(target);
});

test('a row that the target refuses names table, chunk and SQLSTATE, and no value', async () => {
  const target = await database(await server(17));
  await using run = await openCopy({ source: source.url, target: { url: target.url } });
  const session = await run.source.snapshot.open({ kind: 'new' }, calm);
  await run.prepare();
  await target.query(`ALTER TABLE thing ADD CONSTRAINT small CHECK (id < 3000)`);
  const plan = run.plans[0]!;
  const [chunk] = await session.chunks(plan.source, 1 << 28);
  await run.sink.snapshot.begin(plan, 1, calm);
  const copy = await session.openRaw(chunk!, plan.query, 'text', calm);
  await assert.rejects(run.sink.snapshot.load(plan, copy, calm), (error: PgsluiceError) => {
    assert.equal(error.code, 'PGS3010');
    assert.equal(error.where.sqlstate, '23514');
    assert.equal(error.where.table, 'public.thing');
    assert.equal(error.where.chunk, chunk!.id);
    assert.doesNotMatch(error.message, /3000/);
    return true;
  });
  assert.deepEqual(await target.query('SELECT count(*)::int AS n FROM thing'), [{ n: 0 }]);
  // The source's connections are as good as before.
  await target.query('ALTER TABLE thing DROP CONSTRAINT small');
  await copyTable(run.sink, session, plan, 1 << 28);
  await session[Symbol.asyncDispose]();
  await same(target);
});

test('a backend of the target that is killed in the middle of a chunk: the same chunk again is exact', async () => {
  const target = await database(await server(17));
  await using run = await openCopy({ source: source.url, target: { url: target.url } });
  const session = await run.source.snapshot.open({ kind: 'new' }, calm);
  await run.prepare();
  const plan = run.plans[0]!;
  const chunks = await session.chunks(plan.source, 200 * 1024);
  await run.sink.snapshot.begin(plan, chunks.length, calm);
  for (const chunk of chunks) {
    const copy = altered(await session.openRaw(chunk, plan.query, 'binary', calm), async function* (from) {
      for await (const frame of from) {
        yield frame.subarray(0, 1000);
        await target.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%COPY "public"%' AND pid <> pg_backend_pid()`,
        );
        await new Promise((resolve) => setTimeout(resolve, 20));
        yield frame.subarray(1000);
      }
    });
    await assert.rejects(run.sink.snapshot.load(plan, copy, calm), { code: 'PGS2005', retry: 'backoff' });
    await run.sink.snapshot.load(plan, await session.openRaw(chunk, plan.query, 'binary', calm), calm);
  }
  await run.sink.snapshot.loaded(plan, calm);
  await run.sink.snapshot.finishTable(plan, session.exactAt, calm);
  await session[Symbol.asyncDispose]();
  await same(target);
});

test('an abort stops a load in the middle', async () => {
  const target = await database(await server(17));
  await using run = await openCopy({ source: source.url, target: { url: target.url } });
  const session = await run.source.snapshot.open({ kind: 'new' }, calm);
  await run.prepare();
  const plan = run.plans[0]!;
  const [chunk] = await session.chunks(plan.source, 1 << 28);
  await run.sink.snapshot.begin(plan, 1, calm);
  const stop = new AbortController();
  const copy = altered(await session.openRaw(chunk!, plan.query, 'binary', calm), async function* (from) {
    for await (const frame of from) {
      yield frame.subarray(0, 100);
      stop.abort();
      yield frame.subarray(100);
    }
  });
  await assert.rejects(run.sink.snapshot.load(plan, copy, stop.signal));
  await session[Symbol.asyncDispose]();
  assert.deepEqual(await target.query('SELECT count(*)::int AS n FROM thing'), [{ n: 0 }]);
});

test('keys that a transform makes equal are named when the index is built', async () => {
  const target = await database(await server(17));
  const own = await database(await server(15));
  await own.query(
    'CREATE TABLE one (id int UNIQUE, k int); INSERT INTO one SELECT i, i FROM generate_series(1, 9) i; ALTER TABLE one REPLICA IDENTITY FULL',
  );
  const steps: PlanStep[] = [
    { transform: set({ columns: { id: 'k / 2' } } as never), tables: ['public.one'], label: 'set' },
  ];
  await assert.rejects(
    copyDatabase({ source: own.url, target: { url: target.url }, steps }),
    (error: PgsluiceError) => {
      assert.equal(error.code, 'PGS3020');
      assert.equal(error.where.object, 'one_id_key');
      assert.match(error.message, /public\.one|one_id_key/);
      assert.doesNotMatch(error.message, /\(1\)/);
      return true;
    },
  );
});
