import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { HandoffLsn, SnapshotLsn } from '../../../../../core/postgres/lsn.ts';
import { relationName } from '../../../../../core/postgres/relation.ts';
import { copyTable, openCopy } from '../../../../support/copy-database.ts';
import { rename } from '../../../../../plugins/transform-rename/plugin.ts';
import { type TestDatabase, database, server } from '../../../../support/servers.ts';
import { calm } from '../../../../support/source-context.ts';

await server(15);
await server(17);
after(() => delete process.env['PGSLUICE_FAILPOINT']);

/** In the order in which a migration passes them. */
const failpoints = [
  'dump',
  'dumped',
  'restore',
  'restored',
  'excluded',
  'alter',
  'altered',
  'set-aside',
  'keep-off',
  'prepared',
  'loaded',
  'index',
  'constraint',
  'built',
  'partitioned',
  'check',
  'foreign-key',
  'foreign-keys-done',
  'refresh',
  'late',
  'bring-back',
];

const schema = `
  CREATE TABLE parent (id int PRIMARY KEY, name text UNIQUE);
  CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent, v int, EXCLUDE USING btree (v WITH =));
  CREATE INDEX child_v ON child (v);
  ALTER TABLE child REPLICA IDENTITY FULL;
  CREATE TABLE gone (id int PRIMARY KEY, child int REFERENCES child);
  CREATE TABLE part (id int, k text, PRIMARY KEY (id)) PARTITION BY HASH (id);
  CREATE TABLE part_0 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 0);
  CREATE TABLE part_1 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 1);
  CREATE MATERIALIZED VIEW sums AS SELECT count(*) AS n FROM child;
  CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''fired''; END';
  CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''ddl fired''; END';
  INSERT INTO parent SELECT i, 'n' || i FROM generate_series(1, 500) i;
  INSERT INTO child SELECT i, 1 + i % 500, i - 1 FROM generate_series(1, 500) i;
  ALTER TABLE child ADD CONSTRAINT positive CHECK (v > 0) NOT VALID;
  REFRESH MATERIALIZED VIEW sums;
  INSERT INTO part SELECT i, 'k' FROM generate_series(1, 500) i;
  CREATE TRIGGER t BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION f();
  ALTER TABLE child ENABLE ALWAYS TRIGGER t;
  CREATE EVENT TRIGGER ddl ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION e();`;

const catalog = `
  SELECT 'index ' || replace(pg_get_indexdef(indexrelid), 'public.', '') || indisvalid AS d FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    WHERE c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'kept')) AND c.relname <> 'gone'
  UNION ALL SELECT 'constraint ' || conrelid::regclass || conname || replace(pg_get_constraintdef(oid), 'public.', '') || convalidated FROM pg_constraint
    WHERE connamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'kept')) AND conrelid::regclass::text NOT LIKE '%gone'
  UNION ALL SELECT 'trigger ' || tgname || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT 'event trigger ' || evtname FROM pg_event_trigger ORDER BY 1`;

/** One process after the other, each killed at its failpoint; what is finished stays, as the runtime's checkpoint says. */
async function attempt(source: TestDatabase, target: TestDatabase, done: Map<string, SnapshotLsn>): Promise<void> {
  await using run = await openCopy({
    source: source.url,
    target: { url: target.url },
    pipeline: source.name,
    exclude: ['public.gone'],
    chunkBytes: 8192,
    steps: [{ transform: rename({ to: 'public.kept' }), tables: ['public.parent'], label: 'rename' }],
  });
  const session = await run.source.snapshot.open({ kind: 'new' }, calm);
  try {
    await run.prepare();
    for (const plan of run.plans) {
      const name = relationName(plan.source);
      if (done.has(name)) continue;
      await copyTable(run.sink, session, plan, 8192);
      done.set(name, session.exactAt);
    }
  } finally {
    await session[Symbol.asyncDispose]();
  }
  await run.sink.snapshot.finish(run.plans, calm);
  // Repeatable.
  await run.sink.snapshot.finish(run.plans, calm);
  // Snapshots differ, so keys between tables that are exact at different positions wait for the cutover.
  await run.sink.cutover!.refresh(calm);
}

test('a migration that dies at every step in turn ends as one that never died', async () => {
  const source = await database(await server(15));
  await source.query(schema);
  const target = await database(await server(17));
  const done = new Map<string, SnapshotLsn | HandoffLsn>();
  const passed: string[] = [];
  for (const name of failpoints) {
    process.env['PGSLUICE_FAILPOINT'] = name;
    await attempt(source, target, done as never).then(
      () => assert.fail(`failpoint ${name} was not passed`),
      (error: Error) => assert.match(error.message, new RegExp(`^failpoint ${name}$`), error.stack ?? ''),
    );
    passed.push(name);
  }
  delete process.env['PGSLUICE_FAILPOINT'];
  await attempt(source, target, done as never);
  assert.deepEqual(passed, failpoints);
  const list = async (db: TestDatabase): Promise<string[]> =>
    (await db.query<{ d: string }>(catalog))
      .map((row) =>
        row.d
          .replaceAll('parent(', 'kept(')
          .replaceAll(/\bON parent /g, 'ON kept ')
          .replaceAll('constraint parent', 'constraint kept'),
      )
      .sort();
  assert.deepEqual(await list(target), await list(source));
  for (const [from, to] of [
    ['parent', 'kept'],
    ['child', 'child'],
    ['part_0', 'part_0'],
    ['part_1', 'part_1'],
    ['sums', 'sums'],
  ] as const) {
    const sql = (name: string): string =>
      `SELECT count(*)::int AS n, sum(hashtext(t::text)::bigint)::text AS h FROM ${name} t`;
    assert.deepEqual(await target.query(sql(to)), await source.query(sql(from)), from);
  }
  assert.deepEqual(await target.query(`SELECT to_regclass('gone') AS g`), [{ g: null }]);
});
