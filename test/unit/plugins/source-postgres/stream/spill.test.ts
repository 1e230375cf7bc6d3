import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SpillFile } from '../../../../../plugins/source-postgres/stream/spill-file.ts';

/** A CopyData frame of `bytes` bytes that all are `fill`. */
function frame(bytes: number, fill: number): Buffer {
  const made = Buffer.alloc(bytes, fill);
  made[0] = 0x64;
  made.writeInt32BE(bytes - 1, 1);
  return made;
}

/** All frames that come back, and how many of the reads waited for the disk. */
async function readAll(file: SpillFile): Promise<{ readonly frames: Buffer[]; readonly waited: number }> {
  const frames: Buffer[] = [];
  let waited = 0;
  for (;;) {
    const next = file.next();
    if (next instanceof Promise) waited++;
    const region = await next;
    if (region === undefined) return { frames, waited };
    for (let at = region.start; at < region.end; ) {
      const end = at + 1 + region.buffer.readInt32BE(at + 1);
      frames.push(Buffer.from(region.buffer.subarray(at, end)));
      at = end;
    }
  }
}

const failures: unknown[] = [];
const events = { written: () => {}, failed: (error: unknown) => void failures.push(error) };

test('a small transaction never reaches the disk, and is read without waiting', async () => {
  const file = new SpillFile(events);
  const all = [frame(50, 1), frame(900, 2)];
  for (const one of all) file.append(one);
  assert.equal(file.pending, 0);
  assert.deepEqual(await readAll(file), { frames: all, waited: 0 });
  file.close();
});

test('what is large comes back from the file frame by frame, in order; a frame may be larger than a read', async () => {
  let written = 0;
  const file = new SpillFile({ ...events, written: () => void written++ });
  const sizes = [10, 300_000, 7, 100_000, 1_000_000, 200_000, 33];
  const all = sizes.map((bytes, i) => frame(bytes, i + 1));
  for (const one of all) file.append(one);
  assert.ok(file.pending > 0, 'nothing was written within append: the loop is free for keepalives');
  const { frames, waited } = await readAll(file);
  assert.deepEqual(frames, all);
  assert.ok(waited > 0);
  assert.ok(written > 0);
  assert.equal(file.pending, 0);
  file.close();
});

test('a transaction that is rolled back while it is written leaves nothing that fails later', async () => {
  const file = new SpillFile(events);
  for (let i = 0; i < 20; i++) file.append(frame(300_000, i));
  file.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(failures, []);
});
