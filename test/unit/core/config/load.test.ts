import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { checkTransforms } from '../../../../core/config/check-transforms.ts';
import { loadPipeline } from '../../../../core/config/load.ts';
import type { PipelineConfig } from '../../../../core/config/pipeline-config.ts';
import { fakeRegistry } from '../../../support/fake-plugins.ts';

const folder = mkdtempSync(join(tmpdir(), 'pgsluice-config-'));
after(() => rmSync(folder, { recursive: true }));

const good = `pipeline: shop
source:
  plugin: postgres
  url: postgres://a
sinks:
  - plugin: postgres
    url: postgres://b
`;

async function load(text: string, env: NodeJS.ProcessEnv = {}): Promise<PipelineConfig> {
  const all = { http: true, deadLetter: true, followDdl: true };
  const result = await loadPipeline(put(text), fakeRegistry(), env, all);
  if (!result.ok) assert.fail(result.problems.map((problem) => problem.message).join('\n'));
  return result.pipeline;
}

/** `LINE:COL CODE message` of each problem. */
async function problems(text: string, env: NodeJS.ProcessEnv = {}): Promise<string[]> {
  const result = await loadPipeline(put(text), fakeRegistry(), env);
  if (result.ok) return [];
  return result.problems.map((problem) => `${problem.line}:${problem.col} ${problem.code} ${problem.message}`);
}

function put(text: string): string {
  const file = join(folder, 'pipeline.yaml');
  writeFileSync(file, text);
  return file;
}

test('a minimal file: defaults of core and plugins, units as numbers, checkpoint in the target', async () => {
  const config = await load(good);
  assert.equal(config.pipeline, 'shop');
  assert.equal(config.directory, folder);
  assert.deepEqual(config.snapshot, {
    mode: 'initial',
    workers: 4,
    chunk_size: 268435456,
    ledger_above: 10 * 1024 ** 3,
    stream: 'after',
  });
  assert.equal(config.source.options['heartbeat'], 10_000);
  assert.equal(config.sinks[0]!.name, 'postgres');
  assert.equal(config.sinks[0]!.options['batch'], 1024 ** 2);
  assert.deepEqual(Object.keys(config.sinks[0]!.options).sort(), ['batch', 'parallel', 'schema', 'url']);
  assert.equal(config.checkpoint?.plugin.name, 'postgres');
  assert.deepEqual(config.checkpoint?.options, { url: 'postgres://b' });
  assert.equal(config.http, null);
  assert.equal(config.limit.rate, null);
  assert.equal(config.ddl, 'stop');
  assert.equal(config.deadLetter, null);
});

test('checkpoint: postgres without url takes that of the sink; with kafka alone it is a file', async () => {
  const named = await load(`${good}checkpoint: { plugin: postgres }\n`);
  assert.deepEqual(named.checkpoint?.options, { url: 'postgres://b' });
  const own = await load(`${good}checkpoint: { plugin: postgres, url: postgres://c }\n`);
  assert.deepEqual(own.checkpoint?.options, { url: 'postgres://c' });
  const kafka = await load(good.replace('plugin: postgres\n    url: postgres://b', 'plugin: kafka\n    brokers: [a]'));
  assert.equal(kafka.checkpoint?.plugin.name, 'file');
});

test('all keys of the file', async () => {
  const config = await load(`${good}http: 8377
limit: { rate: 50MB/s }
ddl: follow
dead_letter: { file: bad.jsonl }
transforms:
  - { plugin: filter, where: a > 1, tables: public.a }
  - { plugin: filter, where: a > 2 }
`);
  assert.equal(config.http, '127.0.0.1:8377');
  assert.equal(config.limit.rate, 50 * 1024 ** 2);
  assert.equal(config.ddl, 'follow');
  assert.deepEqual(config.deadLetter, {
    file: join(folder, 'bad.jsonl'),
    topic: null,
    maxFailures: 100,
    window: 10000,
  });
  assert.deepEqual(
    config.transforms.map((use) => [use.label, use.tables, use.options, use.line, use.col]),
    [
      ['transforms[0] filter', ['public.a'], { where: 'a > 1' }, 13, 5],
      ['transforms[1] filter', null, { where: 'a > 2' }, 14, 5],
    ],
  );
});

