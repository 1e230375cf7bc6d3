import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as f from '../../../support/stream-frames.ts';
import { Oracle, plain } from '../../../support/stream-oracle.ts';

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 30 }),
  fc.string({ unit: 'binary-ascii', maxLength: 300 }),
  fc.nat(2000).map((length) => 'x'.repeat(length)),
  fc.tuple(fc.nat(200), fc.constantFrom('é', '漢', '😀')).map(([length, end]) => 'y'.repeat(length) + end),
);
const cell = fc.option(text, { nil: null });
const sent = fc.oneof({ weight: 4, arbitrary: cell }, { weight: 1, arbitrary: fc.constant(undefined) });

/** A table of one to eight columns of which the first `keys` are its identity, and messages on it. */
const messages = fc
  .tuple(fc.integer({ min: 1, max: 8 }), fc.nat(3), fc.integer({ min: 1, max: 2 ** 32 - 1 }))
  .chain(([width, keys, oid]) => {
    const columns = Array.from({ length: width }, (_, i) => ({ name: `c${i}`, key: i < keys }));
    const row = fc.array(cell, { minLength: width, maxLength: width }).map((cells) => f.tuple(...cells));
    const partial = fc.array(sent, { minLength: width, maxLength: width }).map((cells) => f.tuple(...cells));
    const old = fc.tuple(fc.constantFrom<'K' | 'O'>('K', 'O'), row);
    const one = fc.oneof(
      row.map((cells) => f.insert(oid, cells)),
      fc.tuple(partial, fc.option(old, { nil: undefined })).map(([cells, before]) => f.update(oid, cells, before)),
      old.map(([mark, cells]) => f.remove(oid, mark, cells)),
      fc.nat(3).map((options) => f.message('T', f.u32(1), f.u8(options), f.u32(oid))),
      fc
        .uint8Array({ maxLength: 50 })
        .map((content) => f.message('M', f.u8(1), f.u64(9n), f.str('p'), f.i32(content.length), Buffer.from(content))),
    );
    return fc
      .array(one, { minLength: 1, maxLength: 12 })
      .map((list) => [f.begin(500n), f.relation(oid, 'tab', columns), ...list, f.commit(500n, 548n)]);
  });

test('both decoders read the same bytes as the same changes', () => {
  fc.assert(
    fc.property(messages, (payloads) => {
      const oracle = new Oracle();
      const expected = payloads.map((payload) => oracle.decode(payload)).filter((change) => change !== null);
      assert.deepEqual(new f.Recorder().all(...payloads).changes.map(plain), expected);
    }),
    { numRuns: 400 },
  );
});
