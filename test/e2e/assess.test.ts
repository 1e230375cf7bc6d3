import assert from 'node:assert/strict';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Assessment } from '../../core/operations/assess/report.ts';
import { findBrowser, startBrowser } from '../support/browser.ts';
import { CliProcess, cli, pipelineFile } from '../support/cli.ts';
import { short } from '../support/long.ts';
import { ownedBy, sourceOwner } from '../support/owners.ts';
import { type TestDatabase, database, ownServer, server } from '../support/servers.ts';

const schema = `
  CREATE TABLE hot (id int PRIMARY KEY, n int, k int) WITH (fillfactor = 40, autovacuum_enabled = off);
  CREATE INDEX ON hot (k);
  CREATE TABLE "<b>odd</b> & co" (id int, note text);
  CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY);
  CREATE TABLE left_out (id int PRIMARY KEY);
  INSERT INTO hot SELECT i, 0, i FROM generate_series(1, 1000) i;
  INSERT INTO "<b>odd</b> & co" SELECT i, repeat('x', 90) FROM generate_series(1, 1000) i;`;
/** 300 HOT updates and 70 that change an index, 25 inserts, 40 deletes and 120 updates of the table without identity. */
const workload = [
  'UPDATE hot SET n = n + 1 WHERE id <= 300',
  'UPDATE hot SET k = k + 5000 WHERE id BETWEEN 301 AND 370',
  'INSERT INTO hot SELECT i, 0, i FROM generate_series(2001, 2025) i',
  'DELETE FROM hot WHERE id > 960 AND id <= 1000',
  'UPDATE "<b>odd</b> & co" SET note = note WHERE id <= 120',
  'INSERT INTO left_out SELECT generate_series(1, 500)',
];

async function fileFor(source: TestDatabase, target: string): Promise<string> {
  return pipelineFile(`pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}", tables: { exclude: [public.left_out] } }
sinks: [{ plugin: postgres, url: "${target}" }]
`);
}

