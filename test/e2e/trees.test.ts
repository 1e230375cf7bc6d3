import assert from 'node:assert/strict';
import { test } from 'node:test';
import { live } from '../support/live.ts';
import { short } from '../support/long.ts';
import { server } from '../support/servers.ts';
import { sameTrees } from '../support/trees.ts';

await Promise.all([14, 18].map((major) => server(major)));

const month = (n: number) =>
  `FOR VALUES FROM ('2024-${String(n).padStart(2, '0')}-01') TO ('2024-${String(n + 1).padStart(2, '0')}-01')`;

const measures = `
  CREATE TABLE m (id int, at date, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
  CREATE TABLE m_1 PARTITION OF m ${month(1)};
  CREATE TABLE m_rest PARTITION OF m DEFAULT;
  CREATE INDEX m_v ON m (v);
  INSERT INTO m SELECT g, '2024-01-10', 'a' FROM generate_series(1, 100) g;`;

for (const [from, to] of short(1, [
  [14, 18],
  [18, 14],
] as const)) {
  test(`partitions that come, go and move are followed, from ${from} to ${to}`, { timeout: 1_800_000 }, async () => {
    const pipeline = await live({ from, to, source: measures });
    const { source, target } = pipeline;
    const run = pipeline.start();
    await run.until('caught-up');
    await source.query(`BEGIN; CREATE TABLE m_2 PARTITION OF m ${month(2)};
      INSERT INTO m SELECT g, '2024-02-10', 'b' FROM generate_series(1, 50) g; COMMIT`);
    await source.query(`INSERT INTO m SELECT g, '2024-02-11', 'c' FROM generate_series(1, 50) g`);
    await sameTrees(source, target, ['m']);
    await source.query(`CREATE TABLE m_3 (LIKE m); INSERT INTO m_3 SELECT g, '2024-03-05', 'd' FROM generate_series(1, 30) g;
      ALTER TABLE m_3 ADD PRIMARY KEY (id, at); ALTER TABLE m ATTACH PARTITION m_3 ${month(3)}`);
    await sameTrees(source, target, ['m', 'm_3']);
    await source.query(`ALTER TABLE m DETACH PARTITION m_1; UPDATE m_1 SET v = 'detached' WHERE id < 10`);
    await sameTrees(source, target, ['m', 'm_1']);
    await source.query(
      `ALTER TABLE m ATTACH PARTITION m_1 ${month(1)}; INSERT INTO m VALUES (999, '2024-01-11', 'again')`,
    );
    await sameTrees(source, target, ['m']);
    // A DEFAULT partition that is split.
    await source.query(`INSERT INTO m SELECT g, '2024-05-05', 'rest' FROM generate_series(1, 40) g`);
    await source.query(`BEGIN; CREATE TABLE m_5 (LIKE m INCLUDING ALL);
      WITH moved AS (DELETE FROM m_rest WHERE at >= '2024-05-01' RETURNING *) INSERT INTO m_5 SELECT * FROM moved;
      ALTER TABLE m ATTACH PARTITION m_5 ${month(5)}; COMMIT`);
    await sameTrees(source, target, ['m', 'm_rest', 'm_5']);
    run.process.kill('SIGTERM');
    const ended = await run.ended;
    assert.equal(ended.code, 0, ended.stderr);
    const verified = await pipeline.verb('verify');
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  });
}
