import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { freePort } from '../../core/servers/free-port.ts';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { short } from '../support/long.ts';
import { database, server, type TestDatabase } from '../support/servers.ts';

const on = await server(17);

async function pair(prefix: string): Promise<{ source: TestDatabase; target: TestDatabase }> {
  const source = await database(on, `${prefix}_src`);
  const target = await database(on, `${prefix}_dst`);
  await source.query(`CREATE TABLE large (id int PRIMARY KEY, v text); CREATE TABLE small (id int PRIMARY KEY);
    INSERT INTO large SELECT i, repeat('x', 200) FROM generate_series(1, 40000) i; INSERT INTO small VALUES (1)`);
  return { source, target };
}

function yaml({ source, target }: { source: TestDatabase; target: TestDatabase }, more = ''): string {
  return `pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
sinks: [{ plugin: postgres, url: "${target.url}" }]
${more}`;
}

function start(t: TestContext, args: readonly string[]): CliProcess {
  const run = new CliProcess([...args, '--log', 'json']);
  t.after(() => run.process.kill('SIGKILL'));
  return run;
}

interface Status {
  readonly phase: string;
  readonly running: boolean;
  readonly slot: { readonly active: boolean; readonly retainedBytes: number } | null;
  readonly sourceError: { readonly code: string } | null;
  readonly sinks: readonly { readonly lagBytes: number | null; readonly tables: { readonly finished: number } }[];
  readonly tables: readonly { readonly table: string; readonly state: string; readonly bytes: number }[];
  readonly run: { readonly phase: string; readonly ended: boolean } | null;
}