/** Does the workload while the source is watched, and ends the watch by SIGINT. */
async function watched(source: TestDatabase, args: readonly string[]): Promise<CliProcess> {
  const run = new CliProcess(['assess', ...args, '--for', '1h', '--log', 'json']);
  while (!run.stderr.includes('"watching"')) {
    if (run.process.exitCode !== null) throw new Error(run.stderr);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  for (const sql of workload) await source.query(sql);
  // The collector of 14 writes its numbers down every half second.
  await new Promise((resolve) => setTimeout(resolve, 2000));
  run.process.kill('SIGINT');
  await run.ended;
  return run;
}

const position = async (source: TestDatabase) => {
  const [row] = await source.query<{ at: string }>(`SELECT pg_current_wal_insert_lsn() - '0/0' AS at`);
  return Number(row!.at);
};

for (const [major, as] of short(2, [
  [14, 'superuser'],
  [18, 'owner'],
  [14, 'owner'],
  [18, 'superuser'],
] as const)) {
  test(`${major}, ${as}: what is watched is counted exactly, and nothing is left behind`, async () => {
    const made = await database(await server(major), 'assess_src');
    const target = await database(await server(major), 'assess_dst');
    const source = as === 'owner' ? await ownedBy(made, sourceOwner) : made;
    await source.query(schema);
    await source.query('ANALYZE');
    const before = await position(made);
    const run = await watched(source, [await fileFor(source, target.url), '--json']);
    const after = await position(made);
    const report = JSON.parse(run.stdout) as Assessment;
    assert.deepEqual(
      report.tables.map(({ name }) => name),
      ['public.hot', 'public.<b>odd</b> & co', 'public.scratch'],
    );
    const [hot, odd, scratch] = report.tables;
    const { inserts, updates, hotUpdates, deletes, deadRows, identified } = hot!;
    assert.deepEqual([inserts, updates, hotUpdates, deletes, identified], [25, 370, 300, 40, true]);
    assert.ok(deadRows > 0, 'nobody vacuumed');
    assert.deepEqual([odd!.updates, odd!.inserts, odd!.identified], [120, 0, false]);
    assert.equal(scratch!.unlogged, true);
    const [size] = await source.query<{ heap: string }>(`SELECT pg_relation_size('"<b>odd</b> & co"') AS heap`);
    assert.equal(scratch!.heap, 0);
    assert.ok(hot!.indexes > 0 && odd!.heap > 0 && odd!.heap <= Number(size!.heap));

    const wal = report.walPerSecond.byPosition * report.watched;
    const byStatistics = report.walPerSecond.byStatistics * report.watched;
    assert.ok(wal > 50_000 && wal <= after - before + 1, `${wal} of ${after - before} bytes`);
    // No bound above: sessions of other tests hand in what they wrote before the watch.
    assert.ok(byStatistics > 50_000, `${byStatistics} by pg_stat_wal`);
    // 120 old rows of the size that they have in the heap.
    const full = odd!.fullBytesPerSecond! * report.watched;
    assert.ok(full >= 120 * 90 && full <= 120 * 250, `${full} bytes for FULL`);
    assert.equal(report.seesSessions, as === 'superuser');

    assert.equal(report.verdict, 'GO WITH WORK', JSON.stringify(report.reasons));
    assert.ok(report.reasons.some(({ what }) => what.includes('odd') && what.startsWith('replica-identity')));
    assert.equal(run.process.exitCode, 0, run.stderr);
    const left = await made.query(`SELECT slot_name FROM pg_replication_slots WHERE database = current_database()
      UNION ALL SELECT pubname FROM pg_publication UNION ALL SELECT nspname FROM pg_namespace WHERE nspname = 'pgsluice'`);
    assert.deepEqual(left, []);
    assert.deepEqual(
      await target.query(`SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace`),
      [],
    );
  });
}

/** Rows in the heap and in TOAST, a filter, a column that text alone can take over, a table without rows. */
const probed = `
  CREATE TYPE mood AS ENUM ('well', 'ill');
  CREATE TABLE large (id int PRIMARY KEY, m mood, note text, long text);
  ALTER TABLE large ALTER long SET STORAGE EXTERNAL;
  CREATE TABLE small (id int PRIMARY KEY, at timestamptz DEFAULT now());
  CREATE TABLE none (id int PRIMARY KEY);
  CREATE INDEX ON large (note, id);
  CREATE INDEX ON large (m);
  CREATE INDEX ON large (id) WHERE id > 7;
  INSERT INTO large SELECT i, 'ill', repeat('x', 200), CASE WHEN i % 20 = 0 THEN repeat('y', 9000) END FROM generate_series(1, 40000) i;
  INSERT INTO small SELECT generate_series(1, 500);`;

test('--probe measures a copy through the plans and the decoding of the watch, and leaves nothing on either side', async () => {
  const source = await database(await server(17), 'assess_src');
  const target = await database(await server(17), 'assess_dst');
  await source.query(probed);
  const file = await pipelineFile(`pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
transforms:
  - { plugin: filter, tables: public.large, where: "id % 2 = 0" }
  - { plugin: rename, tables: public.large, to: other.place }
sinks: [{ plugin: postgres, url: "${target.url}" }]
`);
  const before = await position(source);
  const run = new CliProcess(['assess', file, '--probe', '--for', '3s', '--json', '--log', 'json']);
  while (!run.stderr.includes('"watching"')) await new Promise((resolve) => setTimeout(resolve, 50));
  await source.query(`UPDATE large SET note = note || 'z' WHERE id <= 20000`);
  await run.ended;
  assert.equal(run.process.exitCode, 0, run.stderr);
  const { probe, rates } = JSON.parse(run.stdout) as Assessment;
  const [size] = await source.query<{ bytes: string }>(
    `SELECT sum(pg_table_size(oid)) AS bytes FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
  );
  assert.ok(probe !== null && 'bytes' in probe.copy && 'bytes' in probe.decode, JSON.stringify(probe));
  const share = probe.copy.bytes / Number(size!.bytes);
  assert.ok(share > 0.99 && share < 1.01, `${share} of the tables with TOAST`);
  assert.ok(probe.copy.seconds > 0 && probe.copy.seconds < 60);
  const { transforms } = probe;
  assert.ok(transforms !== null && 'bytes' in transforms.with && 'bytes' in transforms.without);
  const [large] = await source.query<{ bytes: string }>(`SELECT pg_table_size('large') AS bytes`);
  assert.equal(transforms.tables, 1);
  for (const { bytes } of [transforms.with, transforms.without]) {
    assert.ok(Math.abs(bytes / Number(large!.bytes) - 1) < 0.01, `${bytes} of ${large!.bytes}`);
  }
  assert.equal(rates.copy.by, 'measured');
  // The primary key and the index of (note, id), under their new names and built over the half that the filter keeps; none over the enum.
  assert.ok('bytes' in probe.index, JSON.stringify(probe.index));
  const [indexes] = await target
    .query<{ bytes: string }>(
      `CREATE TABLE same AS SELECT i AS id, repeat('x', 200) AS note FROM generate_series(2, 40000, 2) i;
     CREATE INDEX ON same (id); CREATE INDEX ON same (note, id)`,
    )
    .then(() => target.query<{ bytes: string }>(`SELECT pg_indexes_size('same') AS bytes`));
  const part = probe.index.bytes / Number(indexes!.bytes);
  assert.ok(part > 0.95 && part < 1.1, `${part} of the indexes that the rows have`);
  assert.ok(probe.index.seconds > 0 && probe.index.seconds < 60);
  assert.deepEqual(rates.index, { bytes: probe.index.bytes / probe.index.seconds, by: 'measured' });
  assert.equal(rates.copy.bytes, probe.copy.bytes / probe.copy.seconds);
  // 20,000 new versions of rows of more than 200 bytes.
  const written = (await position(source)) - before;
  assert.ok(probe.decode.bytes > 4e6 && probe.decode.bytes <= written, `${probe.decode.bytes} of ${written}`);
  const left = await source.query(`SELECT slot_name FROM pg_replication_slots WHERE database = current_database()
    UNION ALL SELECT pubname FROM pg_publication UNION ALL SELECT nspname FROM pg_namespace WHERE nspname ~ 'pgsluice'`);
  assert.deepEqual(left, []);
  const made = await target.query(`SELECT nspname FROM pg_namespace WHERE nspname ~ 'pgsluice|other'`);
  assert.deepEqual(made, []);
});

test('WAL beyond max_slot_wal_keep_size and a path that is too slow: NO-GO, exit 3', async () => {
  const source = await database(await ownServer(17, { max_slot_wal_keep_size: '1MB' }), 'assess_src');
  const target = await database(await server(17), 'assess_dst');
  await source.query(schema);
  const file = await fileFor(source, target.url);
  await writeFile(join(dirname(file), 'keep.mjs'), 'export default () => (row) => row;\n');
  await appendFile(file, 'transforms: [{ plugin: script, tables: public.hot, module: ./keep.mjs }]\n');
  const { stdout } = await watched(source, [file, '--copy-rate', '1B/s', '--apply-rate', '1B/s']);
  assert.match(stdout, /: NO-GO\n/);
  assert.match(stdout, /blocks {2}about .* of WAL pile up .* max_slot_wal_keep_size keeps 1\.0 MB/);
  assert.match(stdout, /→ ALTER SYSTEM SET max_slot_wal_keep_size = '\d+MB'; SELECT pg_reload_conf\(\);/);
  assert.match(stdout, /blocks {2}the source writes .* not less than the 1 B a second that the stream is said to take/);
  assert.match(
    stdout,
    /work {4}cutover: public\.hot: it goes through code .* and is not compared\n +→ .*--accept public\.hot;/,
  );
  assert.match(stdout, /free disk +not known/);
  assert.match(stdout, /NO-GO\n$/);
});

test('a target that does not answer is a NO-GO: nobody knows what it lacks', async () => {
  const source = await database(await server(17), 'assess_src');
  await source.query('CREATE TABLE t (id int PRIMARY KEY)');
  const file = await fileFor(source, 'postgres://nobody@127.0.0.1:1/none').then(async (path) => {
    const text = (await readFile(path, 'utf8')).replace(', tables: { exclude: [public.left_out] }', '');
    return pipelineFile(`${text}checkpoint: { plugin: file }\n`);
  });
  const ended = await cli(['assess', file, '--probe', '--for', '1s']);
  assert.equal(ended.code, 3, ended.stderr + ended.stdout);
  assert.match(ended.stdout, /probe of the copy +not measured: PGS20\d\d: /);
  // Other tests write on the same server.
  assert.match(ended.stdout, /probe of decoding +(not measured: less than 1 MB of WAL|.* of WAL in )/);
  assert.match(ended.stdout, /blocks {2}pgs20\d\d: /);
});

test('times and rates without a unit are refused with 2', async () => {
  const file = await pipelineFile('pipeline: p\n');
  for (const args of short(1, [
    ['--apply-rate', '15MB'],
    ['--for', '10'],
    ['--for', '0s'],
  ])) {
    const ended = await cli(['assess', file, ...args]);
    assert.equal(ended.code, 2);
    assert.match(ended.stderr, /PGS1104/);
  }
});

const browserPath = findBrowser();
const none = 'NO BROWSER: install chromium, or name one in CHROMIUM. The report was NOT opened in a browser.';

test('the HTML report is one file that loads nothing, and names in it are text', {
  skip: browserPath === null && process.env['PGSLUICE_REQUIRE_BROWSER'] !== '1' && none,
}, async () => {
  assert.notEqual(browserPath, null, none);
  const source = await database(await server(17), 'assess_src');
  const target = await database(await server(17), 'assess_dst');
  await source.query(schema);
  const file = await fileFor(source, target.url);
  const html = join(dirname(file), 'report.html');
  await watched(source, [file, '--html', html]);
  await using browser = await startBrowser(browserPath!);
  const page = await browser.newPage();
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => requests.push(request.url()));
  await page.goto(pathToFileURL(html).href);
  assert.equal(await page.locator('#verdict').textContent(), 'GO WITH WORK');
  const rows = await page.locator('#tables tbody tr').allTextContents();
  assert.equal(rows.length, 3);
  assert.ok(rows[1]?.startsWith('public.<b>odd</b> & co'), rows[1]);
  assert.match(rows[0]!, /25370/, 'inserts and updates stand side by side');
  assert.match(rows[0]!, /MB\d+\.\d25370|kB\d+\.\d25370/, 'behind the changes a second');
  const areas = page.locator('polygon');
  assert.equal(await areas.count(), 2);
  for (const area of await areas.all()) assert.ok(((await area.boundingBox())?.height ?? 0) > 10, 'something is drawn');
  assert.deepEqual(complaints, []);
  assert.deepEqual(requests, [pathToFileURL(html).href]);
});
