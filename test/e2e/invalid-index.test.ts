import assert from 'node:assert/strict';
import { test } from 'node:test';
import { migration } from '../support/migration.ts';
import { type TestDatabase, server } from '../support/servers.ts';

/** The middle of the manual's way to index a partitioned table: made ON ONLY, a child attached, others not there yet; also a level deeper. */
const half = `
  CREATE SCHEMA "P p";
  CREATE TABLE "P p".t (id int, at date, n int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
  CREATE TABLE "P p".t1 PARTITION OF "P p".t FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
  CREATE TABLE "P p".t2 PARTITION OF "P p".t FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY RANGE (at);
  CREATE TABLE "P p".t2a PARTITION OF "P p".t2 FOR VALUES FROM ('2025-01-01') TO ('2025-07-01');
  CREATE TABLE "P p".t2b PARTITION OF "P p".t2 FOR VALUES FROM ('2025-07-01') TO ('2026-01-01');
  CREATE INDEX half ON ONLY "P p".t (n); CREATE INDEX half1 ON "P p".t1 (n); ALTER INDEX "P p".half ATTACH PARTITION "P p".half1;
  CREATE INDEX deep ON ONLY "P p".t (at); CREATE INDEX deep2 ON "P p".t2 (at); ALTER INDEX "P p".deep ATTACH PARTITION "P p".deep2;
  CREATE INDEX none ON ONLY "P p".t (n, at); CREATE INDEX whole ON "P p".t (id);
  ALTER TABLE ONLY "P p".t ADD CONSTRAINT uq UNIQUE (n, at); CREATE INDEX alone ON "P p".t2b (n);
  INSERT INTO "P p".t SELECT i, date '2024-03-01' + i * 10, i FROM generate_series(1, 60) i;`;

async function indexes(db: TestDatabase): Promise<unknown> {
  return db.query(`SELECT i.indexrelid::regclass::text AS index, indisvalid AS valid, h.inhparent::regclass::text AS of
    FROM pg_index i LEFT JOIN pg_inherits h ON h.inhrelid = i.indexrelid
    WHERE i.indrelid::regclass::text LIKE '%P p%' ORDER BY 1`);
}

for (const [from, to] of [
  [14, 17],
  [18, 18],
] as const) {
  test(`partitioned indexes that are not valid yet arrive as they are, and can be finished, ${from} to ${to}`, async () => {
    const m = await migration({ from: await server(from), to: await server(to) });
    await m.source.query(half);
    await m.run();
    assert.deepEqual(await indexes(m.target), await indexes(m.source));
    await m.target.query(`CREATE INDEX half2 ON "P p".t2 (n); ALTER INDEX "P p".half ATTACH PARTITION "P p".half2`);
    const [row] = await m.target.query(
      `SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = '"P p".half'::regclass`,
    );
    assert.deepEqual(row, { valid: true });
  });
}
