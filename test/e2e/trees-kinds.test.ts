import assert from 'node:assert/strict';
import { test } from 'node:test';
import { live } from '../support/live.ts';
import { short } from '../support/long.ts';
import { server } from '../support/servers.ts';
import { sameTrees } from '../support/trees.ts';

await Promise.all([14, 15, 17, 18].map((major) => server(major)));

/** Lists, hashes, partitions of partitions, inheritance, and a foreign key into a tree. */
const kinds = `
  CREATE TABLE l (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
  CREATE TABLE l_1 PARTITION OF l FOR VALUES IN (1); CREATE TABLE l_null PARTITION OF l FOR VALUES IN (7, 8);
  CREATE TABLE h (id int PRIMARY KEY, v text) PARTITION BY HASH (id);
  CREATE TABLE h_0 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE h_1 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 1);
  CREATE TABLE s (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY RANGE (id);
  CREATE TABLE s_1 PARTITION OF s FOR VALUES FROM (0) TO (100) PARTITION BY LIST (k);
  CREATE TABLE s_1_a PARTITION OF s_1 FOR VALUES IN (1); CREATE TABLE s_1_rest PARTITION OF s_1 DEFAULT;
  CREATE TABLE b (id int PRIMARY KEY, v text); CREATE TABLE b_1 (PRIMARY KEY (id), more int) INHERITS (b);
  CREATE TABLE ref (n int PRIMARY KEY, id int, k int, FOREIGN KEY (id, k) REFERENCES l);
  INSERT INTO l SELECT i, 1, 'v' FROM generate_series(1, 30) i; INSERT INTO l VALUES (1, 7, 'seven');
  INSERT INTO h SELECT i, 'v' FROM generate_series(1, 40) i;
  INSERT INTO s SELECT i, i % 3, 'v' FROM generate_series(1, 60) i;
  INSERT INTO b SELECT i, 'b' FROM generate_series(1, 10) i; INSERT INTO b_1 SELECT i, 'b1', i FROM generate_series(11, 20) i;
  INSERT INTO ref VALUES (1, 1, 7);`;
const roots = ['l', 'h', 's', 'b', 'ref'];

for (const [from, to, owners] of short(1, [
  [15, 17, true],
  [14, 18, false],
] as const)) {
  test(`members of every kind of tree come and go, from ${from} to ${to}, ${owners ? 'by owners' : 'by superusers'}`, {
    timeout: 1_200_000,
  }, async () => {
    const pipeline = await live({ from, to, source: kinds, owners });
    const { source, target } = pipeline;
    await pipeline.settle();
    const run = pipeline.start();
    await run.until('caught-up');
    await source.query('CREATE TABLE l_2 PARTITION OF l FOR VALUES IN (2)');
    await source.query(
      `INSERT INTO l SELECT i, 2, 'new' FROM generate_series(1, 20) i; INSERT INTO ref VALUES (2, 5, 2)`,
    );
    await sameTrees(source, target, roots);
    await source.query(`CREATE TABLE s_2 PARTITION OF s FOR VALUES FROM (100) TO (200) PARTITION BY LIST (k);
      CREATE TABLE s_2_a PARTITION OF s_2 FOR VALUES IN (1, 2); INSERT INTO s SELECT i, 1 + i % 2, 'sub' FROM generate_series(100, 150) i`);
    await sameTrees(source, target, roots);
    await source.query('ALTER TABLE l DETACH PARTITION l_1 CONCURRENTLY');
    await source.query(`UPDATE l_1 SET v = 'alone' WHERE id < 5; DELETE FROM l_1 WHERE id = 6`);
    await sameTrees(source, target, [...roots, 'l_1']);
    await source.query(`CREATE TABLE b_2 (LIKE b INCLUDING ALL, other text); INSERT INTO b_2 SELECT i, 'b2', 'o' FROM generate_series(30, 45) i;
      ALTER TABLE b_2 INHERIT b`);
    await source.query('ALTER TABLE b_1 NO INHERIT b');
    await source.query(`UPDATE b SET v = 'all'; INSERT INTO b_1 VALUES (100, 'apart', 1)`);
    await sameTrees(source, target, [...roots, 'b_1', 'b_2']);
    await source.query(
      `ALTER TABLE h DETACH PARTITION h_1; INSERT INTO h_1 SELECT 1001, 'by itself' WHERE false; UPDATE h_1 SET v = 'apart'`,
    );
    await sameTrees(source, target, [...roots, 'h_1']);
    await source.query(
      `ALTER TABLE h ATTACH PARTITION h_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1); UPDATE h SET v = v || '+' WHERE id < 20`,
    );
    await sameTrees(source, target, [...roots, 'h_1']);
    run.process.kill('SIGTERM');
    const ended = await run.ended;
    assert.equal(ended.code, 0, ended.stderr);
    const verified = await pipeline.verb('verify');
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    // A partition to which rows refer by its parent, and the only one below its own.
    const copied = await pipeline.verb('resync', 'public.h_0', 'public.b_2', 'public.l_2', 'public.s_2_a');
    assert.equal(copied.code, 0, copied.stderr);
    await source.query(`UPDATE l SET v = 'after'; UPDATE s SET v = 'after' WHERE id > 120; UPDATE b SET v = 'after'`);
    await pipeline.settle();
    await sameTrees(source, target, [...roots, 'b_2']);
  });
}

