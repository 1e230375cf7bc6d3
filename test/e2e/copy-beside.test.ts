import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { openWriter } from '../support/live.ts';
import { database, server, type TestDatabase } from '../support/servers.ts';
import { onlyLong } from '../support/long.ts';
import { leftovers } from '../support/shop.ts';

/** `moving` is written throughout; `wide` takes seconds to copy at the file's rate, and is written, too. */
const tables = (rows: number) => `
  CREATE TABLE moving (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int NOT NULL DEFAULT 0);
  INSERT INTO moving (n) SELECT 0 FROM generate_series(1, 500);
  CREATE TABLE wide (id int PRIMARY KEY, moving_id bigint REFERENCES moving, v text, n int NOT NULL DEFAULT 0);
  INSERT INTO wide SELECT g, 1 + g % 500, repeat(md5(g::text), 40), 0 FROM generate_series(1, ${rows}) g;
  CREATE INDEX wide_n ON wide (n);`;

async function pair(from: number, to: number, include: string, rows = 4000) {
  const [source, target] = [await database(await server(from), 'side'), await database(await server(to), 'side')];
  await source.query(tables(rows));
  const file = await pipelineFile(`
pipeline: ${source.name}
limit: { rate: 1MB/s }
source:
  plugin: postgres
  url: "${source.url}"
  tables: { include: [${include}] }
  snapshot: { chunk_size: 512kB, workers: 2 }
sinks: [{ plugin: postgres, url: "${target.url}" }]
`);
  return { source, target, file };
}

/** Rows of both tables are inserted, changed and deleted until told to stop. */
class Writing implements AsyncDisposable {
  readonly #done: Promise<void>;
  #stop = false;
  rounds = 0;

  constructor(url: string) {
    this.#done = this.#write(url);
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await this.#done;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #write(url: string): Promise<void> {
    const client = await openWriter(url);
    try {
      for (let i = 1; !this.#stop; i++) {
        await client.query(`BEGIN; INSERT INTO moving (n) VALUES (${i}); UPDATE moving SET n = n + 1 WHERE id = ${1 + (i % 500)};
          UPDATE wide SET n = n + 1 WHERE id = ${1 + ((i * 7) % 500)}; DELETE FROM wide WHERE id = ${100_000 + i - 3};
          INSERT INTO wide VALUES (${100_000 + i}, 1 + ${i} % 500, 'new', 0); COMMIT`);
        this.rounds++;
        await new Promise((resolve) => setTimeout(resolve, 3));
      }
    } finally {
      await client.end();
    }
  }
}

async function count(target: TestDatabase): Promise<number> {
  const [row] = await target.query<{ n: string }>('SELECT max(n)::text AS n FROM moving');
  return Number(row!.n);
}

/** How often, of several looks while `copying` held, the other table had moved on since the look before. */
async function arrivals(target: TestDatabase, copying: () => boolean): Promise<{ looks: number; moved: number }> {
  let [looks, moved, last] = [0, 0, await count(target)];
  while (copying()) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    const now = await count(target);
    looks++;
    if (now > last) moved++;
    last = now;
  }
  return { looks, moved };
}

async function agree(file: string): Promise<void> {
  const verify = await cli(['verify', file]);
  assert.equal(verify.code, 0, verify.stdout + verify.stderr);
}

test('a table added to the file is copied at SIGHUP while the changes of the others keep arriving', {
  skip: onlyLong,
  timeout: 180_000,
}, async () => {
  const { source, target, file } = await pair(15, 17, 'moving');
  const run = new CliProcess(['run', file, '--log', 'json']);
  await run.until('stream-started');
  await using writing = new Writing(source.url);
  const yaml = await readFile(file, 'utf8');
  await writeFile(file, yaml.replace('include: [moving]', 'include: [moving, wide]'));
  run.process.kill('SIGHUP');
  await run.until('copy-started', 2);
  const seen = await arrivals(target, () => run.events('table-copied').length < 2 && run.process.exitCode === null);
  assert.ok(seen.looks >= 4, `the copy took a while: ${JSON.stringify(seen)} ${run.stdout}`);
  assert.ok(seen.moved >= seen.looks - 1, `the others went on: ${JSON.stringify(seen)} ${run.stdout}`);
  await run.until('resync-finished');
  await agree(file);
  assert.deepEqual(await leftovers(source), [`publication pgsluice_${source.name}`, `slot pgsluice_${source.name}`]);
  await writing.stop();
  run.process.kill('SIGTERM');
  assert.equal((await run.ended).code, 0, run.stderr);
  const cut = await cli(['cutover', file]);
  assert.equal(cut.code, 0, cut.stdout + cut.stderr);
  const [made] = await target.query(`SELECT to_regclass('wide_n')::text AS index,
    (SELECT count(*)::int FROM pg_constraint WHERE contype = 'f' AND convalidated) AS keys`);
  assert.deepEqual(made, { index: 'wide_n', keys: 1 });
});

test('resync with a run under way copies again while the changes of the others keep arriving, and the run goes on', {
  timeout: 180_000,
}, async () => {
  const { source, target, file } = await pair(17, 18, 'moving, wide');
  const run = new CliProcess(['run', file, '--log', 'json']);
  await run.until('stream-started');
  await using writing = new Writing(source.url);
  await target.query(`SET session_replication_role = replica; UPDATE wide SET v = '' WHERE id % 7 = 0`);
  const resync = new CliProcess(['resync', file, 'wide']);
  await run.until('copy-started', 2);
  const seen = await arrivals(target, () => run.events('table-copied').length < 3 && run.process.exitCode === null);
  assert.ok(seen.looks >= 4 && seen.moved >= seen.looks - 1, `${JSON.stringify(seen)} ${run.stdout}`);
  const ended = await resync.ended;
  assert.equal(ended.code, 0, ended.stdout + ended.stderr);
  assert.match(ended.stdout, /goes on with the others[^]*copied public\.wide: \d+ rows/);
  await agree(file);
  assert.equal(run.process.exitCode, null, 'the run goes on');
  await writing.stop();
  run.process.kill('SIGTERM');
  assert.equal((await run.ended).code, 0, run.stderr);
});

test('killed at each step of such a copy and started again, with writers on, the sides end identical', {
  timeout: 300_000,
}, async () => {
  const { source, target, file } = await pair(16, 16, 'moving, wide', 500);
  assert.equal((await cli(['run', file, '--stop-at', 'now'])).code, 0);
  await using writing = new Writing(source.url);
  for (const step of ['resync-copied', 'resync-reached']) {
    await target.query(`SET session_replication_role = replica; UPDATE wide SET v = '' WHERE id % 5 = 0`);
    const run = new CliProcess(['run', file, '--log', 'json'], { PGSLUICE_FAILPOINT: `${step}:kill` });
    await run.until('stream-started');
    const resync = new CliProcess(['resync', file, 'wide']);
    assert.equal((await run.ended).code, null, `${step}: ${run.stdout} ${run.stderr}`);
    resync.process.kill('SIGKILL');
    const again = new CliProcess(['run', file, '--log', 'json']);
    await again.until('resync-finished');
    await agree(file);
    assert.deepEqual(
      await leftovers(source),
      [`publication pgsluice_${source.name}`, `slot pgsluice_${source.name}`],
      step,
    );
    again.process.kill('SIGTERM');
    assert.equal((await again.ended).code, 0, again.stderr);
  }
  assert.ok(writing.rounds > 0);
});
