import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Change, StreamBatch } from '../../../../../core/api/change.ts';
import { PgsluiceError } from '../../../../../core/base/error.ts';
import type { CommitLsn, IdleLsn } from '../../../../../core/postgres/lsn.ts';
import type { ChangeStream, StreamItem } from '../../../../../core/api/source.ts';
import type { StreamSink } from '../../../../../core/api/sink.ts';
import { RunView } from '../../../../../core/pipeline/progress/run-view.ts';
import { AckLedger } from '../../../../../core/pipeline/stream/ack-ledger.ts';
import { Barriers, follow, type FollowOptions, Hold } from '../../../../../core/pipeline/stream/follow.ts';
import { SinkQueue, type SinkQueueOptions } from '../../../../../core/pipeline/stream/sink-queue.ts';
import { mergeBytesOf, Skip } from '../../../../../core/pipeline/stream/batches.ts';
import { RetrySink } from '../../../../../core/pipeline/stream/retry-sink.ts';
import { batch, insert, notes, transaction } from '../../../../support/kafka-batches.ts';
import { RunState } from '../../../../../core/pipeline/state/run-state.ts';

const table = notes();
const start = 0n as CommitLsn;
const never = new AbortController().signal;
const of = (n: number): StreamBatch => batch([insert(table, transaction(n), [String(n), 'x'])]);

/** Durable with each write, after `ms`. */
function sink(ms: number, more: Partial<StreamSink> = {}): StreamSink {
  return {
    resume: async () => null,
    write: async ({ boundary }) => {
      await sleep(ms);
      return { status: 'durable', upTo: boundary as CommitLsn };
    },
    flush: async () => null,
    ...more,
  };
}

function queue(of: StreamSink, more: Partial<SinkQueueOptions> = {}): SinkQueue {
  return new SinkQueue({
    name: 's',
    sink: of,
    mapper: { map: (changes) => changes },
    skip: new Skip(start, null),
    position: start,
    // One batch a write.
    mergeBytes: 1,
    room: 1 << 20,
    flushAfter: 10,
    view: new RunView('p', new RunState()).sink('s'),
    onDurable: () => {},
    onFailure: () => {},
    signal: never,
    ...more,
  });
}

test('what a sink throws while it prepares is dropped: the batch is written in its turn', async () => {
  const written: Change[] = [];
  const prepare = () => {
    throw new Error('prepare failed');
  };
  const write: StreamSink['write'] = async ({ changes, boundary }) => {
    await sleep(20);
    written.push(...changes);
    return { status: 'durable', upTo: boundary as CommitLsn };
  };
  const failures: unknown[] = [];
  const of3 = queue(sink(0, { prepare, write }), { onFailure: (error) => failures.push(error) });
  for (const n of [1, 2, 3]) of3.offer(of(n));
  await of3.drain();
  assert.deepEqual(failures, []);
  assert.equal(written.length, 3);
  assert.ok(of3.settled);
});

test('a queue that has ended maps nothing any more, and is not settled', async () => {
  const events: string[] = [];
  const first = transaction(1).finalLsn;
  const map = async (changes: readonly Change[]) => {
    if (changes[0]!.tx.finalLsn === first) return changes;
    await sleep(100);
    events.push('mapped');
    return changes;
  };
  const write = async () => {
    await sleep(20);
    throw new Error('lost');
  };
  const ended = queue(sink(0, { prepare: () => {}, write }), {
    mapper: { map },
    onFailure: () => events.push('failed'),
  });
  ended.offer(of(1));
  ended.offer(of(2));
  await sleep(5);
  await ended.end();
  events.push('ended');
  await sleep(120);
  assert.deepEqual(events, ['failed', 'mapped', 'ended']);
  assert.equal(ended.settled, false);
});

test('an idle position is not confirmed above a batch that fails while an older one is saved (I3)', async () => {
  const failure = new AbortController();
  const ledger = new AckLedger(
    new Map([
      ['slow', start],
      ['fast', start],
    ]),
    start,
  );
  const confirmed: bigint[] = [];
  const noted: bigint[] = [];
  let writes = 0;
  const slow = sink(0, {
    write: async ({ boundary }) => {
      await sleep([20, 40, 50][writes]);
      if (writes++ === 2) throw new Error('lost');
      return { status: 'durable', upTo: boundary as CommitLsn };
    },
  });
  const queues = [
    queue(slow, {
      name: 'slow',
      onDurable: (upTo) => ledger.durable('slow', upTo),
      onFailure: (e) => failure.abort(e),
    }),
    queue(sink(0), { name: 'fast', onDurable: (upTo) => ledger.durable('fast', upTo) }),
  ];
  const beyond = (transaction(9).finalLsn + 8n) as bigint as IdleLsn;
  const stream = {
    async *[Symbol.asyncIterator](): AsyncGenerator<StreamItem> {
      for (const n of [1, 2, 3]) yield { kind: 'batch', batch: of(n) };
      await sleep(30);
      yield { kind: 'idle', at: beyond };
      await new Promise(() => {});
    },
    confirm: (upTo: bigint) => void confirmed.push(upTo),
    flushConfirmed: async () => {},
  } as unknown as ChangeStream;
  const options: FollowOptions = {
    stream,
    queues,
    ledger,
    barriers: new Barriers('p'),
    hold: new Hold('p', { bytes: 1 << 20, ms: 60_000 }),
    beforeConfirm: () => sleep(60),
    beforeConfirmIdle: async (at) => void noted.push(at),
    onBarrier: async () => {},
    onHeld: async () => {},
    onReleased: async () => {},
    notePlace: async () => {},
    beforeBatch: null,
    view: { received: () => {} },
    stop: never,
    failure: failure.signal,
  };
  await assert.rejects(follow(options), /lost/);
  assert.deepEqual(noted, []);
  for (const at of confirmed) assert.ok(at < transaction(3).finalLsn + 8n, String(at));
});

test('of several sinks, one with the smallest buffer whose target is durable two writes late fails without the others noticing', async () => {
  const room = 4 << 20;
  const written: CommitLsn[] = [];
  const failures: unknown[] = [];
  let writes = 0;
  const late: StreamSink = {
    resume: async () => written.at(-2) ?? start,
    write: async ({ boundary }) => {
      await sleep(5);
      if (++writes === 6) {
        const about = { title: '', cause: '', remedy: '', exit: 1, retry: 'backoff' } as const;
        throw new PgsluiceError('PGS5001', about, 'away');
      }
      written.push(boundary as CommitLsn);
      const upTo = written.at(-3);
      return upTo === undefined ? { status: 'accepted' } : { status: 'durable', upTo };
    },
    flush: async () => written.at(-1) ?? null,
  };
  const view = new RunView('p', new RunState()).sink('s');
  const retry = new RetrySink({
    sink: late,
    position: start,
    keepBytes: room,
    patienceMs: 1000,
    blocking: () => busy.full,
    stop: never,
    view,
    log: { child: () => log, log: () => {} },
  });
  const busy: SinkQueue = queue(retry, {
    mergeBytes: mergeBytesOf(room, false),
    room,
    view,
    onFailure: (error) => failures.push(error),
  });
  for (let n = 1; n < 200 && failures.length === 0; n++) {
    busy.offer({ ...of(n), bytes: 120_000 });
    while (busy.full && failures.length === 0) await busy.progress();
  }
  await busy.drain();
  assert.deepEqual(failures, []);
  assert.ok(writes > 6);
});

const log = { child: () => log, log: () => {} };
