import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { setImmediate as tick } from 'node:timers/promises';
import { BulkSocket } from '../../../../core/postgres/bulk-socket.ts';
import { Coalescer } from '../../../../plugins/sink-postgres/coalescer.ts';
import { RunQueue } from '../../../../plugins/source-postgres/snapshot/run-queue.ts';

/** A server that sends pieces of odd sizes, and a socket of ours that reads them. */
async function connected(pieces: readonly Buffer[]): Promise<{ socket: BulkSocket; close: () => void }> {
  const server = createServer((peer) => {
    void (async () => {
      for (const piece of pieces) {
        if (!peer.write(piece)) await once(peer, 'drain');
        if (piece.length < 100) await tick();
      }
      peer.end();
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = new BulkSocket();
  socket.connect((server.address() as AddressInfo).port, '127.0.0.1');
  return { socket, close: () => server.close() };
}

function pieces(total: number): Buffer[] {
  const made: Buffer[] = [];
  for (let sum = 0; sum < total; sum += made.at(-1)!.length) {
    made.push(randomBytes(1 + Math.floor(Math.random() ** 4 * 300_000)));
  }
  return made;
}

const digest = (parts: readonly Uint8Array[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};

test('what is read into memory that is used again comes out whole and in order, however slow its reader', async () => {
  const sent = pieces(24 << 20);
  const { socket, close } = await connected(sent);
  const queue = new RunQueue(socket);
  let ended = false;
  socket.setReader((chunk, block) => {
    queue.push(chunk, block);
    if (queue.bytes > 1 << 20) socket.pause();
  });
  socket.on('end', () => (ended = true));
  socket.resume();
  const hash = createHash('sha256');
  const blocks = new Set<unknown>();
  for (let turn = 0; !ended || queue.bytes > 0; turn++) {
    const run = queue.shift();
    if (run === undefined) {
      socket.resume();
      await tick();
      continue;
    }
    blocks.add(run.buffer);
    // The reader holds the run for some turns of the loop, in which more is read.
    for (let wait = turn % 4; wait > 0; wait--) await tick();
    hash.update(run);
    if (queue.bytes < 1 << 18) socket.resume();
  }
  close();
  assert.equal(hash.digest('hex'), digest(sent));
  // A few reads may come as copies of their own; the rest shares a handful of blocks.
  assert.ok(blocks.size < 40, `${blocks.size} blocks for 24 MB`);
});

test('without a reader it is a socket like any other: what listeners keep stays', async () => {
  const sent = pieces(2 << 20);
  const { socket, close } = await connected(sent);
  const kept: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => kept.push(chunk));
  await once(socket, 'end');
  close();
  assert.equal(digest(kept), digest(sent));
});

test('items that come while work is under way are one next piece of work', async () => {
  const worked: number[][] = [];
  const gather = new Coalescer<number>(1, 3, async (items) => {
    worked.push([...items]);
    await tick();
    if (items.includes(6)) throw new Error('six');
  });
  const results = await Promise.allSettled([1, 2, 3, 4, 5, 6].map((item) => gather.add(item)));
  assert.deepEqual(worked, [[1], [2, 3, 4], [5, 6]]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected'],
  );
  await gather.add(7);
});
