import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { checkTransforms } from '../../../../core/config/check-transforms.ts';
import { loadPipeline } from '../../../../core/config/load.ts';
import { formatProblem } from '../../../../core/config/problem.ts';
import { Registry } from '../../../../core/registry/registry.ts';
import { builtins } from '../../../../plugins/builtins.ts';
import { errorsPage } from '../../../../scripts/lib/errors-page.ts';
import { pipelineSchemaText } from '../../../../scripts/lib/schema-text.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const examples = globSync('configs/{*,compose/*,guides/*,plugins/*,scale-out/{reader,apply}}.yaml', {
  cwd: root,
}).toSorted();
const env = { SOURCE_URL: 'postgres://source/shop', TARGET_URL: 'postgres://target/shop', KAFKA_BROKER: 'kafka:9092' };

test('configs/pipeline.schema.json is what the plugins say (npm run schema)', async () => {
  assert.equal(readFileSync(join(root, 'configs/pipeline.schema.json'), 'utf8'), await pipelineSchemaText());
});

test('docs/errors.md is what the tables say (node scripts/write-errors.ts)', async () => {
  assert.equal(readFileSync(join(root, 'docs/errors.md'), 'utf8'), await errorsPage());
});

test('there are examples', () => assert.ok(examples.length >= 5));

for (const name of examples) {
  test(`${name} is valid, in the editor's schema too`, async () => {
    const result = await loadPipeline(join(root, name), new Registry(builtins), env);
    if (!result.ok) assert.fail(result.problems.map(formatProblem).join('\n'));
    assert.deepEqual(await checkTransforms(result.pipeline), []);
    const validate = editorSchema();
    assert.ok(validate(parse(readFileSync(join(root, name), 'utf8'))), JSON.stringify(validate.errors, null, 2));
  });
}

test("the editor's schema refuses unknown keys and takes references for any value", () => {
  const validate = editorSchema();
  const sinks = [{ plugin: 'kafka', brokers: ['a'] }];
  const source = { plugin: 'postgres', url: 'postgres://db/x' };
  assert.ok(validate({ pipeline: 'a', source, sinks }));
  assert.ok(validate({ pipeline: 'a', source: { ...source, snapshot: { workers: '${W}', mode: '${M}' } }, sinks }));
  assert.ok(validate({ pipeline: 'a', source: { ...source, url: '${URL}' }, sinks }));
  assert.ok(
    validate({ pipeline: 'a', source: { ...source, url: 'postgres://u:${PW}@[::1]:65535/x?sslmode=allow' }, sinks }),
  );
  assert.ok(!validate({ pipeline: 'a', source: { ...source, url: 'postgres://u:p@db:65536/x' }, sinks }));
  assert.ok(!validate({ pipeline: 'a', source: { ...source, url: 'mysql://db/x' }, sinks }));
  assert.ok(!validate({ pipeline: 'a', source: { ...source, ulr: 'x' }, sinks }));
  assert.ok(!validate({ pipeline: 'a', source, sinks: [{ plugin: 'kafka' }] }));
  assert.ok(!validate({ pipeline: 'a', source: { ...source, snapshot: { workers: 'many' } }, sinks }));
  assert.ok(!validate({ pipeline: 'a', source: { ...source, snapshot: { chunk_size: '5' } }, sinks }));
  assert.ok(validate({ pipeline: 'a', source: { plugin: './mine.ts', anything: 1 }, sinks }));
});

function editorSchema() {
  const schema = JSON.parse(readFileSync(join(root, 'configs/pipeline.schema.json'), 'utf8')) as object;
  return new Ajv2020({
    strict: true,
    strictTypes: false,
    strictRequired: false,
    allowUnionTypes: true,
    validateFormats: false,
  }).compile(schema);
}
