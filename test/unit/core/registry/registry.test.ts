import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { errorFactory, PgsluiceError } from '../../../../core/base/error.ts';
import { callPlugin, guarded, neverSettled } from '../../../../core/registry/call.ts';
import { checked, Registry } from '../../../../core/registry/registry.ts';
import { builtins } from '../../../../plugins/builtins.ts';
import { fakePlugins, fakeRegistry } from '../../../support/fake-plugins.ts';

const folder = mkdtempSync(join(tmpdir(), 'pgsluice-registry-'));
after(() => rmSync(folder, { recursive: true }));

function put(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}
const plugin = (more = '') =>
  `{ kind: 'transform', name: 'x', apiVersion: 1, summary: 's', options: { type: 'object' }, create: () => ({ name: 'x', plan: () => ({ kind: 'identity' }) }) ${more} }`;

test('built-ins are imported once, when they are asked for', async () => {
  let loads = 0;
  const load = () => {
    loads++;
    return Promise.resolve(fakePlugins[0]!);
  };
  const registry = new Registry([{ kind: 'source', name: 'postgres', load }]);
  assert.equal(loads, 0);
  await Promise.all([registry.load('source', 'postgres', folder), registry.load('source', 'postgres', folder)]);
  assert.equal(loads, 1);
  assert.deepEqual(registry.names('source'), ['postgres']);
});

test('options schemas of built-ins are valid; a run does not check them again', async () => {
  for (const builtin of builtins) {
    const loaded = checked(await builtin.load(), builtin.kind, builtin.name);
    assert.equal(loaded.name, builtin.name);
  }
});

test('a plugin by path, in TypeScript, by default export and by the name plugin', async () => {
  put('a.ts', `type T = string; const t: T = 'x'; void t; export default ${plugin()};`);
  put('b.mjs', `export const plugin = ${plugin()};`);
  const registry = fakeRegistry();
  assert.equal((await registry.load('transform', './a.ts', folder)).name, 'x');
  assert.equal((await registry.load('transform', join(folder, 'b.mjs'), '/')).name, 'x');
});

test('a package is looked up from the folder of the pipeline file, also one with only an import condition', async () => {
  put('node_modules/some-plugin/package.json', '{"type":"module","exports":{"import":"./index.js"}}');
  put('node_modules/some-plugin/index.js', `export default ${plugin()};`);
  assert.equal((await fakeRegistry().load('transform', 'some-plugin', folder)).name, 'x');
  await assert.rejects(fakeRegistry().load('transform', 'some-plugin', tmpdir()), { code: 'PGS9001' });
});

test('pgsluice/api of a plugin is the copy that runs', async () => {
  put(
    'api.mjs',
    `import { PgsluiceError, UNCHANGED } from 'pgsluice/api'; export default ${plugin(', PgsluiceError, UNCHANGED')};`,
  );
  const loaded = (await fakeRegistry().load('transform', './api.mjs', folder)) as unknown as Record<string, unknown>;
  assert.equal(loaded['PgsluiceError'], PgsluiceError);
});

test('what is no plugin is refused with what is wrong', async () => {
  const registry = fakeRegistry();
  const cases: readonly (readonly [string, string, string, RegExp])[] = [
    ['none.mjs', 'export const other = 1;', 'PGS9003', /no default export, and no export named plugin/],
    ['kind.mjs', `export default { ...${plugin()}, kind: 'sink' };`, 'PGS9003', /its kind is "sink"/],
    ['version.mjs', `export default { ...${plugin()}, apiVersion: 2 };`, 'PGS9004', /version 2, this is 1/],
    ['create.mjs', `export default { ...${plugin()}, create: 1 };`, 'PGS9003', /no function create/],
    ['throws.mjs', `throw new Error('broken inside');`, 'PGS9002', /broken inside/],
    ['syntax.mjs', `export default {`, 'PGS9002', /cannot be loaded/],
    ['enum.ts', `enum A { B } export default ${plugin()};`, 'PGS9002', /cannot be loaded/],
    ['dep.mjs', `import 'not-there-either'; export default ${plugin()};`, 'PGS9002', /not-there-either/],
    ['schema.mjs', `export default { ...${plugin()}, options: { type: 'objekt' } };`, 'PGS9005', /options schema/],
    [
      'strict.mjs',
      `export default { ...${plugin()}, options: { type: 'object', propertys: {} } };`,
      'PGS9005',
      /propertys/,
    ],
    [
      'format.mjs',
      `export default { ...${plugin()}, options: { type: 'object', properties: { a: { type: 'string', format: 'sise' } } } };`,
      'PGS9005',
      /sise/,
    ],
  ];
  for (const [file, text, code, message] of cases) {
    put(file, text);
    await assert.rejects(registry.load('transform', `./${file}`, folder), { code, exit: 2, message }, file);
  }
  await assert.rejects(registry.load('transform', './nowhere.ts', folder), { code: 'PGS9001' });
});

