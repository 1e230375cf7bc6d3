import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { raceAbort } from '../../../../core/base/race-abort.ts';

test('the first to settle wins; null as soon as a signal is aborted', async () => {
  const never = new Promise<never>(() => {});
  const signal = new AbortController().signal;
  assert.equal(await raceAbort([never, Promise.resolve(1)], [signal]), 1);
  await assert.rejects(raceAbort([never, Promise.reject(new Error('lost'))], [signal]), /lost/);
  const abort = new AbortController();
  const waiting = raceAbort([never], [signal, abort.signal]);
  abort.abort();
  assert.equal(await waiting, null);
});

// A rejection that nobody handles ends the process, and fails this test.
for (const when of ['before', 'during'] as const) {
  test(`what fails after an abort ${when} the wait is nobody’s`, async () => {
    const late = Promise.withResolvers<number>();
    const abort = new AbortController();
    if (when === 'before') abort.abort();
    const waiting = raceAbort([late.promise], [abort.signal]);
    abort.abort();
    assert.equal(await waiting, null);
    late.reject(new Error('late'));
    await turn();
  });
}
