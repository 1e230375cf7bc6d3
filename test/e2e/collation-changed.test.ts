import assert from 'node:assert/strict';
import { test } from 'node:test';
import { live } from '../support/live.ts';
import { server } from '../support/servers.ts';

await server(18);

// Under `ddl: follow` it follows: e2e/ddl-schema.
for (const [ddl, from] of [['stop', 18]] as const)
  test(`ddl: ${ddl}: another collation of a column is told, with what mends it, until the target has it`, async () => {
    const pipeline = await live({
      from,
      to: 18,
      yaml: `ddl: ${ddl}`,
      source: `CREATE TABLE t (id text PRIMARY KEY, v text, w text COLLATE "C"); INSERT INTO t VALUES ('a', 'b', 'c')`,
    });
    const { source, target } = pipeline;
    const told = (log: string) => [...log.matchAll(/"collation-changed".*?column (\w)/g)].map(([, column]) => column);
    assert.deepEqual(told((await pipeline.settle()).stdout), []);
    await source.query(`ALTER TABLE t ALTER v TYPE text COLLATE "C", ALTER w TYPE text COLLATE "default"`);
    await source.query(`INSERT INTO t VALUES ('A', 'B', 'x')`);
    assert.deepEqual(told((await pipeline.settle()).stdout).toSorted(), ['v', 'w']);
    const verified = await pipeline.verb('verify', '--schema');
    assert.equal(verified.code, 4, verified.stdout);
    for (const [sql] of verified.stdout.matchAll(/ALTER TABLE public\.t ALTER COLUMN [^;]*;/g)) await target.query(sql);
    assert.deepEqual(told((await pipeline.settle()).stdout), []);
    assert.equal((await pipeline.verb('verify', '--schema')).code, 0);
    assert.equal(await pipeline.same('SELECT * FROM t', 'SELECT * FROM t'), 2);
  });
