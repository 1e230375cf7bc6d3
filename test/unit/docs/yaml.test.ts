import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { checkTransforms } from '../../../core/config/check-transforms.ts';
import { loadPipeline } from '../../../core/config/load.ts';
import { formatProblem } from '../../../core/config/problem.ts';
import { Registry } from '../../../core/registry/registry.ts';
import { builtins } from '../../../plugins/builtins.ts';
import { blocksOf, pages } from './pages.ts';

/**
 * Every YAML in README.md and docs/ is a pipeline file, or a part of one, that `validate` takes: what is left out is put in,
 * the rest is as it stands. A part is tried in the places where it may belong.
 */
const folder = mkdtempSync(join(tmpdir(), 'pgsluice-docs-'));
after(() => rmSync(folder, { recursive: true }));
const url = 'postgres://db.example.org/shop';
const secret = 'a-secret-that-is-long-enough-for-all';
const env = {
  OTLP_TOKEN: 'token',
  SOURCE_URL: url,
  TARGET_URL: url,
  REPLICA_URL: url,
  PASSWORD: 'p',
  MASK_KEY: secret,
  REGISTRY_USER: 'u',
  REGISTRY_PASSWORD: 'p',
};

type Tree = Record<string, unknown>;
const postgres = { plugin: 'postgres', url };
const file = { pipeline: 'docs', source: postgres, sinks: [postgres] };

/** The places where a part of a file may belong, with what it needs around it. */
function places(part: unknown): Tree[] {
  if (Array.isArray(part))
    return [
      { ...file, transforms: part },
      { ...file, sinks: part },
    ];
  const tree = part as Tree;
  const source = tree['source'] === undefined ? postgres : { plugin: 'postgres', ...(tree['source'] as Tree) };
  return [
    { ...file, ...tree, source },
    { ...file, source: { ...postgres, ...tree } },
    { ...file, sinks: [{ ...postgres, ...tree }] },
    { ...file, sinks: [{ plugin: 'kafka', brokers: ['localhost:9092'], ...tree }] },
  ];
}

/** What `validate` says of a file; nothing: it is taken. */
async function problemsOf(tree: Tree, name: string): Promise<string[]> {
  const path = join(folder, name);
  writeFileSync(path, stringify(tree));
  const result = await loadPipeline(path, new Registry(builtins), env);
  const problems = result.ok ? await checkTransforms(result.pipeline) : result.problems;
  // A plugin of the reader's own is not here; that the file names it is all there is to see.
  return problems.map(formatProblem).filter((line) => !/mask-cards|enrich|sink-parquet/.test(line));
}

const blocks = pages.flatMap(blocksOf).filter(({ language }) => language === 'yaml');

test('there are pages with YAML', () => assert.ok(blocks.length > 30));

for (const [n, { at, text }] of blocks.entries()) {
  test(`${at}: is taken by validate`, async () => {
    const found = [];
    for (const [place, tree] of places(parse(text)).entries()) {
      const problems = await problemsOf(tree, `${n}-${place}.yaml`);
      if (problems.length === 0) return;
      found.push(problems);
    }
    assert.fail(found.map((problems) => problems.join('\n')).join('\n\n'));
  });
}

test('a key that nothing has would be found, wherever it stands', async () => {
  for (const [place, tree] of places({ no_such_key: 1 }).entries())
    assert.notDeepEqual(await problemsOf(tree, `wrong-${place}.yaml`), []);
});
