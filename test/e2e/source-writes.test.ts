import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type Live, live } from '../support/live.ts';
import { short } from '../support/long.ts';
import { server } from '../support/servers.ts';

/**
 * I10: whatever the user does to a published table while the pipeline follows it, UPDATE and DELETE on the source go on
 * within moments, and the run ends and says what to do. The writer knows nothing of the pipeline. Every rule on every major is in
 * test/integration/plugins/source-postgres/publication/guard.test.ts; here it is the whole command.
 */
for (const major of [14, 15, 16, 17, 18]) await server(major);

interface Case {
  readonly what: string;
  readonly majors: readonly number[];
  readonly table: string;
  readonly after: string;
  readonly yaml?: string;
  readonly said: RegExp;
}

const cases: readonly Case[] = [
  {
    what: 'the primary key is dropped',
    majors: [14, 18],
    table: 'CREATE TABLE t (id int PRIMARY KEY, v int)',
    after: 'ALTER TABLE t DROP CONSTRAINT t_pkey',
    said: /PGS2181 public\.t has no primary key.*taken out.*REPLICA IDENTITY FULL;.*resync FILE public\.t/,
  },
  {
    what: 'REPLICA IDENTITY NOTHING is set',
    majors: [16],
    table: 'CREATE TABLE t (id int PRIMARY KEY, v int)',
    after: 'ALTER TABLE t REPLICA IDENTITY NOTHING',
    said: /PGS2181 public\.t has REPLICA IDENTITY NOTHING.*REPLICA IDENTITY DEFAULT;/,
  },
  {
    what: 'a row filter is no longer within the identity',
    majors: [15],
    table: 'CREATE TABLE t (id int PRIMARY KEY, v int); ALTER TABLE t REPLICA IDENTITY FULL',
    after: 'ALTER TABLE t REPLICA IDENTITY DEFAULT',
    yaml: 'transforms: [{ plugin: filter, tables: public.t, where: v >= 0 }]',
    said: /PGS2181 the row filter of public\.t reads v.*REPLICA IDENTITY FULL;/,
  },
  {
    what: 'a virtual generated column is added under REPLICA IDENTITY FULL',
    majors: [18],
    table: 'CREATE TABLE t (id int PRIMARY KEY, v int); ALTER TABLE t REPLICA IDENTITY FULL',
    after: 'ALTER TABLE t ADD COLUMN g int GENERATED ALWAYS AS (v * 2) VIRTUAL',
    said: /PGS2181 the replica identity of public\.t has g, a generated column.*REPLICA IDENTITY DEFAULT;/,
  },
];

/** Writes of somebody who does not know of the pipeline: one UPDATE and one DELETE; null: both went through. */
async function tryWrites(db: Live['source']): Promise<string | null> {
  try {
    await db.query('UPDATE t SET v = v + 1 WHERE id = 1');
    await db.query('DELETE FROM t WHERE id = 2');
    return null;
  } catch (error) {
    assert.ok(error instanceof pg.DatabaseError, String(error));
    assert.match(error.message, /cannot (update|delete from) table/);
    return error.message;
  }
}

for (const { what, majors, table, after, yaml, said } of cases) {
  for (const major of short(1, majors)) {
    test(`${what}, on ${major}: writes go on, the run ends`, { timeout: 300_000 }, async () => {
      const pipeline = await live({
        from: major,
        to: major,
        source: `${table}; INSERT INTO t (id, v) SELECT i, i FROM generate_series(1, 20) i`,
        ...(yaml === undefined ? {} : { yaml }),
      });
      const { source } = pipeline;
      const run = pipeline.start();
      await run.until('caught-up');
      assert.equal(await tryWrites(source), null);
      await source.query(after);
      const ended = await run.ended;
      assert.equal(ended.code, 1, ended.stderr);
      assert.match(ended.stderr, said);
      assert.equal(await tryWrites(source), null, 'writes go on');
      // A later run does not bring the refusal back, and says what is still to be done.
      const again = await pipeline.toNow();
      assert.equal(again.code, 1, again.stderr);
      assert.match(again.stderr, /PGS2182 .*lacks public\.t(_1)?, which was taken out.*resync FILE public\.t/);
      assert.equal(await tryWrites(source), null);
      // The remedy works as it is printed.
      const alter = /(ALTER TABLE [^;]*;)/.exec(ended.stderr)?.[1];
      assert.ok(alter, ended.stderr);
      await source.query(alter);
      const name = /resync FILE (\S+)/.exec(ended.stderr)?.[1] as string;
      const copied = await pipeline.verb('resync', name);
      assert.equal(copied.code, 0, copied.stderr);
      await source.query('UPDATE t SET v = v + 100 WHERE id = 3');
      await pipeline.settle();
      // A column that is generated on the source since is the user's to add.
      await pipeline.same('SELECT id, v FROM t', 'SELECT id, v FROM t');
    });
  }
}

test('a table that must not be published as it is, on 18: refused with a statement that works', async () => {
  const pipeline = await live({
    from: 18,
    to: 18,
    source: `CREATE TABLE t (id int NOT NULL, v int, g int GENERATED ALWAYS AS (v * 2) VIRTUAL);
      CREATE UNIQUE INDEX i ON t (id); ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t VALUES (1, 1), (2, 2)`,
  });
  const refused = await pipeline.toNow();
  assert.equal(refused.code, 3, refused.stderr);
  assert.match(refused.stderr, /PGS2103 .*has g, a generated column.*REPLICA IDENTITY USING INDEX "i";/);
  assert.equal(await tryWrites(pipeline.source), null);
  await pipeline.source.query('ALTER TABLE t REPLICA IDENTITY USING INDEX "i"');
  await pipeline.settle();
  assert.equal(await tryWrites(pipeline.source), null);
  await pipeline.settle();
  await pipeline.same('SELECT * FROM t', 'SELECT * FROM t');
});

test('stored generated columns under REPLICA IDENTITY FULL, on 18, also one that comes later: nothing is refused', async () => {
  const pipeline = await live({
    from: 18,
    to: 17,
    source: `CREATE TABLE t (id int, v int, g int GENERATED ALWAYS AS (v * 2) STORED); ALTER TABLE t REPLICA IDENTITY FULL;
      INSERT INTO t SELECT i, i FROM generate_series(1, 20) i; INSERT INTO t SELECT 5, 5`,
  });
  const { source, target } = pipeline;
  await pipeline.settle();
  const run = pipeline.start();
  await run.until('caught-up');
  assert.equal(await tryWrites(source), null);
  await source.query('DELETE FROM t WHERE ctid = (SELECT ctid FROM t WHERE id = 5 LIMIT 1)');
  const later = 'ALTER TABLE t ADD COLUMN h int GENERATED ALWAYS AS (v * 3) STORED';
  await target.query(later);
  await source.query(later);
  assert.equal(await tryWrites(source), null);
  await sleep(2500);
  assert.equal(await tryWrites(source), null);
  run.process.kill('SIGTERM');
  const ended = await run.ended;
  assert.equal(ended.code, 0, ended.stderr);
  await pipeline.settle();
  await pipeline.same('SELECT * FROM t', 'SELECT * FROM t');
});
