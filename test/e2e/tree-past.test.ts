import assert from 'node:assert/strict';
import { test } from 'node:test';
import { live } from '../support/live.ts';
import { short } from '../support/long.ts';
import { server } from '../support/servers.ts';
import { sameTrees } from '../support/trees.ts';

await Promise.all([14, 18].map((major) => server(major)));

/** `p` has one member for 1 to 9 and a default one. */
const tree = `
  CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
  CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (1) TO (10);
  CREATE TABLE p_rest PARTITION OF p DEFAULT;
  INSERT INTO p VALUES (1, 'one'), (2, 'two'), (20, 'twenty');`;

/** Without a key no change of a batch takes back an earlier one. */
const keyless = `${tree.replace(' PRIMARY KEY', '')} ALTER TABLE p_1 REPLICA IDENTITY FULL; ALTER TABLE p_rest REPLICA IDENTITY FULL;`;

/** For a while the default partition holds what belongs into the other. */
const there = `ALTER TABLE p DETACH PARTITION p_1; INSERT INTO p VALUES (5, 'in the default partition')`;
const andBack = `DELETE FROM p WHERE id = 5; ALTER TABLE p ATTACH PARTITION p_1 FOR VALUES FROM (1) TO (10); INSERT INTO p VALUES (6, 'six')`;

for (const [from, to] of short(1, [
  [18, 14],
  [14, 18],
] as const)) {
  test(`rows of a time when the tree stood otherwise arrive, from ${from} to ${to}`, async () => {
    const pipeline = await live({ from, to, source: keyless });
    const { source, target } = pipeline;
    await pipeline.settle();
    await source.query(there);
    await pipeline.settle();
    await sameTrees(source, target, ['p', 'p_1'], 0);
    await source.query(andBack);
    await pipeline.settle();
    await sameTrees(source, target, ['p'], 0);
    // The source's tree is as it was: only the rows on the way tell that it was not.
    await source.query(`${there}; ${andBack.replace('(6', '(7')}`);
    const ended = await pipeline.settle();
    assert.match(ended.stdout, /"event":"partition-apart"/);
    await sameTrees(source, target, ['p'], 0);

    const run = pipeline.start();
    await run.until('caught-up');
    await source.query(`${there}; ${andBack.replace('(6', '(8')}; INSERT INTO p VALUES (30, 'thirty')`);
    await sameTrees(source, target, ['p']);
    run.process.kill('SIGTERM');
    assert.equal((await run.ended).code, 0);
    assert.equal((await pipeline.verb('verify')).code, 0);
  });
}

test('a partition that leaves is let go first where rows refer to the default one', async () => {
  const refers = `${tree} CREATE TABLE r (id int PRIMARY KEY REFERENCES p); INSERT INTO r VALUES (20);`;
  const pipeline = await live({ from: 18, to: 18, source: refers });
  await pipeline.settle();
  await pipeline.source.query(`DELETE FROM p WHERE id < 10`);
  await pipeline.settle();
  await pipeline.source.query(there);
  await pipeline.settle();
  await sameTrees(pipeline.source, pipeline.target, ['p', 'p_1'], 0);
});

test('a CHECK constraint of the target that refuses a row of a partition is told, and the tree stays', async () => {
  const pipeline = await live({ from: 18, to: 18, source: tree });
  const { source, target } = pipeline;
  await pipeline.settle();
  await target.query(`ALTER TABLE p_rest ADD CONSTRAINT small CHECK (id < 50)`);
  await source.query(`INSERT INTO p VALUES (60, 'sixty')`);
  const refused = await pipeline.toNow();
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /PGS3104/);
  const [count] = await target.query(`SELECT count(*)::int AS n FROM pg_inherits WHERE inhparent = 'p'::regclass`);
  assert.deepEqual(count, { n: 2 });
});
