import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadPipeline } from '../../../../../core/config/load.ts';
import { changeRules, fileChanges, fileFacts } from '../../../../../core/pipeline/open/file-changes.ts';
import { fingerprint, isFingerprintOf } from '../../../../../core/pipeline/open/fingerprint.ts';
import { Registry } from '../../../../../core/registry/registry.ts';
import { builtins } from '../../../../../plugins/builtins.ts';
import { pipelineFile } from '../../../../support/cli.ts';

async function config(yaml: string) {
  const result = await loadPipeline(await pipelineFile(yaml), new Registry(builtins), {});
  assert.ok(result.ok, JSON.stringify(result));
  return result.pipeline;
}

const file = `
pipeline: shop
source: { plugin: postgres, url: "postgres://u@h/d", snapshot: { chunk_size: 64MB } }
transforms:
  - { plugin: rename, tables: [a.b, a.c], to: "x.{table}", columns: { one: eins, two: zwei } }
  - { plugin: filter, tables: a.b, where: one > 1 }
sinks: [{ plugin: postgres, url: "postgres://u@t/d", transforms: [{ plugin: columns, drop: [z] }] }]
`;

/** The same meaning in other words. */
const same: readonly [string, string][] = [
  [
    'order of keys',
    file.replace(
      'to: "x.{table}", columns: { one: eins, two: zwei }',
      'columns: { two: zwei, one: eins }, to: "x.{table}"',
    ),
  ],
  [
    'order of all keys of a transform',
    file.replace(
      '{ plugin: rename, tables: [a.b, a.c], to: "x.{table}",',
      '{ to: "x.{table}", tables: [a.b, a.c], plugin: rename,',
    ),
  ],
  ['order of patterns', file.replace('[a.b, a.c]', '[a.c, a.b]')],
  ['a list of one', file.replace('tables: a.b, where', 'tables: [a.b], where')],
  ['units', file.replace('64MB', '65536kB')],
  [
    'comments and blocks',
    `# hello\n${file.replace('- { plugin: filter, tables: a.b, where: one > 1 }', '- plugin: filter # b\n    where: "one > 1"\n    tables: a.b')}`,
  ],
  [
    'defaults spelled out',
    file.replace(
      'url: "postgres://u@t/d"',
      'url: "postgres://u@t/d", schema: create, on_existing: error, dependents: error, index_workers: 2',
    ),
  ],
];

for (const [what, text] of same) {
  test(`the same file: ${what}`, async () => {
    const [one, other] = [await config(file), await config(text)];
    assert.equal(fingerprint(other), fingerprint(one));
    assert.deepEqual(fileChanges(fileFacts(one), fileFacts(other), changeRules(other)), []);
  });
}

test('another file: another expression, name, order of transforms', async () => {
  const one = fingerprint(await config(file));
  const swapped = file.replace(/( {2}- .*\n)( {2}- .*\n)/, '$2$1');
  for (const text of [file.replace('one > 1', 'one > 2'), file.replace('eins', 'uno'), swapped])
    assert.notEqual(fingerprint(await config(text)), one);
});

test('the fingerprint that version 0.1.0 left of a file is taken up, and of another file it is not', async () => {
  // Made by version 0.1.0 of `file`.
  const kept = '318ca20bf2cebc97491adca609c081f99dd578bb0199965966c24b529e904612';
  assert.ok(isFingerprintOf(await config(file), kept));
  assert.ok(!isFingerprintOf(await config(file.replace('one > 1', 'one > 2')), kept));
});
