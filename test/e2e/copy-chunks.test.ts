import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openWriter, randomFrom } from '../support/live.ts';
import { eventsOf, hashes, migration } from '../support/migration.ts';
import { server } from '../support/servers.ts';

/**
 * Tables that page ranges could get wrong, in ranges of a few pages: keys without an order of their own, no key, rows in few of many
 * pages, no row in many pages, values that lie beside the heap. Autovacuum stays away, so that the pages stay as they were made.
 */
const tables = `
  CREATE TABLE by_uuid (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int, v text) WITH (autovacuum_enabled = off);
  INSERT INTO by_uuid (n, v) SELECT i, repeat('u', 150) FROM generate_series(1, 4000) i;
  CREATE TABLE by_text (id text COLLATE "C" PRIMARY KEY, n int, v text) WITH (autovacuum_enabled = off);
  INSERT INTO by_text SELECT md5(i::text) || 'é', i, repeat('t', 150) FROM generate_series(1, 4000) i;
  CREATE TABLE no_key (n int, v text) WITH (autovacuum_enabled = off);
  ALTER TABLE no_key REPLICA IDENTITY FULL;
  INSERT INTO no_key SELECT i % 50, repeat('k', 150) FROM generate_series(1, 4000) i;
  CREATE TABLE in_front (id int PRIMARY KEY, n int, v text) WITH (autovacuum_enabled = off);
  INSERT INTO in_front SELECT i, 0, repeat('f', 150) FROM generate_series(1, 8000) i;
  DELETE FROM in_front WHERE id > 60;
  CREATE TABLE at_end (id int PRIMARY KEY, n int, v text) WITH (autovacuum_enabled = off);
  INSERT INTO at_end SELECT i, 0, repeat('e', 150) FROM generate_series(1, 8000) i;
  DELETE FROM at_end WHERE id <= 7900;
  VACUUM at_end;
  CREATE TABLE emptied (id int PRIMARY KEY, n int, v text) WITH (autovacuum_enabled = off);
  INSERT INTO emptied SELECT i, 0, repeat('d', 150) FROM generate_series(1, 4000) i;
  DELETE FROM emptied;
  CREATE TABLE toasted (id int PRIMARY KEY, n int, v text) WITH (autovacuum_enabled = off);
  ALTER TABLE toasted ALTER v SET STORAGE EXTERNAL;
  INSERT INTO toasted SELECT i, 0, CASE i % 40 WHEN 0 THEN repeat(md5(i::text), 3000) ELSE repeat('o', 500) END FROM generate_series(1, 800) i;
  CREATE TABLE one_page (id int PRIMARY KEY, n int, v text) WITH (autovacuum_enabled = off);
  ALTER TABLE one_page ALTER v SET STORAGE EXTERNAL;
  INSERT INTO one_page SELECT i, 0, repeat(md5(i::text), 6000) FROM generate_series(1, 8) i;`;
const names = ['by_uuid', 'by_text', 'no_key', 'in_front', 'at_end', 'emptied', 'toasted', 'one_page'];

/** One transaction; rows move to other pages, go, and come. */
function changes(below: (n: number) => number, round: number): string {
  const new_id = 100_000 + round;
  return `BEGIN;
    UPDATE by_uuid SET n = n + 1 WHERE n = ${below(4000)}; DELETE FROM by_uuid WHERE n = ${below(4000)};
    INSERT INTO by_uuid (n, v) VALUES (${new_id}, 'new');
    UPDATE by_text SET id = id || 'x' WHERE n = ${below(4000)}; DELETE FROM by_text WHERE n = ${below(4000)};
    UPDATE no_key SET v = v || 'x' WHERE ctid = (SELECT min(ctid) FROM no_key WHERE n = ${below(50)});
    DELETE FROM no_key WHERE ctid = (SELECT max(ctid) FROM no_key WHERE n = ${below(50)}); INSERT INTO no_key VALUES (${below(50)}, repeat('k', 150));
    UPDATE in_front SET n = n + 1 WHERE id = ${below(60)}; INSERT INTO in_front VALUES (${new_id}, 0, 'new');
    UPDATE at_end SET n = n + 1 WHERE id = ${7900 + below(100)}; INSERT INTO at_end VALUES (${new_id}, 0, 'new');
    INSERT INTO emptied VALUES (${new_id}, 0, 'new'); DELETE FROM emptied WHERE id = ${new_id - 5};
    UPDATE toasted SET n = n + 1 WHERE id = ${40 * below(20)}; UPDATE toasted SET v = repeat('y', 2500) WHERE id = ${below(800)};
    UPDATE one_page SET n = n + 1 WHERE id = ${below(8)};
    COMMIT`;
}

for (const [from, to] of [
  [15, 17],
  [17, 18],
] as const) {
  test(`tables of every kind in small page ranges, written to meanwhile, are the same in the end: ${from} to ${to}`, async () => {
    const run = await migration({
      from: await server(from),
      to: await server(to),
      source: '  snapshot: { chunk_size: 64kB, workers: 3 }',
    });
    // VACUUM cannot run inside the one transaction of several statements.
    for (const sql of tables.split(/;\n/)) await run.source.query(sql);
    const writer = await openWriter(run.source.url);
    const copying = run.start('--stop-at', 'now');
    let over = false;
    void copying.ended.then(() => (over = true));
    const below = randomFrom(from);
    let rounds = 0;
    // Also where the copy should be over before: some changes are always in the stream.
    for (; !over || rounds < 20; rounds++) {
      await writer.query(changes(below, rounds));
      await sleep(2);
    }
    await writer.end();
    const { code, stdout, stderr } = await copying.ended;
    assert.equal(code, 0, stderr);
    const [started] = eventsOf({ stdout }, 'copy-started');
    assert.equal(started?.['tables'], names.length);
    assert.ok(Number(started['chunks']) > 100, `${String(started['chunks'])} chunks`);
    await run.run();
    assert.deepEqual(await hashes(run.target, names), await hashes(run.source, names));
  });
}
