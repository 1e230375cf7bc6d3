import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../../..', import.meta.url));
// Plain JavaScript, for whatever Node runs `npm ci`.
const { bundle } = (await import(new URL('../../../../scripts/bundle.js', import.meta.url).href)) as {
  bundle(options: { from: string; to: string; extension: 'ts' | 'js' }): Promise<void>;
};

/** What a module prints. */
function run(program: string): string {
  return execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' }).trim();
}

/** A tree with the real start, whose modules only say which they are. */
class Tree implements Disposable {
  readonly #root = mkdtempSync(join(tmpdir(), 'pgsluice-start-'));

  constructor(...modules: string[]) {
    this.write('package.json', '{"type":"module"}');
    this.write('bin/start.js', '');
    copyFileSync(join(repository, 'bin/start.js'), join(this.#root, 'bin/start.js'));
    for (const module of modules) this.write(module, `export const main = () => console.log('${module}');`);
  }

  path(file: string): string {
    return join(this.#root, file);
  }

  write(file: string, text: string): void {
    mkdirSync(dirname(join(this.#root, file)), { recursive: true });
    writeFileSync(join(this.#root, file), text);
  }

  /** What the bundle says that it was made of. */
  made(from: readonly string[]): void {
    const inputs = from.map((file) => {
      const { mtimeMs, size } = statSync(join(this.#root, file));
      return [file, mtimeMs, size];
    });
    this.write('.cache/bundle/inputs.json', JSON.stringify(inputs));
  }

  remove(file: string): void {
    rmSync(join(this.#root, file));
  }

  age(file: string, seconds: number): void {
    const at = Date.now() / 1000 - seconds;
    utimesSync(join(this.#root, file), at, at);
  }

  /** Which module was started. */
  start(): string {
    return run(`import { main } from ${JSON.stringify(this.path('bin/start.js'))}; await main([]);`);
  }

  [Symbol.dispose](): void {
    rmSync(this.#root, { recursive: true });
  }
}

const sources = ['core/cli/main.ts', 'plugins/builtins.ts'];
const bundled = ['.cache/bundle/main.js', '.cache/bundle/builtins.js'];

test('a checkout starts its bundle while the sources are what it was made of, else the sources', () => {
  using tree = new Tree(...sources, ...bundled);
  for (const source of sources) tree.age(source, 60);
  tree.made(sources);
  assert.equal(tree.start(), '.cache/bundle/main.js');
  tree.age('plugins/builtins.ts', 30);
  assert.equal(tree.start(), 'core/cli/main.ts', 'a newer file');
  tree.age('plugins/builtins.ts', 90);
  assert.equal(tree.start(), 'core/cli/main.ts', 'an older file');
  tree.made(sources);
  assert.equal(tree.start(), '.cache/bundle/main.js');
});

test('without a bundle, with half of one, and when a source is gone: the sources', () => {
  using bare = new Tree(...sources);
  assert.equal(bare.start(), 'core/cli/main.ts');
  using half = new Tree(...sources, ...bundled);
  assert.equal(half.start(), 'core/cli/main.ts');
  half.write('core/gone.ts', '');
  half.made([...sources, 'core/gone.ts']);
  half.remove('core/gone.ts');
  assert.equal(half.start(), 'core/cli/main.ts');
});

test('a bundle of this checkout runs, and knows the sources and the packages that it was made of', async () => {
  using tree = new Tree();
  const to = tree.path('.cache/bundle');
  await bundle({ from: repository, to, extension: 'ts' });
  const program = `const { main } = await import(${JSON.stringify(join(to, 'main.js'))}); await main(['--version'], []);`;
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { version: string };
  assert.equal(run(program), version);
  const inputs = JSON.parse(readFileSync(join(to, 'inputs.json'), 'utf8')) as [string, number, number][];
  for (const file of ['node_modules/.package-lock.json', 'core/operations/run/run.ts', 'plugins/builtins.ts']) {
    const { mtimeMs, size } = statSync(join(repository, file));
    assert.deepEqual(
      inputs.find(([name]) => name === file),
      [file, mtimeMs, size],
    );
  }
});

test('a published package starts the bundle of its dist', () => {
  using tree = new Tree('dist/bundle/main.js', 'dist/bundle/builtins.js');
  assert.equal(tree.start(), 'dist/bundle/main.js');
});
