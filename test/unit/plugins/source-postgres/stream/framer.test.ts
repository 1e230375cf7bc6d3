import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PgsluiceError } from '../../../../../core/base/error.ts';
import {
  Framer,
  type FrameTargets,
  type Region,
} from '../../../../../plugins/source-postgres/stream/replication-socket.ts';
import { begin, i32, keepalive, xlog } from '../../../../support/stream-frames.ts';

class Sink {
  readonly frames: string[] = [];
  readonly others: string[] = [];
  readonly regions: Region[] = [];
  asked = 0;
  readonly to: FrameTargets = {
    frames: { push: (region) => this.#data(region) },
    session: {
      other: (type, body) => void this.others.push(`${String.fromCharCode(type)}:${body.toString()}`),
      replyRequested: () => void this.asked++,
    },
    reader: {
      arrived() {},
      failed: (reason) => {
        throw reason;
      },
    },
  };
  #data(region: Region): void {
    this.regions.push(region);
    for (let at = region.start; at < region.end; ) {
      const end = at + 1 + region.view.getInt32(at + 1);
      assert.ok(end <= region.end, 'a region holds whole frames');
      this.frames.push(region.buffer.toString('hex', at, end));
      at = end;
    }
  }
}
const notice = Buffer.concat([Buffer.from('N'), i32(9), Buffer.from('hello')]);
const frames = [
  xlog(begin(1n)),
  keepalive(5n, true),
  notice,
  xlog(Buffer.alloc(3000, 7)),
  keepalive(6n),
  xlog(begin(2n)),
];
const stream = Buffer.concat(frames);
const expected = frames.filter((frame) => frame !== notice).map((frame) => frame.toString('hex'));

for (const size of [1, 2, 3, 4, 5, 6, 7, 29, 64, 1000, 4096, stream.length]) {
  test(`the same frames whatever the reads are: ${size} bytes each`, () => {
    const sink = new Sink();
    const framer = new Framer(sink.to);
    for (let at = 0; at < stream.length; at += size) framer.push(Buffer.from(stream.subarray(at, at + size)));
    assert.deepEqual(sink.frames, expected);
    assert.deepEqual(sink.others, ['N:hello']);
    assert.equal(sink.asked, 1);
    assert.equal(framer.held, 0);
  });
}

test('every way to cut the stream in two', () => {
  for (let cut = 1; cut < stream.length; cut += 11) {
    const sink = new Sink();
    const framer = new Framer(sink.to);
    framer.push(Buffer.from(stream.subarray(0, cut)));
    framer.push(Buffer.from(stream.subarray(cut)));
    assert.deepEqual(sink.frames, expected);
  }
});

test('a large frame in small reads is joined once', () => {
  const sink = new Sink();
  const framer = new Framer(sink.to);
  const large = xlog(Buffer.alloc(20 << 20, 1));
  for (let at = 0; at < large.length; at += 16_384) framer.push(large.subarray(at, at + 16_384));
  assert.equal(sink.regions.length, 1);
  assert.equal(sink.regions[0]?.end, large.length);
});

test('frames do not share memory with a read buffer that is written again after a frame was cut', () => {
  const sink = new Sink();
  const framer = new Framer(sink.to);
  const one = xlog(begin(3n));
  const read = Buffer.from(one.subarray(0, 20));
  framer.push(read);
  framer.push(Buffer.from(one.subarray(20)));
  assert.deepEqual(sink.frames, [one.toString('hex')]);
});

test('lengths that no server sends are an error at once', () => {
  for (const bytes of [
    Buffer.concat([Buffer.from('d'), i32(3)]),
    Buffer.concat([Buffer.from('d'), i32(-1)]),
    Buffer.concat([Buffer.from('H'), i32(0x7fffffff)]),
  ]) {
    assert.throws(
      () => new Framer(new Sink().to).push(bytes),
      (error) => error instanceof PgsluiceError && error.code === 'PGS2160',
    );
  }
});
