import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as f from '../../../../support/stream-frames.ts';
import { asText, Oracle, plain } from '../../../../support/stream-oracle.ts';
import { server } from '../../../../support/servers.ts';
import { streamSource } from '../../../../support/stream-source.ts';

for (const major of [14, 16, 18]) {
  test(`PostgreSQL ${major}: what a real server sent reads the same with pg-logical-replication`, async () => {
    const { db } = await streamSource(
      await server(major),
      `CREATE TYPE mood AS ENUM ('so, so', 'é');
       CREATE TABLE t (id int PRIMARY KEY, n numeric, ts timestamptz, j jsonb, b bytea, a text[], m mood, big text);
       ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
       CREATE TABLE f (a int, x text); ALTER TABLE f REPLICA IDENTITY FULL`,
    );
    await db.query(
      `INSERT INTO t SELECT i, i / 7.0, '2026-01-01Z'::timestamptz + i * interval '1 h 1 us', jsonb_build_object('i', i, 'ä', NULL),
         decode(md5(i::text), 'hex'), ARRAY['x', NULL, '"', 'ü' || i], 'é', repeat('z', i * 40) FROM generate_series(1, 200) i`,
    );
    await db.query(
      `UPDATE t SET n = NULL WHERE id % 3 = 0; UPDATE t SET id = -id WHERE id % 5 = 0; DELETE FROM t WHERE id % 7 = 0`,
    );
    await db.query(
      `INSERT INTO f VALUES (1, 'é'), (NULL, NULL); UPDATE f SET x = x || 'y'; DELETE FROM f; TRUNCATE f, t CASCADE`,
    );
    await db.query(`SELECT pg_logical_emit_message(true, 'p', 'content')`);
    const rows = await db.query<{ data: Buffer }>(
      `SELECT data FROM pg_logical_slot_peek_binary_changes('${db.name}', NULL, NULL,
         'proto_version', '1', 'publication_names', '${db.name}', 'messages', 'true')`,
    );
    const oracle = new Oracle();
    const recorder = new f.Recorder();
    const expected = [];
    for (const { data } of rows) {
      const payload = asText(data);
      const change = oracle.decode(payload);
      if (change !== null) expected.push(change);
      recorder.decode(payload);
    }
    assert.ok(expected.length > 300);
    assert.deepEqual(recorder.changes.map(plain), expected);
  });
}
