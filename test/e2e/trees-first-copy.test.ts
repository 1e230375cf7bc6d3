import assert from 'node:assert/strict';
import { test } from 'node:test';
import { live } from '../support/live.ts';
import { server } from '../support/servers.ts';

await server(16);
await server(18);

/** Bounds that changed between a start that was killed and the next one: what the target still has of them keeps no row out. */
const changes: Readonly<Record<string, string>> = {
  'a partition with partitions is detached': 'ALTER TABLE t DETACH PARTITION mid; INSERT INTO t VALUES (3, 3)',
  'a partition gets a narrower bound': `BEGIN; ALTER TABLE t DETACH PARTITION low; DELETE FROM low WHERE id = 1;
    ALTER TABLE t ATTACH PARTITION low FOR VALUES FROM (MINVALUE) TO (1); INSERT INTO t VALUES (1, 1); COMMIT`,
  'two partitions exchange their bounds': `BEGIN; ALTER TABLE t DETACH PARTITION low; ALTER TABLE t DETACH PARTITION mid; TRUNCATE low, mid;
    ALTER TABLE t ATTACH PARTITION low FOR VALUES FROM (2) TO (5); ALTER TABLE t ATTACH PARTITION mid FOR VALUES FROM (MINVALUE) TO (2);
    INSERT INTO t SELECT i, i FROM generate_series(0, 4) i; COMMIT`,
};

for (const [what, sql] of Object.entries(changes))
  for (const ddl of ['follow', 'stop'])
    test(`ddl: ${ddl}, between two starts of the first copy ${what}`, async () => {
      const pipeline = await live({
        from: 16,
        to: 18,
        yaml: `ddl: ${ddl}`,
        sourceKeys: '  snapshot: { workers: 1 }',
        source: `CREATE TABLE t (id int NOT NULL, v bigint) PARTITION BY RANGE (id);
          CREATE TABLE low PARTITION OF t FOR VALUES FROM (MINVALUE) TO (2);
          CREATE TABLE mid PARTITION OF t FOR VALUES FROM (2) TO (5) PARTITION BY HASH (id);
          CREATE TABLE mid_0 PARTITION OF mid FOR VALUES WITH (MODULUS 2, REMAINDER 0);
          CREATE TABLE mid_1 PARTITION OF mid FOR VALUES WITH (MODULUS 2, REMAINDER 1);
          CREATE TABLE rest PARTITION OF t DEFAULT;
          ${['low', 'mid_0', 'mid_1', 'rest'].map((name) => `ALTER TABLE ${name} REPLICA IDENTITY FULL;`).join(' ')}
          INSERT INTO t SELECT i, i FROM generate_series(0, 9) i`,
      });
      const killed = await pipeline.toNow({ PGSLUICE_FAILPOINT: 'prepared:kill' });
      assert.equal(killed.code, null, killed.stderr);
      await pipeline.source.query(sql);
      await pipeline.settle();
      for (const name of ['t', 'low', 'mid', 'rest'])
        await pipeline.same(`SELECT tableoid::regclass, * FROM ${name}`, `SELECT tableoid::regclass, * FROM ${name}`);
      const bounds = `SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) AS bound, (SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = c.oid) AS parent
        FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')`;
      assert.equal(await pipeline.same(bounds, bounds), 6);
      const verified = await pipeline.verb('verify');
      assert.equal(verified.code, 0, verified.stdout);
    });
