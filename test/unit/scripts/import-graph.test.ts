import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { lockHosts, machinePaths, tooLong } from '../../../scripts/lib/file-rules.ts';
import { breach, checkImports, importsOf } from '../../../scripts/lib/import-graph.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

test('the sources keep to the layers, without cycles', () => {
  assert.deepEqual(checkImports(root), []);
});

test('imports of every form are seen', () => {
  const text = `import a from './a.ts';
import type { B } from "./b.ts";
import {
  c,
  type D,
} from './c.ts';
import './d.ts';
export * from './e.ts';
export { f } from './f.ts';
// import g from './g.ts';
const h = await import('./h.ts');
const list = [() => import('./i.ts')];
/* import j from './j.ts'; */
`;
  assert.deepEqual(
    importsOf('core/x.ts', text).map((one) => [one.to, one.typeOnly]),
    [
      ['./a.ts', false],
      ['./b.ts', true],
      ['./c.ts', false],
      ['./d.ts', false],
      ['./e.ts', false],
      ['./f.ts', false],
      ['./h.ts', false],
      ['./i.ts', false],
    ],
  );
});

test('what a layer may not import is found', () => {
  const of = (from: string, to: string) => breach({ from, to, typeOnly: true });
  assert.match(of('core/config/a.ts', '../../plugins/builtins.ts') ?? '', /core knows no plugin/);
  assert.match(of('core/api/a.ts', '../pipeline/plan/b.ts') ?? '', /stands above core\/api/);
  assert.match(of('plugins/sink-kafka/a.ts', '../../core/pipeline/plan/b.ts') ?? '', /a plugin may import/);
  assert.match(of('plugins/sink-kafka/a.ts', '../sink-postgres/b.ts') ?? '', /a plugin may import/);
  assert.equal(of('plugins/sink-kafka/a.ts', '../../core/api/sink.ts'), null);
  assert.equal(of('plugins/sink-kafka/x/a.ts', '../b.ts'), null);
  assert.equal(of('plugins/sink-kafka/a.ts', '../../core/postgres/b.ts'), null);
  assert.equal(of('plugins/builtins.ts', './sink-kafka/plugin.ts'), null);
  assert.equal(of('core/config/a.ts', 'node:fs'), null);
});

test('rules on files find what they are for', () => {
  assert.equal(tooLong('core/a.ts', 'x\n'.repeat(400)).length, 0);
  assert.equal(tooLong('core/a.ts', 'x\n'.repeat(401)).length, 1);
  assert.equal(machinePaths('a.md', `see ${'/work'}/main/x\n`).length, 1);
  assert.equal(machinePaths('a.md', 'see /tmp/x and https://example.org/work/main\n').length, 0);
  assert.equal(lockHosts('package-lock.json', '"resolved": "https://mirror.example/a.tgz"').length, 1);
  assert.equal(
    lockHosts('package-lock.json', '"resolved": "https://registry.npmjs.org/a.tgz", "resolved": "test/x"').length,
    0,
  );
});