test('variables: inside a scalar only, numbers and booleans read as such, defaults, files, escapes', async () => {
  writeFileSync(join(folder, 'secret'), 'p@ss: [1]\n');
  const text = good
    .replace(
      'url: postgres://a',
      'url: "x${file:secret}y$$$${Z}"\n  snapshot: { workers: "${WORKERS}", chunk_size: "${SIZE:-64MB}" }',
    )
    .replace('url: postgres://b', 'url: ${B}\n    parallel: ${P}\n    weight: ${W}\n    topics: ${NUMERIC}');
  const env = { WORKERS: '7', B: 'a: b # c\n- d', P: 'false', W: '1.5', NUMERIC: '5' };
  const config = await load(text, env);
  assert.equal(config.source.options['url'], 'xp@ss: [1]y${Z}');
  assert.deepEqual(config.snapshot, {
    mode: 'initial',
    workers: 7,
    chunk_size: 64 * 1024 ** 2,
    ledger_above: 10 * 1024 ** 3,
    stream: 'after',
  });
  const sink = config.sinks[0]!.options;
  assert.equal(sink['url'], 'a: b # c\n- d');
  assert.equal(sink['parallel'], false);
  assert.equal(sink['weight'], 1.5);
  assert.equal(sink['topics'], '5');
});

test('a failing reference is reported at its place, once, and nothing that follows from it', async () => {
  const text = good
    .replace('postgres://a', '"postgres://u:${A}@${lower case}/${file:nowhere}${"')
    .replace('plugin: postgres\n    url', 'plugin: ${B}\n    url');
  assert.deepEqual(await problems(text), [
    '4:22 PGS1009 variable A is not set',
    '4:27 PGS1010 unknown reference ${lower case}; known: ${NAME}, ${NAME:-default}, ${file:/path}',
    '4:41 PGS1011 cannot read nowhere (ENOENT)',
    '4:56 PGS1010 reference without a closing brace',
    '6:13 PGS1009 variable B is not set',
  ]);
});

test('a value from the environment never shows in a message', async () => {
  const env = { V: 'hunter22' };
  const found = [
    ...(await problems(good.replace('plugin: postgres\n  url', 'plugin: ${V}\n  url'), env)),
    ...(await problems(`${good}ddl: \${V}\n`, env)),
    ...(await problems(`${good}transforms: [{plugin: filter, where: x, tables: "\${V}"}, "\${V}"]\n`, env)),
    ...(await problems(`${good}checkpoint: { plugin: ./\${V}.ts }\n`, env)),
    ...(await problems(`${good}limit: { rate: "\${V}" }\n`, env)),
    ...(await problems(good.replace('shop', '"${V} -"'), env)),
  ];
  assert.equal(found.length, 6);
  assert.doesNotMatch(found.join('\n'), /hunter/);
});

test('problems of a transform are placed inside the text of the option', async () => {
  const block = await load(
    `${good}transforms:
  - plugin: filter
    where: |
      a = 1
        AND BAD = 2
  - { plugin: filter, where: "x BAD" }
  - { plugin: filter, where: "x\\u0020BAD" }
  - { plugin: filter, where: "\${V} BAD" }
`,
    { V: 'secret-value' },
  );
  const found = await checkTransforms(block);
  assert.deepEqual(
    found.map((problem) => [problem.line, problem.col]),
    [
      [12, 13],
      [13, 33],
      [14, 30],
      [15, 30],
    ],
  );
  assert.match(found[0]!.message, /^transforms\[0\] filter: unexpected BAD/);
  assert.doesNotMatch(found[3]!.message, /secret-value/);
});

test('all problems at once, in the order of the file', async () => {
  const found = await problems(`pipelin: shop
source: { plugin: postgres, url: a, snapshot: { workers: many, mode: intial } }
sinks:
  - { plugin: postgres, url: b, batch: 5 }
  - { plugin: postgres, url: b, tabels: x }
  - { plugin: kafak }
  - { plugin: postgres, url: b }
  - { plugin: postgres, url: b }
`);
  assert.deepEqual(found, [
    '1:1 PGS1005 missing key "pipeline"',
    '1:1 PGS1004 unknown key "pipelin"; did you mean "pipeline"?',
    '2:58 PGS1006 "workers" must be a whole number, not text',
    '2:70 PGS1007 "mode" must be one of: initial, initial_only, never; did you mean "initial"?',
    '4:40 PGS1006 "batch" must be a size with a unit, such as 64MB, 512kB or 1.5GB, not a number',
    '5:33 PGS1004 unknown key "tabels" in sinks[1]; did you mean "tables"?',
    '6:15 PGS1012 unknown sink plugin "kafak"; did you mean "kafka"?',
    '8:5 PGS1013 sinks[3] and sinks[4] are both named "postgres"; give one of them a "name" of its own',
  ]);
});

