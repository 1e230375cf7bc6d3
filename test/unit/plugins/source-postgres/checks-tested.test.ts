import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

const root = fileURLToPath(new URL('../../../..', import.meta.url));
const read = (pattern: string) =>
  globSync(pattern, { cwd: root }).map((file) => readFileSync(`${root}/${file}`, 'utf8'));

/** Names of checks as the sources write them: `check: 'x'`, `check = 'x'`, and the Kafka sink's and the target's by their prefix. */
const naming = /check(?:: | = )'([a-z-]+)'|'((?:kafka|target)-[a-z-]+)'/g;

test('every check of `pgsluice check` has a line in docs/checks.md and a test that provokes it', () => {
  const sources = [
    ...read('plugins/*/checks/**/*.ts'),
    ...read('plugins/*/checks.ts'),
    ...read('core/{operations,pipeline}/**/*.ts'),
  ];
  const checks = new Set(sources.flatMap((text) => [...text.matchAll(naming)].map(([, a, b]) => (a ?? b)!)));
  assert.ok(checks.size > 30, `${checks.size} checks are known`);
  const tests = ['integration', 'e2e', 'unit'].flatMap((of) => read(`test/${of}/**/*.test.ts`)).join('\n');
  const docs = readFileSync(`${root}/docs/checks.md`, 'utf8');
  const untested = [...checks].filter((name) => !new RegExp(`\\b${name}\\b`).test(tests));
  assert.deepEqual(untested, []);
  assert.deepEqual(
    [...checks].filter((name) => !docs.includes(`\`${name}\``)),
    [],
  );
});
