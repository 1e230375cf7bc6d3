import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Live, live } from '../support/live.ts';
import { short } from '../support/long.ts';
import { server } from '../support/servers.ts';

/** What a kill leaves between the note of an object and the object itself is provable either way. */
const majors = short(1, [18, 14] as const);
await Promise.all(majors.map((major) => server(major)));

const table = 'CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i FROM generate_series(1, 20) i;';

async function objects({ source }: Live): Promise<readonly string[]> {
  const rows = await source.query<{ name: string }>(
    `SELECT 'slot ' || plugin AS name FROM pg_replication_slots WHERE database = current_database()
     UNION ALL SELECT 'publication' FROM pg_publication ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

/** A temporary slot of the killed session goes with its walsender. */
async function only(pipeline: Live, wanted: readonly string[]): Promise<void> {
  for (const until = Date.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const there = await objects(pipeline);
    if (JSON.stringify(there) === JSON.stringify(wanted)) return;
    if (Date.now() > until) assert.deepEqual(there, wanted);
  }
}

async function killed(pipeline: Live, at: string): Promise<void> {
  const run = await pipeline.toNow({ PGSLUICE_FAILPOINT: `${at}:kill` });
  assert.equal(run.code, null, run.stdout + run.stderr);
}

for (const major of majors) {
  const fresh = () => live({ from: major, to: major, source: table });

  test(`killed before and after the slot got its name, on ${major}: cleanup leaves nothing, and a run goes through`, async () => {
    for (const [at, left] of [
      ['slot-noted', ['publication']],
      ['slot-made', ['publication', 'slot pgoutput']],
    ] as const) {
      const cleaned = await fresh();
      await killed(cleaned, at);
      await only(cleaned, left);
      const cleanup = await cleaned.verb('cleanup', '--yes');
      assert.equal(cleanup.code, 0, cleanup.stderr);
      assert.doesNotMatch(cleanup.stdout, /^left /m);
      assert.deepEqual(await objects(cleaned), [], at);
      const resumed = await fresh();
      await killed(resumed, at);
      await resumed.source.query('INSERT INTO t VALUES (100)');
      await resumed.settle();
      assert.equal(await resumed.same('SELECT * FROM t', 'SELECT * FROM t'), 21);
      await only(resumed, ['publication', 'slot pgoutput']);
    }
  });

  test(`a slot of the name that somebody made after such a kill, on ${major}, is left alone`, async () => {
    for (const plugin of ['pgoutput', 'test_decoding']) {
      const pipeline = await fresh();
      const { source } = pipeline;
      await killed(pipeline, 'slot-noted');
      await only(pipeline, ['publication']);
      await source.query('INSERT INTO t VALUES (100)');
      // The publication has the same name.
      await source.query(`SELECT pg_create_logical_replication_slot(pubname, '${plugin}') FROM pg_publication`);
      const before = await objects(pipeline);
      assert.deepEqual(before, ['publication', `slot ${plugin}`]);
      const run = await pipeline.toNow();
      assert.notEqual(run.code, 0);
      assert.match(run.stderr, /PGS2113|slot-owner/);
      const cleanup = await pipeline.verb('cleanup', '--yes');
      assert.match(cleanup.stdout, /^left replication slot pgsluice_/m, cleanup.stdout + cleanup.stderr);
      assert.deepEqual(await objects(pipeline), [`slot ${plugin}`]);
    }
  });

  test(`a publication that somebody altered while no run was going, on ${major}, ends the next start`, async () => {
    for (const alter of [
      `SET (publish = 'insert')`,
      'DROP TABLE t',
      ...(major >= 15 ? ['SET TABLE t WHERE (id > 5)', 'SET TABLE t (id)'] : []),
    ]) {
      const pipeline = await fresh();
      const { source } = pipeline;
      await pipeline.settle();
      const [publication] = await source.query<{ name: string }>(
        'SELECT quote_ident(pubname) AS name FROM pg_publication',
      );
      await source.query(`ALTER PUBLICATION ${publication!.name} ${alter}`);
      await source.query(`UPDATE t SET v = 'missed'`);
      const run = await pipeline.toNow();
      assert.equal(run.code, 1, `${alter}: ${run.stdout}`);
      assert.match(run.stderr, /PGS2182/, alter);
      const resync = await pipeline.verb('resync', 'public.t');
      assert.equal(resync.code, 0, resync.stderr);
      await pipeline.settle();
      assert.equal(await pipeline.same('SELECT * FROM t', 'SELECT * FROM t'), 20, alter);
    }
  });
}
