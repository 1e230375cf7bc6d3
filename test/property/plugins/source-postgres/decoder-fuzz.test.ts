import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PgsluiceError } from '../../../../core/base/error.ts';
import { Framer, type FrameTargets } from '../../../../plugins/source-postgres/stream/replication-socket.ts';
import * as f from '../../../support/stream-frames.ts';

/** One of every message; the bytes that are mutilated below. */
const columns = [{ name: 'id', key: true }, { name: 'a' }];
const valid = [
  f.begin(500n),
  f.message('O', f.u64(9n), f.str('other')),
  f.message('Y', f.u32(50_000), f.str('s'), f.str('t')),
  f.relation(7, 't', columns),
  f.insert(7, f.tuple('1', 'é')),
  f.update(7, f.tuple('1', undefined), ['O', f.tuple('1', 'x'.repeat(300))]),
  f.remove(7, 'K', f.tuple('1', null)),
  f.message('T', f.u32(1), f.u8(0), f.u32(7)),
  f.message('M', f.u8(1), f.u64(9n), f.str('p'), f.i32(2), Buffer.from('hi')),
  f.commit(500n, 548n),
  f.message('S', f.u32(9), f.u8(1)),
  f.message('E'),
];

/** Decodes until the first error, which must be one of ours; says whether there was one. */
function survives(payloads: readonly Buffer[]): boolean {
  const recorder = new f.Recorder();
  try {
    recorder.all(...payloads);
    return true;
  } catch (error) {
    assert.ok(error instanceof PgsluiceError, `not a clean error: ${String(error)}`);
    assert.match(error.code, /^PGS21[56]\d$/);
    return false;
  }
}

test('every truncation of every message is refused', () => {
  for (const [i, payload] of valid.entries()) {
    for (let length = 0; length < payload.length; length++) {
      const cut = [...valid.slice(0, i), payload.subarray(0, length)];
      assert.ok(!survives(cut), `message ${i} cut to ${length} bytes`);
    }
  }
});

test('flipped bits never crash or hang', () => {
  const mutation = fc.tuple(fc.nat(valid.length - 1), fc.nat(), fc.integer({ min: 1, max: 255 }));
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
      const payloads = valid.map((payload) => Buffer.from(payload));
      for (const [message, at, bits] of mutations) {
        const bytes = payloads[message];
        assert.ok(bytes !== undefined);
        bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ bits;
      }
      survives(payloads);
    }),
    { numRuns: 3000 },
  );
});

test('random messages never crash or hang', () => {
  const type = fc.constantFrom(...'BCORYIUDTMSEcAbPKrp?\0');
  const random = fc.tuple(type, fc.uint8Array({ maxLength: 60 })).map(([t, b]) => f.message(t, Buffer.from(b)));
  fc.assert(
    fc.property(fc.nat(valid.length), fc.array(random, { minLength: 1, maxLength: 5 }), (first, tail) => {
      survives([...valid.slice(0, first), ...tail]);
    }),
    { numRuns: 3000 },
  );
});

test('random bytes on the socket, in random reads: clean errors, and regions that hold whole frames', () => {
  const frames = [...valid.map((payload) => f.xlog(payload)), f.keepalive(5n, true)];
  const piece = fc.oneof(
    fc.constantFrom(...frames),
    fc.uint8Array({ maxLength: 40 }).map((b) => Buffer.from(b)),
  );
  const target: FrameTargets = {
    frames: {
      push(region) {
        let at = region.start;
        while (at < region.end) at += region.view.getInt32(at + 1) + 1;
        assert.equal(at, region.end);
      },
    },
    session: { other() {}, replyRequested() {} },
    reader: {
      arrived() {},
      failed(reason) {
        throw reason;
      },
    },
  };
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.integer({ min: 1, max: 500 }), (pieces, size) => {
      const bytes = Buffer.concat(pieces);
      const framer = new Framer(target);
      try {
        for (let at = 0; at < bytes.length; at += size) framer.push(bytes.subarray(at, at + size));
      } catch (error) {
        assert.ok(error instanceof PgsluiceError, `not a clean error: ${String(error)}`);
      }
    }),
    { numRuns: 2000 },
  );
});
