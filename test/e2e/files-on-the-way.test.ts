import assert from 'node:assert/strict';
import { Session } from 'node:inspector/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { relative } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import { loadPipeline } from '../../core/config/load.ts';
import { noMetrics } from '../../core/base/no-metrics.ts';
import { runPipeline } from '../../core/operations/run/run.ts';
import { type OpenPipeline, openPipeline } from '../../core/pipeline/open/open-pipeline.ts';
import { Registry } from '../../core/registry/registry.ts';
import { builtins } from '../../plugins/builtins.ts';
import { pipelineFile } from '../support/cli.ts';
import { database, server, type TestDatabase } from '../support/servers.ts';
import { keepingLog } from '../support/source-context.ts';

/**
 * How many files of the product take part when one row goes from the source's socket to the target's, counted by V8. The row waits
 * in the target for a lock while the count is taken, so what follows the row (positions, confirmations) is not in it. Left out are
 * helpers that pass nothing on, by name, with the reason.
 */
const most = 20;
const besides: Readonly<Record<string, string>> = {
  'core/base/no-metrics.ts': 'counts nothing, in place of a counter',
  'core/base/race-abort.ts': 'the first of several promises',
  'core/registry/call.ts': 'names the plugin in what a call of it throws',
  'core/pipeline/progress/run-view.ts': 'counts what passes, for whoever looks',
  'core/pipeline/stream/ack-ledger.ts': 'positions of rows that went before',
  'core/postgres/lsn.ts': 'prints a position',
};
const root = fileURLToPath(new URL('../../', import.meta.url));
const v8 = new Session();
v8.connect();

async function filesUsed(): Promise<Set<string>> {
  const { result } = await v8.post('Profiler.takePreciseCoverage');
  const used = result.filter(({ functions }) => functions.some(({ ranges }) => ranges[0]!.count > 0));
  const files = used.flatMap(({ url }) => (url.startsWith('file:') ? [relative(root, fileURLToPath(url))] : []));
  return new Set(files.filter((file) => /^(core|plugins)\//.test(file)));
}

/** In this process, as V8 counts nothing of others. */
async function open(source: TestDatabase, target: TestDatabase, stop: AbortSignal): Promise<OpenPipeline> {
  const file = await pipelineFile(`pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
sinks: [{ plugin: postgres, url: "${target.url}" }]
checkpoint: { plugin: file }
`);
  const loaded = await loadPipeline(file, new Registry(builtins), {});
  assert.ok(loaded.ok);
  const options = { config: loaded.pipeline, log: keepingLog(), metrics: noMetrics, debugValues: false, stop };
  return openPipeline({ ...options, lock: 'hold' });
}

const run = ({ context, config, instances }: OpenPipeline) => runPipeline(context, { config, instances, stopAt: null });

for (const [kind, statement] of Object.entries({
  insert: 'INSERT INTO t VALUES ($1, repeat($$x$$, 20))',
  update: 'UPDATE t SET v = $$y$$ WHERE id = $1',
  delete: 'DELETE FROM t WHERE id = $1',
}))
  test(`a row of the stream passes few files: ${kind}`, async (t) => {
    const on = await server(17);
    const [source, target] = [await database(on, 'way'), await database(on, 'way')];
    await source.query('CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (0, NULL)');
    if (kind !== 'insert') await source.query('INSERT INTO t SELECT i FROM generate_series(2, 9) i');
    const stop = new AbortController();
    await using pipeline = await open(source, target, stop.signal);
    const running = run(pipeline);
    const arrived = async (id: number) => {
      while ((await target.query(`SELECT 1 FROM t WHERE id = ${id}`).catch(() => [])).length === 0) await sleep(5);
    };
    await arrived(0);
    await source.query('INSERT INTO t VALUES (1, repeat($$x$$, 20))');
    await arrived(1);
    const waits = async () => {
      const query = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
      while ((await target.query(query)).length === 0) await sleep(5);
    };
    await v8.post('Profiler.enable');
    await v8.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
    // What looks at the source now and then is not in every window.
    const windows: Set<string>[] = [];
    for (let id = 2; id < 10; id++) {
      const lock = new pg.Client({ connectionString: target.url });
      await lock.connect();
      await lock.query('BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE');
      await sleep(150);
      await filesUsed();
      await source.query(statement.replace('$1', String(id)));
      await waits();
      windows.push(await filesUsed());
      await lock.end();
      await source.query(`INSERT INTO t VALUES (${-id})`);
      await arrived(-id);
    }
    await v8.post('Profiler.stopPreciseCoverage');
    stop.abort();
    assert.equal(await running, 'stopped');
    const files = [...windows[0]!]
      .filter((used) => windows.every((window) => window.has(used)) && besides[used] === undefined)
      .toSorted();
    t.diagnostic(`${files.length} files: ${files.join(', ')}`);
    assert.ok(files.length > 5 && files.length <= most, `${files.length} files:\n${files.join('\n')}`);
  });

/** Chunks of so many files at most; each is counted that had a function called for at least every second read of the socket. */
const mostOfCopy = 12;

test('a chunk of a COPY passes few files', async (t) => {
  const on = await server(17);
  const [source, target] = [await database(on, 'way'), await database(on, 'way')];
  await source.query(
    'CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, repeat($$x$$, 800) FROM generate_series(1, 150000) i',
  );
  const stop = new AbortController();
  await using pipeline = await open(source, target, stop.signal);
  await v8.post('Profiler.enable');
  await v8.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  const running = run(pipeline);
  const until = async (query: string) => {
    while ((await target.query(query).catch(() => [])).length === 0) await sleep(5);
  };
  // What happened before the copy is not counted.
  await until('SELECT 1 FROM pg_stat_progress_copy WHERE tuples_processed > 100');
  await v8.post('Profiler.takePreciseCoverage');
  await until('SELECT 1 FROM t OFFSET 149999');
  const { result } = await v8.post('Profiler.takePreciseCoverage');
  await v8.post('Profiler.stopPreciseCoverage');
  stop.abort();
  await running.catch(() => {});
  const calls = new Map<string, number>();
  for (const { url, functions } of result) {
    if (!url.startsWith('file:')) continue;
    calls.set(relative(root, fileURLToPath(url)), Math.max(...functions.map(({ ranges }) => ranges[0]!.count)));
  }
  const reads = calls.get('core/postgres/bulk-socket.ts') ?? 0;
  const files = [...calls].flatMap(([path, count]) =>
    /^(core|plugins)\//.test(path) && count * 2 > reads ? [path] : [],
  );
  // What runs once for each table and column is not of the way, however often it runs at the start.
  const way = files
    .filter((path) => !/^core\/postgres\/(?:connect|conninfo|connection|hosts|service)/.test(path))
    .toSorted();
  t.diagnostic(`${reads} reads, ${way.length} files: ${way.join(', ')}`);
  assert.ok(reads > 100 && way.length > 3 && way.length <= mostOfCopy, way.join('\n'));
});
