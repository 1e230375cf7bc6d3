import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Asked } from '../../../../../core/base/options.ts';
import type { Finding } from '../../../../../core/api/check.ts';
import type { SnapshotLsn } from '../../../../../core/postgres/lsn.ts';
import type { SnapshotSession } from '../../../../../core/api/snapshot.ts';
import type { PostgresSinkOptions } from '../../../../../plugins/sink-postgres/options.ts';
import { type CopyRun, copyDatabase, copyTable, openCopy } from '../../../../support/copy-database.ts';
import { type TestDatabase, database, server } from '../../../../support/servers.ts';
import { calm } from '../../../../support/source-context.ts';

const [old, on] = [await server(15), await server(17)];

const schema = `
  CREATE TABLE parent (id int PRIMARY KEY, name text);
  CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent);
  CREATE INDEX child_parent ON child (parent);
  CREATE VIEW grouped AS SELECT id, name FROM parent GROUP BY id;`;

const source = await database(old);
await source.query(`${schema}
  INSERT INTO parent SELECT i, 'n' || i FROM generate_series(1, 100) i; INSERT INTO child SELECT i, i FROM generate_series(1, 100) i`);

const shape = `SELECT conname || ' ' || pg_get_constraintdef(oid) || ' ' || convalidated AS d FROM pg_constraint WHERE conrelid <> 0 AND contype IN ('p', 'f') AND connamespace = 'public'::regnamespace
  UNION ALL SELECT pg_get_indexdef(indexrelid) || indisvalid FROM pg_index WHERE indrelid IN ('public.parent'::regclass, 'public.child'::regclass) ORDER BY 1`;

async function withSchema(sql = schema): Promise<TestDatabase> {
  const db = await database(on);
  await db.query(sql);
  return db;
}
const existing = (db: TestDatabase, more: Partial<PostgresSinkOptions> = {}): Asked<PostgresSinkOptions, 'url'> => ({
  url: db.url,
  schema: 'existing',
  ...more,
});

test('tables that are there are filled, and keep what they had', async () => {
  const target = await withSchema();
  await using run = await copyDatabase({ source: source.url, target: existing(target) });
  assert.deepEqual(await target.query(shape), await source.query(shape));
  assert.deepEqual(await target.query('SELECT count(*)::int AS n, sum(parent)::int AS s FROM child'), [
    { n: 100, s: 5050 },
  ]);
  assert.deepEqual(await target.query('SELECT count(*)::int AS n FROM grouped'), [{ n: 100 }]);
  assert.equal(
    run.log.lines.some((line) => line.event === 'definition-kept'),
    true,
  );

  // Copied again in a pipeline that lives: foreign keys to the table are set aside and come back.
  const session = await run.source.snapshot.open({ kind: 'new' }, calm).catch(() => null);
  assert.equal(session, null, 'the slot is there already');
  await run.source.control.cleanup(calm);
  const again = await run.source.snapshot.open({ kind: 'new' }, calm);
  await run.prepare();
  for (const plan of run.plans) await copyTable(run.sink, again, plan, 1 << 28);
  await again[Symbol.asyncDispose]();
  await run.sink.snapshot.finish(run.plans, calm);
  assert.deepEqual(await target.query(shape), await source.query(shape));
  assert.deepEqual(await target.query('SELECT count(*)::int AS n FROM child'), [{ n: 100 }]);
});

test('rows that are there are refused, or removed once where the file says so', async () => {
  const target = await withSchema();
  await target.query(`INSERT INTO parent VALUES (1000, 'old'); INSERT INTO child VALUES (1000, 1000)`);
  await using refused = await openCopy({ source: source.url, target: existing(target) });
  await assert.rejects(refused.prepare(), { code: 'PGS3007', message: /public\.(parent|child)/ });
  assert.deepEqual(await target.query('SELECT count(*)::int AS n FROM parent'), [{ n: 1 }]);
  await using run = await copyDatabase({ source: source.url, target: existing(target, { on_existing: 'truncate' }) });
  assert.deepEqual(await target.query('SELECT count(*)::int AS n FROM parent'), [{ n: 100 }]);
  await run.prepare();
  assert.deepEqual(await target.query('SELECT count(*)::int AS n FROM parent'), [{ n: 100 }]);
});

test('a missing column and a NOT NULL column without a value are named before a row is written', async () => {
  for (const [change, message] of [
    ['ALTER TABLE parent RENAME name TO label', /no column name/],
    ['ALTER TABLE child ADD extra int NOT NULL', /column extra of the target is NOT NULL/],
    ['DROP TABLE child', /public\.child/],
  ] as const) {
    const target = await withSchema(`${schema.replace(/CREATE VIEW.*/, '')}; ${change}`);
    await assert.rejects(async () => {
      await using run = await openCopy({ source: source.url, target: existing(target) });
      await run.prepare();
    }, message);
  }
});