test('a new member is followed through the transforms of its tree', { timeout: 600_000 }, async () => {
  const pipeline = await live({
    from: 17,
    to: 15,
    source: kinds,
    yaml: `transforms:
  - { plugin: filter, tables: "public.l_*", where: "v <> 'out'" }
  - { plugin: set, tables: "public.s_*", columns: { v: "upper(v)" } }
  - { plugin: rename, tables: public.ref, to: public.refs }`,
  });
  const { source, target } = pipeline;
  const run = pipeline.start();
  await run.until('caught-up');
  await source.query(`BEGIN; CREATE TABLE l_2 PARTITION OF l FOR VALUES IN (2);
    INSERT INTO l SELECT i, 2, CASE WHEN i % 2 = 0 THEN 'out' ELSE 'in' END FROM generate_series(1, 20) i; COMMIT`);
  await source.query(`CREATE TABLE s_3 (LIKE s INCLUDING ALL); INSERT INTO s_3 SELECT i, 1, 'late' FROM generate_series(300, 330) i;
    ALTER TABLE s ATTACH PARTITION s_3 FOR VALUES FROM (300) TO (400)`);
  await source.query(
    `UPDATE l SET v = 'out' WHERE k = 2 AND id < 4; UPDATE l SET v = 'in' WHERE k = 2 AND id = 10; UPDATE s SET v = 'é' WHERE id = 301`,
  );
  const wanted = await Promise.all([
    pipeline.rows('source', `SELECT * FROM l WHERE v <> 'out'`),
    pipeline.rows('source', 'SELECT id, k, upper(v COLLATE "und-x-icu") AS v FROM s'),
  ]);
  for (const until = Date.now() + 300_000; ; await new Promise((resolve) => setTimeout(resolve, 250))) {
    assert.equal(run.process.exitCode, null, run.stderr);
    const there = await Promise.all([
      pipeline.rows('target', 'SELECT * FROM l'),
      pipeline.rows('target', 'SELECT * FROM s'),
    ]);
    if (JSON.stringify(there) === JSON.stringify(wanted)) break;
    if (Date.now() > until) assert.deepEqual(there, wanted);
  }
  assert.equal(
    (await target.query(`SELECT FROM pg_inherits WHERE inhrelid IN ('l_2'::regclass, 's_3'::regclass)`)).length,
    2,
  );
  run.process.kill('SIGTERM');
  assert.equal((await run.ended).code, 0);
  const verified = await pipeline.verb('verify');
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
});

test('killed at each step of taking a new member along, a later run brings it to its place', {
  timeout: 900_000,
}, async () => {
  const pipeline = await live({ from: 17, to: 18, source: kinds });
  const { source, target } = pipeline;
  await pipeline.settle();
  const points = short(2, ['resync-copied', 'resync-joined', 'resync-published', 'resync-reached']);
  let met = 0;
  for (const [i, point] of points.entries()) {
    const run = pipeline.start({ PGSLUICE_FAILPOINT: `${point}:kill` });
    await run.until('caught-up');
    const k = 20 + i;
    await source.query(`CREATE TABLE l_${k} (LIKE l INCLUDING ALL); INSERT INTO l_${k} SELECT i, ${k}, '${point}' FROM generate_series(1, 30) i;
      ALTER TABLE l ATTACH PARTITION l_${k} FOR VALUES IN (${k})`);
    await source.query(`UPDATE l SET v = v || '!' WHERE k = ${k} AND id < 9; INSERT INTO l VALUES (99, ${k}, 'late')`);
    const ended = await Promise.race([
      run.ended,
      sameTrees(source, target, roots).then(async () => {
        run.process.kill('SIGTERM');
        return run.ended;
      }),
    ]);
    if (ended.code === null) met++;
    await pipeline.settle();
    await sameTrees(source, target, roots);
  }
  assert.ok(met >= points.length / 2, `${met} of ${points.length}`);
  const verified = await pipeline.verb('verify');
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
});
