import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changeRules, describeChange, fileChanges, fileFacts } from '../../../../core/pipeline/open/file-changes.ts';
import { type LoadResult, loadPipeline } from '../../../../core/config/load.ts';
import { Registry } from '../../../../core/registry/registry.ts';
import { builtins } from '../../../../plugins/builtins.ts';
import { pipelineFile } from '../../../support/cli.ts';

async function facts(yaml: string) {
  return fileFacts(await config(yaml));
}

async function config(yaml: string) {
  const result: LoadResult = await loadPipeline(await pipelineFile(yaml), new Registry(builtins), {
    PW: 'very-secret',
  });
  assert.ok(result.ok, JSON.stringify(result));
  return result.pipeline;
}

const file = `
pipeline: shop
source: { plugin: postgres, url: "postgres://u:\${PW}@h/d", tables: { include: [a] } }
transforms:
  - { plugin: mask, tables: a, columns: { b: { hash: { secret: "\${PW}" } } } }
sinks: [{ plugin: postgres, url: "postgres://u:\${PW}@t/d" }]
`;

test('what differs is told by key, with what becomes of it', async () => {
  const before = await facts(file);
  const rules = changeRules(await config(file));
  const now = await facts(
    `${file.replace('include: [a]', 'include: [a, b]').replace('tables: a,', 'tables: [a, b],')}limit: { rate: 1MB/s }\nhttp: 8377\n`.replace(
      'include: [a, b] }',
      'include: [a, b] }, slot: { name: other }',
    ),
  );
  const changes = fileChanges(before, now, rules);
  assert.deepEqual(
    changes.map(({ key, effect }) => [key, effect]),
    [
      ['http', 'now'],
      ['limit.rate', 'now'],
      ['source.slot.name', 'refused'],
      ['source.tables.include', 'tables'],
      ['transforms[0]', 'refused'],
    ],
  );
  assert.match(describeChange(changes[3]!), /source\.tables\.include: a → a, b/);
  assert.deepEqual(fileChanges(before, await facts(file), rules), []);
});

test('no secret is among the facts that are kept', async () => {
  assert.doesNotMatch(JSON.stringify(await facts(file)), /very-secret/);
});

test('the Kafka sink’s names of the position are kept, its form may change', async () => {
  const kafka = (options: string) =>
    file.replace(/sinks: .*/, `sinks: [{ plugin: kafka, brokers: [b], delivery: exactly_once, ${options} }]`);
  const rules = changeRules(await config(kafka('format: flat')));
  const before = await facts(kafka('format: flat, ssl: { cert: c, passphrase: "${PW}" }'));
  const now = await facts(kafka('format: debezium, transactional_id: t, position_topic: p, request_timeout: 31s'));
  assert.deepEqual(
    fileChanges(before, now, rules).map(({ key, from, effect }) => [key, from, effect]),
    [
      ['sinks.kafka.format', 'flat', 'now'],
      ['sinks.kafka.position_topic', null, 'refused'],
      ['sinks.kafka.request_timeout', '30000', 'now'],
      ['sinks.kafka.ssl.cert', 'c', 'now'],
      ['sinks.kafka.transactional_id', null, 'refused'],
    ],
  );
});
