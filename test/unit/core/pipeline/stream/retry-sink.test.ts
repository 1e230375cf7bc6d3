import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StreamBatch } from '../../../../../core/api/change.ts';
import { PgsluiceError } from '../../../../../core/base/error.ts';
import type { CommitLsn } from '../../../../../core/postgres/lsn.ts';
import type { Receipt, StreamSink } from '../../../../../core/api/sink.ts';
import { RunView } from '../../../../../core/pipeline/progress/run-view.ts';
import { RetrySink } from '../../../../../core/pipeline/stream/retry-sink.ts';
import { batch, insert, notes, transaction } from '../../../../support/kafka-batches.ts';
import { RunState } from '../../../../../core/pipeline/state/run-state.ts';

const table = notes();
const log = { child: () => log, log: () => {} };
const spec = { title: '', cause: '', remedy: '', exit: 1 } as const;
const passing = () => new PgsluiceError('PGS5001', { ...spec, retry: 'backoff' }, 'away');
const lasting = () => new PgsluiceError('PGS5002', { ...spec, retry: 'never' }, 'refused');
const of = (n: number, open = false): StreamBatch => batch([insert(table, transaction(n), [String(n), 'x'])], { open });
const end = (n: number) => (transaction(n).finalLsn + 8n) as CommitLsn;
const never = new AbortController().signal;

/** A sink that keeps what it called durable and forgets the rest when it is resumed. */
class Flaky implements StreamSink {
  readonly rows: string[] = [];
  open: string[] = [];
  failures: (() => Error)[] = [];
  position: CommitLsn | null = null;
  /** The commit succeeds, but its answer is lost. */
  lostAnswer = false;

  async resume(): Promise<CommitLsn | null> {
    this.open = [];
    return this.position;
  }
  async write({ changes, boundary }: StreamBatch): Promise<Receipt> {
    for (const change of changes) if (change.kind === 'insert') this.open.push(String(change.after[0]));
    const failure = this.failures.shift();
    if (failure !== undefined && !this.lostAnswer) throw failure();
    if (boundary === null) return { status: 'accepted' };
    this.rows.push(...this.open);
    this.open = [];
    this.position = boundary;
    if (failure !== undefined) throw failure();
    return { status: 'durable', upTo: boundary };
  }
  async flush(): Promise<CommitLsn | null> {
    return this.position;
  }
}

function made(sink: StreamSink, more: { keepBytes?: number; blocking?: boolean; stop?: AbortSignal } = {}) {
  const view = new RunView('p', new RunState()).sink('s');
  const retry = new RetrySink({
    sink,
    position: 0n as CommitLsn,
    keepBytes: more.keepBytes ?? 1 << 20,
    patienceMs: 0,
    blocking: () => more.blocking ?? false,
    stop: more.stop ?? never,
    view,
    log,
  });
  return { retry, view };
}

test('what is not durable is given again after a failure, in order, once', async () => {
  const sink = new Flaky();
  const { retry, view } = made(sink);
  await retry.write(of(1), never);
  await retry.write(of(2, true), never);
  sink.failures = [passing, passing];
  assert.deepEqual(await retry.write(of(2), never), { status: 'durable', upTo: end(2) });
  assert.deepEqual(sink.rows, ['1', '2', '2'], 'both parts of the transaction, nothing of the one before');
  assert.equal(retry.keptBytes, 0);
  assert.equal(view.retrying, null);
});

test('what was committed although the answer was lost is not given again', async () => {
  const sink = new Flaky();
  const { retry } = made(sink);
  sink.failures = [passing];
  sink.lostAnswer = true;
  assert.deepEqual(await retry.write(of(1), never), { status: 'durable', upTo: end(1) });
  sink.lostAnswer = false;
  await retry.write(of(2), never);
  assert.deepEqual(sink.rows, ['1', '2']);
});

test('an error that lasts, a full buffer, a stop and a sink that lost something end the tries', async () => {
  const lasts = new Flaky();
  lasts.failures = [passing, lasting];
  await assert.rejects(made(lasts).retry.write(of(1), never), { code: 'PGS5002' });

  const blocks = new Flaky();
  blocks.failures = Array.from({ length: 5 }, () => passing);
  await assert.rejects(made(blocks, { blocking: true }).retry.write(of(1), never), { code: 'PGS5001' });
  assert.ok(blocks.failures.length < 5);

  const stopped = new Flaky();
  stopped.failures = [passing];
  await assert.rejects(made(stopped, { stop: AbortSignal.abort() }).retry.write(of(1), never), { code: 'PGS5001' });

  const forgetful = new Flaky();
  const { retry } = made(forgetful);
  await retry.write(of(2), never);
  forgetful.position = end(1);
  forgetful.failures = [passing];
  await assert.rejects(retry.write(of(3), never), { code: 'PGS5001' });
  assert.deepEqual(forgetful.rows, ['2'], 'nothing was written over the gap');
});

test('a transaction larger than what may be kept is thrown on; the next one is kept again', async () => {
  const sink = new Flaky();
  const { retry } = made(sink, { keepBytes: 500 });
  await retry.write(of(1, true), never);
  await retry.write(of(1, true), never);
  assert.equal(retry.keptBytes, 0);
  sink.failures = [passing];
  await assert.rejects(retry.write(of(1), never), { code: 'PGS5001' });
  await sink.resume();
  await retry.write(of(1), never);
  sink.failures = [passing];
  await retry.write(of(2), never);
  assert.deepEqual(sink.rows, ['1', '2']);
});

test('what is kept of text counts as bytes and as strings, what is passed on as bytes counts once', async () => {
  const kept = async (values: StreamBatch['values']) => {
    const { retry } = made(new Flaky());
    await retry.write({ ...of(1, true), bytes: 1_000_000, values }, never);
    return retry.keptBytes;
  };
  const [text, binary] = [await kept('text'), await kept('binary')];
  assert.ok(text >= 2_000_000 && text < 2_001_000, `${text} bytes of text`);
  assert.ok(binary >= 1_000_000 && binary < 1_001_000, `${binary} bytes`);
});
