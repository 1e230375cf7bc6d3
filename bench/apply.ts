/**
 * Feeds made-up batches to the Postgres sink's change plane: `node bench/apply.ts [rows-per-batch] [batches]`. Says changes
 * per second, CPU seconds of this process and rows in the target. The server is the one that comes with the checkout.
 */
import { LocalServer } from '../core/servers/local-server.ts';
import type { Change } from '../core/api/change.ts';
import type { Relation } from '../core/postgres/relation.ts';
import { Feed, never, relationOf, sinkFor } from '../test/support/apply.ts';

const size = Number(process.argv[2] ?? 20_000);
const batches = Number(process.argv[3] ?? 16);

await using server = await LocalServer.start({ major: 15, settings: { shared_buffers: '512MB', max_wal_size: '4GB' } });
const wide = Array.from({ length: 8 }, (_, i) => `c${i} text`).join(', ');
await server.query(`CREATE TABLE accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84));
  CREATE TABLE tellers (tid int PRIMARY KEY, bid int, tbalance int, filler char(84));
  CREATE TABLE branches (bid int PRIMARY KEY, bbalance int, filler char(88));
  CREATE TABLE history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
  CREATE TABLE wide (id bigint PRIMARY KEY, n numeric, at timestamptz, ${wide});
  CREATE TABLE ordered (id numeric PRIMARY KEY, n numeric, at timestamptz, ${wide});
  INSERT INTO accounts SELECT i, 1, 0, '' FROM generate_series(1, 500000) i;
  INSERT INTO tellers SELECT i, 1, 0, '' FROM generate_series(1, 50) i;
  INSERT INTO branches SELECT i, 0, '' FROM generate_series(1, 5) i;
  INSERT INTO wide SELECT i, i, now(), ${Array.from({ length: 8 }, () => "repeat('x', 30)").join(', ')} FROM generate_series(1, 100000) i;
  INSERT INTO ordered SELECT * FROM wide`);
await server.query('VACUUM ANALYZE');

const url = server.url();
const relation = (name: string) => relationOf(url, 'public', name);
const [accounts, tellers, branches, history, wideTable, ordered] = (await Promise.all(
  ['accounts', 'tellers', 'branches', 'history', 'wide', 'ordered'].map(relation),
)) as [Relation, Relation, Relation, Relation, Relation, Relation];
const pad = ' '.repeat(84);
const random = (n: number) => String(1 + Math.floor(Math.random() * n));
const stamp = '2026-01-01 00:00:00.123456';

const workloads: Record<string, (feed: Feed, rows: number) => Change[]> = {
  'TPC-B': (feed, rows) =>
    Array.from({ length: rows / 4 }, () => {
      const [aid, tid, bid] = [random(500_000), random(50), random(5)];
      return [
        feed.update(accounts, [aid, '1', random(10_000), pad]),
        feed.update(tellers, [tid, '1', random(10_000), pad]),
        feed.update(branches, [bid, random(10_000), pad]),
        feed.insert(history, [tid, bid, aid, random(10_000), stamp, null]),
      ];
    }).flat(),
  'insert only': (feed, rows) =>
    Array.from({ length: rows }, () => feed.insert(history, [random(50), '1', random(9), random(9), stamp, null])),
  'wide update': (feed, rows) => updates(feed, rows, wideTable),
  'wide update, in order': (feed, rows) => updates(feed, rows, ordered),
};

function updates(feed: Feed, rows: number, table: Relation): Change[] {
  const text = 'The quick "brown" fox, naïve';
  return Array.from({ length: rows }, () =>
    feed.update(table, [random(100_000), '12345.67', `${stamp}+00`, ...Array.from({ length: 8 }, () => text)]),
  );
}

const feed = new Feed();
await using sink = sinkFor(url);
await sink.resume(never);
for (let round = 0; round < 2; round++) {
  for (const [name, make] of Object.entries(workloads)) {
    const made = Array.from({ length: batches }, () => feed.batch(make(feed, size)));
    await server.query('CHECKPOINT');
    const cpu = process.cpuUsage();
    const from = performance.now();
    for (const batch of made) await sink.write(batch, never);
    await sink.flush(never);
    const seconds = (performance.now() - from) / 1000;
    const used = process.cpuUsage(cpu);
    const rate = Math.round((size * batches) / seconds / 1000);
    const node = ((used.user + used.system) / 1e6).toFixed(2);
    console.log(
      `${name.padEnd(24)} ${String(rate).padStart(6)} k changes/s  ${seconds.toFixed(2)} s  node CPU ${node} s`,
    );
  }
}