test('a package that is there and fails while it is imported is not called unknown', async () => {
  const packages = [
    ['lacks-file', `import './gone.js'; export default ${plugin()};`, /lacks-file cannot be loaded: .*gone\.js/],
    ['lacks-package', `import 'absent-package'; export default ${plugin()};`, /absent-package/],
    ['lacks-itself', `import 'lacks-itself/other'; export default ${plugin()};`, /other/],
    ['imports-folder', `import './folder'; export default ${plugin()};`, /Directory import/],
    ['throws', `throw new Error('broken inside');`, /broken inside/],
  ] as const;
  for (const [name, text, message] of packages) {
    mkdirSync(join(folder, 'node_modules', name, 'folder'), { recursive: true });
    put(`node_modules/${name}/package.json`, JSON.stringify({ name, type: 'module', main: 'index.js' }));
    put(`node_modules/${name}/index.js`, text);
    await assert.rejects(fakeRegistry().load('transform', name, folder), { code: 'PGS9002', message }, name);
  }
});

test('an unknown name suggests a built-in, or says that it is one of another kind', async () => {
  const registry = fakeRegistry();
  await assert.rejects(registry.load('sink', 'kafak', folder), {
    message: 'unknown sink plugin "kafak"; did you mean "kafka"?',
  });
  await assert.rejects(registry.load('source', 'filter', folder), {
    message: /^unknown source plugin "filter" \("filter" is a transform\)/,
  });
});

const errors = errorFactory({ PGS9999: { title: 't', cause: 'c', remedy: 'r', exit: 4, retry: 'backoff' } });

test('errors of a plugin are named; those with a code keep it', async () => {
  const cause = new TypeError('x is undefined');
  await assert.rejects(
    callPlugin({ plugin: 'mine' }, 'write', () => Promise.reject(cause)),
    {
      code: 'PGS9006',
      message: 'write failed: x is undefined',
      where: { plugin: 'mine' },
      cause,
    },
  );
  await assert.rejects(
    callPlugin({ plugin: 'mine' }, 'write', () => Promise.reject(errors('PGS9999', 'm', { where: { table: 't' } }))),
    {
      code: 'PGS9999',
      exit: 4,
      retry: 'backoff',
      where: { plugin: 'mine', table: 't' },
    },
  );
  const abort = new DOMException('stop', 'AbortError');
  await assert.rejects(
    callPlugin({ plugin: 'mine' }, 'write', () => Promise.reject(abort)),
    (error) => error === abort,
  );
});

test('a call that never settles is known by name', async () => {
  let settle = () => {};
  const call = callPlugin({ plugin: 'mine' }, 'flush', () => new Promise<void>((resolve) => (settle = resolve)));
  assert.equal(neverSettled()?.code, 'PGS9007');
  assert.match(neverSettled()?.message ?? '', /flush never ended/);
  settle();
  await call;
  assert.equal(neverSettled(), null);
});

test('a guarded object names the plugin in errors of all its parts, and keeps private state', async () => {
  class Part {
    #count = 0;
    write(): Promise<number> {
      return Promise.resolve(++this.#count);
    }
    fail(): Promise<void> {
      return Promise.reject(new Error('no'));
    }
    sync(): void {
      throw new Error('at once');
    }
  }
  const whole = guarded({ stream: new Part(), none: null, plain: [1], name: 'n' }, { plugin: 'mine' });
  assert.equal(await whole.stream.write(), 1);
  assert.equal(await whole.stream.write(), 2);
  assert.equal(whole.stream, whole.stream);
  assert.equal(whole.none, null);
  assert.deepEqual(whole.plain, [1]);
  await assert.rejects(whole.stream.fail(), { code: 'PGS9006', message: 'stream.fail failed: no' });
  assert.throws(() => whole.stream.sync(), { code: 'PGS9006', message: 'stream.sync failed: at once' });
});

test('what a plugin throws while its stream or its frames are read is named, too; clean-up runs', async () => {
  let ended = false;
  async function* items(fails: Error): AsyncGenerator<number> {
    try {
      yield 1;
      throw fails;
    } finally {
      ended = true;
    }
  }
  const own = errorFactory({
    PGS5999: { title: 't', cause: 'c', remedy: 'r', exit: 1, retry: 'backoff' },
  } as const);
  class Session {
    #name = 'kept';
    openRaw() {
      return Promise.resolve({ kind: 'raw', frames: items(new TypeError('broken')) });
    }
    name() {
      return Promise.resolve(this.#name);
    }
  }
  const source = guarded(
    {
      snapshot: () => Promise.resolve(new Session()),
      stream: () => Promise.resolve(items(own('PGS5999', 'lost'))),
      catalog: () => Promise.resolve({ tables: [] }),
    },
    { plugin: 'mine' },
  );
  const session = await source.snapshot();
  assert.equal(await session.name(), 'kept');
  const { kind, frames } = await session.openRaw();
  assert.equal(kind, 'raw');
  const read: number[] = [];
  await assert.rejects(
    async () => {
      for await (const item of frames) read.push(item);
    },
    { code: 'PGS9006', where: { plugin: 'mine' }, message: 'snapshot.openRaw.frames failed: broken' },
  );
  assert.deepEqual([read, ended], [[1], true]);
  const stream = await source.stream();
  await assert.rejects(
    async () => {
      for await (const item of stream) read.push(item);
    },
    { code: 'PGS5999', retry: 'backoff', where: { plugin: 'mine' } },
  );
  ended = false;
  for await (const item of (await session.openRaw()).frames) {
    read.push(item);
    break;
  }
  assert.equal(ended, true);
  assert.deepEqual(await source.catalog(), { tables: [] });
});
