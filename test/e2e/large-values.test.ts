import assert from 'node:assert/strict';
import { test } from 'node:test';
import { live } from '../support/live.ts';
import { onlyLong } from '../support/long.ts';
import { server } from '../support/servers.ts';

await server(17);

/** The text of a bytea takes twice its size and more than a string can hold; only what reads it may refuse it. */
test('a bytea of 300 MB passes a pipeline with transforms, in copy and stream', {
  skip: onlyLong,
  timeout: 900_000,
}, async () => {
  const value = (letter: string) => `convert_to(repeat('${letter}', 300 * 1024 * 1024), 'UTF8')`;
  const pipeline = await live({
    source: `CREATE TABLE t (id int PRIMARY KEY, v text, b bytea);
      INSERT INTO t VALUES (1, 'one', ${value('a')}); CREATE TABLE f (id int PRIMARY KEY, v text, b bytea)`,
    yaml: `transforms:
  - { plugin: filter, tables: public.f, where: v <> 'out' }
  - { plugin: set, tables: public.t, columns: { v: "upper(v)" } }
  - { plugin: rename, tables: public.t, to: public.u, columns: { b: "B" } }`,
  });
  const { source } = pipeline;
  await pipeline.settle();
  const same = async () => {
    const t = await pipeline.rows('source', `SELECT id, upper(v), md5(b), length(b) FROM t`);
    assert.deepEqual(await pipeline.rows('target', 'SELECT id, v, md5("B"), length("B") FROM u'), t);
    const f = 'SELECT id, v, md5(b), length(b) FROM f';
    assert.deepEqual(await pipeline.rows('target', f), await pipeline.rows('source', f));
    return t.length;
  };
  assert.equal(await same(), 1);
  await source.query(`INSERT INTO t VALUES (2, 'two', ${value('b')})`);
  await source.query(`INSERT INTO f VALUES (1, 'in', ${value('d')})`);
  await source.query(`UPDATE t SET v = 'only the text' WHERE id = 1`);
  await source.query('UPDATE t SET id = 20 WHERE id = 2');
  await pipeline.settle();
  assert.equal(await same(), 2);
  // Whether the row was in the filter is not known, so it must be whole: the value is fetched, in pieces.
  await source.query(`UPDATE f SET v = 'other' WHERE id = 1`);
  await pipeline.settle();
  assert.equal(await same(), 2);
  const left = await pipeline.rows('target', 'SELECT v FROM f');
  assert.deepEqual(left, ['(other)']);
  // An old row is read.
  await source.query(`ALTER TABLE f REPLICA IDENTITY FULL; UPDATE f SET v = 'third' WHERE id = 1`);
  const refused = await pipeline.toNow();
  assert.equal(refused.code, 1, refused.stderr);
  assert.match(refused.stderr, /PGS2165 .*public\.f.*REPLICA IDENTITY DEFAULT/);
});