test('alternatives: the branch that was meant is explained, not all of them', async () => {
  assert.deepEqual(await problems(good.replace('url: postgres://b', 'url: b\n    topics: [a, 1]')), [
    '8:17 PGS1006 item 2 of "topics" must be text, not a number',
  ]);
  assert.deepEqual(await problems(good.replace('url: postgres://b', 'url: b\n    topics: { a: 1 }')), [
    '8:13 PGS1006 "topics" must be text or a list, not a mapping',
  ]);
  assert.deepEqual(await problems(good.replace('url: postgres://b', 'url: b\n    weight: 3')), [
    '6:5 PGS1014 key "weight" in sinks[0] needs "topics" as well',
  ]);
});

test('anchors are followed, in their own place too; one that holds itself is refused', async () => {
  const text = `pipeline: shop
source: &base { plugin: postgres, url: a, snapshot: { workers: &n 3 } }
sinks:
  - { plugin: postgres, url: b, weight: *n, topics: x }
`;
  assert.equal((await load(text)).sinks[0]!.options['weight'], 3);
  const loop = await problems(
    'pipeline: a\nsource: &s { plugin: postgres, url: a, slot: *s }\nsinks: [{plugin: postgres, url: b}]\n',
  );
  assert.ok(
    loop.some((line) => line.includes('PGS1002')),
    loop.join('\n'),
  );
});

test('an empty file, a list, a binary and a missing file are errors, not crashes', async () => {
  assert.deepEqual(await problems(''), ['1:1 PGS1006 the file must be a mapping, not empty']);
  assert.deepEqual(await problems('- a\n'), ['1:1 PGS1006 the file must be a mapping, not a list']);
  assert.notDeepEqual(await problems('\u0000\u0001 : \t['), []);
  assert.deepEqual(
    await problems(
      '__proto__: { a: 1 }\npipeline: a\nsource: {plugin: postgres, url: a}\nsinks: [{plugin: postgres, url: b}]\n',
    ),
    [
      '1:1 PGS1004 unknown key "__proto__"; known keys: pipeline, source, transforms, sinks, checkpoint, http, otlp, limit, tests, ddl, on_unknown_values, verify, dead_letter',
    ],
  );
  await assert.rejects(loadPipeline(join(folder, 'none.yaml'), fakeRegistry()), { code: 'PGS1001', exit: 2 });
  await assert.rejects(loadPipeline(folder, fakeRegistry()), { code: 'PGS1001' });
});

test('a key that this version would ignore is refused', async () => {
  const none = { http: false, deadLetter: false, followDdl: false };
  const file = put(`${good}http: 1\nddl: follow\ndead_letter: { file: a }\n`);
  const result = await loadPipeline(file, fakeRegistry(), {}, none);
  assert.deepEqual(result.ok ? [] : result.problems.map(({ line, code }) => [line, code]), [
    [8, 'PGS1016'],
    [9, 'PGS1016'],
    [10, 'PGS1016'],
  ]);
});

test('dead_letter: one of file and topic, and a topic only where a sink has topics', async () => {
  const kafka = good.replace('plugin: postgres\n    url: postgres://b', 'plugin: kafka\n    brokers: [a]');
  const topic = await load(`${kafka}dead_letter: { topic: dead, max_failures: 5, window: 50 }\n`);
  assert.deepEqual(topic.deadLetter, { file: null, topic: 'dead', maxFailures: 5, window: 50 });
  assert.deepEqual(await problems(`${good}dead_letter: { topic: dead }\n`), [
    '8:16 PGS1014 no sink of this file has topics; "dead_letter: { file: … }" is enough here',
  ]);
  const one = '8:1 PGS1014 "dead_letter" needs one of "file" and "topic"';
  assert.deepEqual(await problems(`${good}dead_letter: { topic: dead, file: dead.jsonl }\n`), [one]);
  assert.deepEqual(await problems(`${good}dead_letter: { window: 5 }\n`), [one]);
  assert.deepEqual(await problems(`${good}dead_letter: { file: 5 }\n`), [
    '8:22 PGS1006 "file" must be text, not a number',
  ]);
});
