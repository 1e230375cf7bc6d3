import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckpointStore, Json } from '../../core/api/checkpoint.ts';
import { isPgsluiceError } from '../../core/registry/call.ts';

const never = new AbortController().signal;

/** Registers the tests that every checkpoint store has to pass. `open` gives a new store on the same place each time. */
export function checkpointConformance(name: string, open: () => Promise<CheckpointStore>): void {
  test(`${name}: empty at first, and what is saved is there for another process`, async () => {
    await using first = await open();
    await first.lock(never);
    assert.equal((await first.load()).size, 0);
    const entries = new Map<string, Json>([
      ['phase', 'stream'],
      ['table/public.odd "name" – ü', { at: '16/B374D848', rows: 12, done: true, none: null, list: [1, 'two', [3]] }],
      ['long', 'x'.repeat(1 << 20)],
      ['zero', 0],
      ['empty', ''],
      ['no', false],
    ]);
    await first.save(entries);
    await using second = await open();
    assert.deepEqual(new Map(await second.load()), entries);
  });

  test(`${name}: a null removes its key, all other keys stay, later values win`, async () => {
    await using store = await open();
    await store.lock(never);
    await store.save(
      new Map<string, Json>([
        ['long', null],
        ['zero', null],
        ['phase', 'done'],
      ]),
    );
    await using again = await open();
    const entries = await again.load();
    assert.ok(!entries.has('long') && !entries.has('zero'));
    assert.equal(entries.get('phase'), 'done');
    assert.equal(entries.get('no'), false);
  });

  test(`${name}: saves that are under way at the same time are all kept, in their order`, async () => {
    await using store = await open();
    await store.lock(never);
    const saves = Array.from({ length: 20 }, (_, i) =>
      store.save(
        new Map<string, Json>([
          [`k${i}`, i],
          ['last', i],
        ]),
      ),
    );
    await Promise.all(saves);
    await using again = await open();
    const entries = await again.load();
    for (let i = 0; i < 20; i++) assert.equal(entries.get(`k${i}`), i);
    assert.equal(entries.get('last'), 19);
  });

  test(`${name}: a second holder is refused with a code, and welcome once the first has gone`, async () => {
    const first = await open();
    await first.lock(never);
    {
      await using second = await open();
      await assert.rejects(
        second.lock(never),
        (error) => isPgsluiceError(error) && error.meaning === 'locked' && error.remedy !== '',
      );
    }
    // The refusal did not take the lock away from its holder.
    await using third = await open();
    await assert.rejects(third.lock(never), isPgsluiceError);
    await first[Symbol.asyncDispose]();
    await using last = await open();
    await last.lock(never);
  });

  test(`${name}: those who share it keep away who holds it alone, and the other way round`, async () => {
    await using one = await open();
    if (one.share === undefined) return;
    await one.share(never);
    await using other = await open();
    await other.share?.(never);
    await using alone = await open();
    const locked = (error: unknown) => isPgsluiceError(error) && error.meaning === 'locked';
    await assert.rejects(alone.lock(never), locked);
    await one[Symbol.asyncDispose]();
    await assert.rejects(alone.lock(never), locked);
    await other[Symbol.asyncDispose]();
    await alone.lock(never);
    await using late = await open();
    await assert.rejects(late.share?.(never) ?? Promise.resolve(), locked);
  });

  test(`${name}: a second map beside it is written without the lock and kept apart`, async () => {
    await using holder = await open();
    await holder.lock(never);
    await holder.save(new Map<string, Json>([['phase', 'mine']]));
    await using other = await open();
    const beside = other.beside?.();
    if (beside === undefined) return;
    await beside.save(
      new Map<string, Json>([
        ['phase', 'theirs'],
        ['gone', 1],
      ]),
    );
    await holder.save(new Map<string, Json>([['more', 2]]));
    await beside.save(new Map<string, Json>([['gone', null]]));
    await using third = await open();
    assert.deepEqual([...((await third.beside?.().load()) ?? [])], [['phase', 'theirs']]);
    const entries = await third.load();
    assert.deepEqual([entries.get('phase'), entries.get('more'), entries.get('gone')], ['mine', 2, undefined]);
    assert.ok([...entries.keys()].every((key) => !key.includes('beside')));
  });

  test(`${name}: remove leaves nothing, and may be repeated`, async () => {
    await using store = await open();
    await store.lock(never);
    await store.remove();
    await store.remove();
    await store[Symbol.asyncDispose]();
    await using again = await open();
    assert.equal((await again.load()).size, 0);
    assert.equal((await again.beside?.().load())?.size ?? 0, 0);
  });
}