async function status(file: string, exit = 0): Promise<Status> {
  const { stdout, stderr, code } = await cli(['status', file, '--json']);
  assert.equal(code, exit, stderr);
  return JSON.parse(stdout) as Status;
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within a minute: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

for (const checkpoint of short(1, ['postgres', 'file'])) {
  test(`status from another shell, checkpoint in ${checkpoint}: before, during the copy, following, stopped, source away`, async (t) => {
    const both = await pair(`status_${checkpoint}`);
    const { source } = both;
    const file = await pipelineFile(yaml(both, `checkpoint: { plugin: ${checkpoint} }\nlimit: { rate: 1MB/s }\n`));
    const before = await status(file);
    assert.deepEqual([before.phase, before.running, before.slot, before.run], ['not started', false, null, null]);

    const run = start(t, ['run', file]);
    await run.until('copy-started');
    let during: Status | null = null;
    await until('the large table is seen under way', async () => {
      during = await status(file);
      return during.tables.some((table) => table.state === 'copying' && table.bytes > 0);
    });
    const copying: Status = during!;
    assert.deepEqual([copying.phase, copying.running, copying.run!.phase], ['snapshot', true, 'copy']);
    assert.equal(copying.tables.length, 2);
    const words = await cli(['status', file]);
    assert.match(words.stdout, /: copying\n/);
    assert.match(words.stdout, /public\.large {2}copying +\d+ %/);

    await run.until('caught-up');
    await until('the run notes that it follows', async () => (await status(file)).run?.phase === 'follow');
    const following = await status(file);
    assert.deepEqual([following.phase, following.running, following.slot!.active], ['stream', true, true]);
    assert.equal(following.sinks[0]!.tables.finished, 2);
    run.process.kill('SIGTERM');
    assert.equal((await run.ended).code, 0);

    await source.query('INSERT INTO small SELECT i FROM generate_series(2, 1000) i');
    const stopped = await status(file);
    assert.deepEqual([stopped.running, stopped.slot!.active, stopped.run!.ended], [false, false, true]);
    assert.ok(stopped.sinks[0]!.lagBytes! > 0 && stopped.slot!.retainedBytes > 0);
    assert.match((await cli(['status', file])).stdout, /nothing runs now: go on with pgsluice run/);

    const away = yaml({
      ...both,
      source: { ...source, url: `postgres://postgres@127.0.0.1:${await freePort()}/none` },
    });
    await writeFile(file, `${away}checkpoint: { plugin: ${checkpoint} }\n`);
    const { stdout, stderr, code } = await cli(['status', file]);
    assert.equal(code, 1);
    assert.match(stderr, /^PGS2001 [^\n]*\n$/);
    assert.match(stdout, /source: cannot be asked \(PGS2001 /);
    assert.match(stdout, /2 of 2 tables finished/);
  });
}

test('a first start begins with the checks: findings are lines of errors, exit 3, nothing is made; one may be skipped', async (t) => {
  const both = await pair('checks');
  const { source, target } = both;
  await source.query(`CREATE TABLE bare (v int); CREATE TABLE scratch (id int PRIMARY KEY);
    ALTER TABLE scratch REPLICA IDENTITY NOTHING`);
  const file = await pipelineFile(yaml(both));
  const refused = await cli(['run', file, '--log', 'json']);
  assert.equal(refused.code, 3);
  const lines = refused.stderr.trimEnd().split('\n');
  assert.equal(lines.length, 2, refused.stderr);
  for (const [i, table] of ['bare', 'scratch'].entries()) {
    assert.match(lines[i]!, new RegExp(`^PGS2103 check [a-z-]+: .*\\(table public\\.${table}\\) – .*ALTER TABLE`));
  }
  assert.deepEqual(await source.query(`SELECT 1 FROM pg_replication_slots WHERE database = '${source.name}'`), []);
  assert.deepEqual(await source.query('SELECT 1 FROM pg_publication'), []);
  assert.deepEqual(await target.query(`SELECT 1 FROM pg_namespace WHERE nspname = 'pgsluice'`), []);

  // What the check would have told is now told by the run itself: a publication that would break writes is not made.
  const names = lines.map((line) => /check ([a-z-]+):/.exec(line)![1]!);
  const skipped = await cli(['run', file, '--log', 'json', '--skip-check', ...new Set(names)]);
  assert.equal(skipped.code, 3, skipped.stderr);
  assert.doesNotMatch(skipped.stderr, /check /);

  await source.query(
    'ALTER TABLE bare REPLICA IDENTITY FULL; ALTER TABLE scratch REPLICA IDENTITY DEFAULT; SELECT lo_create(0)',
  );
  const run = start(t, ['run', file]);
  await run.until('stream-started');
  const warnings = run.events('preflight-warning');
  assert.ok(
    warnings.some(({ check }) => check === 'large-objects'),
    JSON.stringify(warnings),
  );
  run.process.kill('SIGTERM');
  assert.equal((await run.ended).code, 0);
  // A pipeline that is under way is not held up by what was fine when it began.
  await source.query('CREATE TABLE late (v int PRIMARY KEY)');
  const again = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
  assert.equal(again.code, 0, again.stderr);
});

test('metrics and readiness of a run that copies and follows; progress is logged now and then, the end closes the port', async (t) => {
  const both = await pair('metrics');
  const file = await pipelineFile(yaml(both, 'limit: { rate: 2MB/s }\nhttp: 127.0.0.1:0\n'));
  const run = start(t, ['run', file]);
  await run.until('http-listening');
  const url = String(run.events('http-listening')[0]?.['url']);
  const ask = async (path: string) => {
    const response = await fetch(url + path);
    return { status: response.status, text: await response.text() };
  };
  await run.until('copy-started');
  const early = await ask('/readyz');
  assert.equal(early.status, 503);
  assert.match(early.text, /"code":"not-following"/);
  assert.equal((await ask('/healthz')).status, 200);
  await run.until('caught-up');
  await both.source.query('INSERT INTO small SELECT i FROM generate_series(2, 500) i');
  const value = (text: string, name: string) =>
    Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1]);
  await until('the changes are counted', async () => {
    return value((await ask('/metrics')).text, 'pgsluice_sink_changes_total') >= 499;
  });
  const { text } = await ask('/metrics');
  assert.equal(value(text, 'pgsluice_copy_rows_total'), 40_001);
  assert.ok(value(text, 'pgsluice_copy_bytes_total') > 40_000 * 200);
  assert.ok(value(text, 'pgsluice_slot_retained_wal_bytes') >= 0);
  assert.ok(value(text, 'pgsluice_source_transactions_total') >= 1, 'what the source plugin counts');
  assert.match(text, /pgsluice_phase\{phase="follow",pipeline="[^"]+"\} 1/);
  await until('it is ready', async () => (await ask('/readyz')).status === 200);
  const progress = run.events('progress').length;
  const seconds = (Date.now() - Number(JSON.parse((await ask('/status.json')).text).startedAt)) / 1000;
  assert.ok(progress <= seconds / 10 + 1, `${progress} lines of progress in ${seconds} s`);
  run.process.kill('SIGTERM');
  assert.equal((await run.ended).code, 0);
  await assert.rejects(fetch(`${url}/healthz`));
});

test('an http address in use ends a first start before anything is made', async (t) => {
  const one = await pair('port_a');
  const port = await freePort();
  const run = start(t, ['run', await pipelineFile(yaml(one, `http: ${port}\n`))]);
  await run.until('http-listening');
  const two = await pair('port_b');
  const { code, stderr } = await cli(['run', await pipelineFile(yaml(two, `http: ${port}\n`))]);
  assert.equal(code, 1);
  assert.match(stderr, /^PGS6080 cannot serve http on 127\.0\.0\.1:\d+: it is in use[^\n]*\n$/);
  assert.deepEqual(await two.source.query('SELECT 1 FROM pg_publication'), []);
  run.process.kill('SIGTERM');
  await run.ended;
});

test('all mistakes in expressions are told at their places, by plan and by run', async () => {
  const both = await pair('places');
  const file = await pipelineFile(
    yaml(
      both,
      `transforms:
  - plugin: filter
    where: |
      id > 0
      AND nosuch = 1
  - plugin: set
    tables: public.large
    columns:
      v: lower(id)
`,
    ).replace('sinks: [{', 'sinks: [{ transforms: [{ plugin: filter, tables: public.small, where: "id = other" }],'),
  );
  for (const verb of ['plan', 'run']) {
    const { code, stderr } = await cli([verb, file]);
    assert.equal(code, 2, stderr);
    const lines = stderr.trimEnd().split('\n');
    assert.equal(lines.length, 1, 'a step that fails hides what comes after it');
    assert.match(
      lines[0]!,
      /^PGS4102 \S+pipeline\.yaml:8:11: transforms\[0\] filter: no column "nosuch" \(and in 1 more table\) \(table public\.large\)/,
    );
  }
});