test('a user without superuser rights: triggers of the target do not fire during the copy, and are on afterwards', async () => {
  await on.query(
    `DO $$ BEGIN CREATE ROLE sluice_plain LOGIN PASSWORD 'plain'; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
  );
  const target = await database(on);
  await target.query(`GRANT ALL ON DATABASE ${target.name} TO sluice_plain; GRANT ALL ON SCHEMA public TO sluice_plain; SET ROLE sluice_plain; ${schema}
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''fired''; END';
    CREATE TRIGGER t BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION f()`);
  const url = on.url(target.name, 'sluice_plain', 'plain');
  await using run = await copyDatabase({ source: source.url, target: { url, schema: 'existing' } });
  // Foreign keys would act on what the stream brings.
  assert.match((await run.sink.cutover!.settle(calm)).join(), /foreign key child_parent_fkey/);
  assert.deepEqual(await target.query(shape), await source.query(shape));
  assert.deepEqual(await target.query(`SELECT tgenabled::text AS e FROM pg_trigger WHERE tgname = 't'`), [{ e: 'O' }]);
  const findings = await check(run);
  assert.equal(findings.find((f) => f.check === 'target-replication-role')?.level, 'warning');
  assert.match(findings.find((f) => f.check === 'target-replication-role')?.remedy ?? '', /GRANT SET ON PARAMETER/);
});

async function check(run: CopyRun): Promise<Finding[]> {
  const findings: Finding[] = [];
  await run.sink.check(run.plans, { add: (finding) => void findings.push(finding) }, calm, true);
  return findings;
}

test('tables that are exact at different positions: the foreign key waits for the cutover', async () => {
  const target = await database(on);
  await using run = await openCopy({ source: source.url, target: { url: target.url } });
  const session = await run.source.snapshot.open({ kind: 'new' }, calm);
  await run.prepare();
  for (const plan of run.plans) {
    const exactAt = plan.source.name === 'child' ? ((session.exactAt + 8n) as SnapshotLsn) : session.exactAt;
    await copyTable(run.sink, at(session, exactAt), plan, 1 << 28);
  }
  await session[Symbol.asyncDispose]();
  await target.query('DELETE FROM parent WHERE id = 7');
  await run.sink.snapshot.finish(run.plans, calm);
  const valid = `SELECT convalidated::text AS v FROM pg_constraint WHERE contype = 'f'`;
  assert.deepEqual(await target.query(valid), []);
  await assert.rejects(run.sink.cutover!.refresh(calm), { code: 'PGS3022', message: /1 rows of public\.child/ });
  await target.query(`INSERT INTO parent VALUES (7, 'n7')`);
  assert.match((await run.sink.cutover!.refresh(calm)).done.join(), /foreign key child_parent_fkey/);
  assert.deepEqual(await target.query(valid), [{ v: 'true' }]);
});

/** The same snapshot under another position. */
function at(session: SnapshotSession, exactAt: SnapshotLsn): SnapshotSession {
  return {
    handoff: session.handoff,
    exactAt,
    takenAt: session.takenAt,
    name: session.name,
    chunks: (...args) => session.chunks(...args),
    openRaw: (...args) => session.openRaw(...args),
    openRows: (...args) => session.openRows(...args),
    [Symbol.asyncDispose]: async () => {},
  };
}

test('check tells of a target that is in the way, and changes nothing', async () => {
  const target = await withSchema();
  await using run = await openCopy({ source: source.url, target: { url: target.url } });
  const findings = await check(run);
  assert.equal(findings.find((f) => f.check === 'target-tables')?.level, 'error');
  assert.deepEqual(await target.query(`SELECT to_regnamespace('pgsluice') AS s`), [{ s: null }]);
  assert.deepEqual(await run.sink.cleanup(), []);
});

test('cleanup names what is not built again', async () => {
  const target = await database(on);
  await using run = await openCopy({ source: source.url, target: { url: target.url } });
  await run.prepare();
  const words = await run.sink.cleanup();
  assert.ok(
    words.some((line) => line.includes('CREATE INDEX child_parent ON public.child')),
    words.join('\n'),
  );
  assert.ok(words.some((line) => line.includes('FOREIGN KEY (parent) REFERENCES public.parent(id)')));
  assert.equal(words.at(-1), 'schema pgsluice of the target');
});
