import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { CheckpointStore, Json } from '../../../../core/api/checkpoint.ts';
import { PgsluiceError } from '../../../../core/base/error.ts';
import { checkpointFile } from '../../../../plugins/checkpoint-file/plugin.ts';
import { contextFor } from '../../../support/apply.ts';

const root = await mkdtemp(join(tmpdir(), 'pgsluice-checkpoint-'));
after(() => rm(root, { recursive: true, force: true }));
const never = new AbortController().signal;
let folders = 0;

function open(path?: string, pipeline = 'p', directory = join(root, String(folders++))): Promise<CheckpointStore> {
  return checkpointFile.create(path === undefined ? {} : { path }, { ...contextFor(), pipeline, directory });
}
const code = (expected: string) => (error: unknown) => error instanceof PgsluiceError && error.code === expected;
const entries = (of: Record<string, Json>) => new Map(Object.entries(of));

test('what was saved is loaded; null removes; the default place is .pgsluice/<pipeline>.json', async () => {
  const directory = join(root, 'default');
  await using store = await open(undefined, 'shop', directory);
  assert.deepEqual(await store.load(), new Map());
  await store.save(entries({ a: 1, b: { c: ['x', null, true] } }));
  await store.save(new Map([['a', null as Json]]));
  await using again = await open(undefined, 'shop', directory);
  assert.deepEqual(await again.load(), entries({ b: { c: ['x', null, true] } }));
  assert.deepEqual(await readdir(join(directory, '.pgsluice')), ['shop.json']);
  await again.remove();
  await using empty = await open(undefined, 'shop', directory);
  assert.deepEqual(await empty.load(), new Map());
});

test('saves at once are all there when each resolves, in the order of the calls', async () => {
  const directory = join(root, 'group');
  await using store = await open('c.json', 'p', directory);
  await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      await store.save(entries({ [`k${i % 10}`]: i }));
      const written = JSON.parse(await readFile(join(directory, 'c.json'), 'utf8')) as {
        entries: Record<string, number>;
      };
      assert.ok((written.entries[`k${i % 10}`] as number) >= i);
    }),
  );
  assert.equal((await store.load()).get('k9'), 49);
});

test('a damaged file and one of another pipeline are clean errors', async () => {
  const path = join(root, 'bad.json');
  for (const text of [
    '',
    '{"format":1,"pipeline":"p","entr',
    '[]',
    'null',
    '{"format":2,"pipeline":"p","entries":{}}',
  ]) {
    await writeFile(path, text);
    await using store = await open(path);
    await assert.rejects(store.load(), code('PGS6071'));
    await assert.rejects(store.save(entries({ a: 1 })), code('PGS6071'), 'not overwritten either');
  }
  await writeFile(path, '{"format":1,"pipeline":"other","entries":{}}');
  await using store = await open(path);
  await assert.rejects(store.load(), code('PGS6072'));
});

test('a second run is refused, until the first lets go', async () => {
  const path = join(root, 'lock.json');
  const first = await open(path);
  await first.lock(never);
  await using second = await open(path);
  await assert.rejects(second.lock(never), (error) => {
    assert.ok(code('PGS6070')(error));
    assert.match((error as Error).message, new RegExp(`process ${process.pid} on `));
    return true;
  });
  await first[Symbol.asyncDispose]();
  await second.lock(never);
});

test('the lock of a killed run is taken over, once', async () => {
  const path = join(root, 'killed.json');
  const lockFile = new URL('../../../../plugins/checkpoint-file/lock-file.ts', import.meta.url).href;
  const script = `import { LockFile } from ${JSON.stringify(lockFile)};
    await LockFile.take(${JSON.stringify(`${path}.lock`)}); console.log('held'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  await using early = await open(path);
  await assert.rejects(early.lock(never), code('PGS6070'));
  child.kill('SIGKILL');
  await once(child, 'exit');
  const stores = await Promise.all(Array.from({ length: 8 }, () => open(path)));
  const results = await Promise.allSettled(stores.map((store) => store.lock(never)));
  assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
  for (const result of results) if (result.status === 'rejected') assert.ok(code('PGS6070')(result.reason));
  await Promise.all(stores.map((store) => store[Symbol.asyncDispose]()));
  assert.deepEqual(
    (await readdir(root)).filter((name) => name.startsWith('killed')),
    [],
  );
});

test('a pid used again is not the owner; a lock of another machine counts until it grows old', async () => {
  const path = join(root, 'foreign.json');
  const lock = `${path}.lock`;
  const owner = { pid: process.pid, started: '1', host: hostname(), token: 't' };
  await writeFile(lock, JSON.stringify(owner));
  const first = await open(path);
  await first.lock(never);
  await first[Symbol.asyncDispose]();
  await writeFile(lock, JSON.stringify({ ...owner, host: 'elsewhere' }));
  await using second = await open(path);
  await assert.rejects(second.lock(never), code('PGS6070'));
  const old = new Date(Date.now() - 120_000);
  await utimes(lock, old, old);
  await second.lock(never);
});

test('nothing is written after the lock was lost', async () => {
  const path = join(root, 'lost.json');
  await using store = await open(path);
  await store.lock(never);
  await store.save(entries({ a: 1 }));
  await writeFile(`${path}.lock`, 'someone else');
  await assert.rejects(store.save(entries({ a: 2 })), code('PGS6074'));
  assert.match(await readFile(path, 'utf8'), /"a": 1/);
});
