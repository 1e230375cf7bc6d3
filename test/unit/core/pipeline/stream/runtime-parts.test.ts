import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change, StreamBatch, TransactionInfo } from '../../../../../core/api/change.ts';
import {
  type CommitLsn,
  formatLsn,
  type IdleLsn,
  parseLsn,
  type RecordLsn,
  type SnapshotLsn,
} from '../../../../../core/postgres/lsn.ts';
import type { Relation } from '../../../../../core/postgres/relation.ts';
import { AckLedger } from '../../../../../core/pipeline/stream/ack-ledger.ts';
import { retryDelay } from '../../../../../core/base/backoff.ts';
import { raceAbort } from '../../../../../core/base/race-abort.ts';
import { RateLimit } from '../../../../../core/pipeline/snapshot/rate-limit.ts';
import { type ControlMessage, encodeControl } from '../../../../../core/pipeline/control/control-message.ts';
import { Hold } from '../../../../../core/pipeline/stream/follow.ts';
import { Contained } from '../../../../../core/pipeline/ddl/contained.ts';
import { Skip } from '../../../../../core/pipeline/stream/batches.ts';
import { GroupCommit } from '../../../../../core/pipeline/state/group-commit.ts';

function tx(at: bigint): TransactionInfo {
  return { xid: Number(at), finalLsn: at as RecordLsn, commitTime: 0n, origin: null };
}
function relation(name: string): Relation {
  return { oid: 1, schema: 'public', name, kind: 'table', columns: [], identity: { kind: 'full' }, primaryKey: [] };
}
const one = relation('one');
const two = relation('two');
function insert(at: bigint, into: Relation = one): Change {
  return { kind: 'insert', relation: into, tx: tx(at), lsn: at, after: [] };
}
function control(at: bigint, message: ControlMessage): Change {
  const content = Buffer.from(encodeControl('p', message));
  return { kind: 'message', tx: tx(at), lsn: at, transactional: true, prefix: 'pgsluice', content };
}
function batch(changes: readonly Change[], boundary: bigint | null, bytes = 1): StreamBatch {
  return { changes, boundary: boundary as CommitLsn | null, commitTime: 0n, transactions: 1, bytes, values: 'text' };
}

test('an LSN reads and writes as the server prints it; nonsense is refused', () => {
  assert.equal(formatLsn(parseLsn('16/B374D848')), '16/B374D848');
  assert.equal(formatLsn(0n), '0/0');
  for (const bad of ['', '0', '0/', 'x/1', '123456789/1', ' 0/1']) assert.throws(() => parseLsn(bad), RangeError);
});

test('the ledger confirms the minimum over sinks, once, and never goes back (I1, I2)', () => {
  const ledger = new AckLedger(
    new Map([
      ['a', 10n],
      ['b', 20n],
    ]),
    10n,
  );
  assert.equal(ledger.due(), null);
  ledger.durable('a', 50n as CommitLsn);
  assert.equal(ledger.due(), 20n);
  ledger.confirmed(20n);
  assert.equal(ledger.due(), null);
  ledger.durable('a', 40n as CommitLsn);
  ledger.durable('b', 60n as CommitLsn);
  assert.equal(ledger.due(), 50n);
  assert.equal(ledger.dueIdle(20n as IdleLsn), null);
  assert.throws(() => ledger.durable('c', 1n as CommitLsn), RangeError);
});

test("changes below a table's exact position, or below the sink's own, are skipped (I5)", () => {
  const exact = new Map([['public.one', 200n as SnapshotLsn]]);
  const skip = new Skip(100n, new Contained({ get: () => null }, 'p', { exact, tables: [] }));
  const changes = [insert(50n, two), insert(150n, one), insert(150n, two), insert(200n, one)];
  assert.deepEqual(skip.filter(changes), [changes[2], changes[3]]);
  const later = [insert(200n, one), insert(300n, two)];
  assert.equal(skip.filter(later), later, 'beyond every position nothing is looked at');
  const truncate: Change = {
    kind: 'truncate',
    relations: [one, two],
    cascade: false,
    restartIdentity: false,
    tx: tx(150n),
    lsn: 150n,
  };
  const [left] = skip.filter([truncate]);
  assert.deepEqual(left?.kind === 'truncate' && left.relations, [two]);
});

test('a hold keeps what commits later, splits at the position and goes on after the release', () => {
  const hold = new Hold('p', { bytes: 1000, ms: 1000 });
  const first = batch([insert(1n), control(2n, { kind: 'hold', id: 'h' }), insert(3n)], 4n);
  const [offered, ...none] = hold.feed(first, 0);
  assert.deepEqual(none, []);
  assert.deepEqual(offered?.kind === 'offer' && offered.batch.changes.map(({ lsn }) => lsn), [1n, 2n]);
  assert.deepEqual(hold.feed(batch([insert(5n), insert(9n)], 10n), 0), []);
  const steps = hold.feed(batch([control(11n, { kind: 'hold-at', id: 'h', at: 7n }), insert(12n)], 13n), 0);
  assert.deepEqual(
    steps.map(({ kind }) => kind),
    ['offer', 'held'],
  );
  assert.deepEqual(steps[0]?.kind === 'offer' && steps[0].batch.changes.map(({ lsn }) => lsn), [3n, 5n]);
  assert.equal(steps[0]?.kind === 'offer' && steps[0].batch.boundary, 7n);
  const [released, rest] = hold.feed(batch([control(14n, { kind: 'release', id: 'h' }), insert(15n)], 16n), 0);
  assert.deepEqual(released, { kind: 'released', id: 'h' });
  assert.deepEqual(rest?.kind === 'offer' && rest.batch.changes.map(({ lsn }) => lsn), [9n, 11n, 12n, 14n, 15n]);
  assert.equal(rest?.kind === 'offer' && rest.batch.boundary, 16n);
  assert.equal(hold.active, false);
});

test('a hold that is asked for during another one begins where that ends', () => {
  const hold = new Hold('p', { bytes: 1000, ms: 1000 });
  hold.feed(batch([control(1n, { kind: 'hold', id: 'a' })], 2n), 0);
  hold.feed(batch([insert(3n), control(4n, { kind: 'hold', id: 'b' }), insert(5n)], 6n), 0);
  hold.feed(batch([control(7n, { kind: 'hold-at', id: 'a', at: 5n }), insert(8n)], 9n), 0);
  hold.feed(batch([control(10n, { kind: 'hold-at', id: 'b', at: 8n }), insert(11n)], 12n), 0);
  const steps = hold.feed(batch([control(13n, { kind: 'release', id: 'a' }), insert(14n)], 15n), 0);
  const shown = steps.map((step) =>
    step.kind === 'offer' ? step.batch.changes.map(({ lsn }) => lsn) : `${step.kind} ${step.id}`,
  );
  assert.deepEqual(shown, ['released a', [5n, 7n], 'held b']);
  const last = hold.feed(batch([control(16n, { kind: 'release', id: 'b' })], 17n), 0);
  assert.deepEqual(
    last.map((step) => (step.kind === 'offer' ? step.batch.changes.map(({ lsn }) => lsn) : step.kind)),
    ['released', [8n, 10n, 11n, 13n, 14n, 16n]],
  );
});

test('a hold is given up when its owner is gone or memory is used up; nothing is lost', () => {
  const hold = new Hold('p', { bytes: 10, ms: 1000 });
  hold.feed(batch([control(1n, { kind: 'hold', id: 'h' })], 2n), 0);
  const [flood] = hold.feed(batch([insert(3n)], 4n, 11), 1);
  assert.deepEqual(flood?.kind === 'offer' && flood.batch.changes.map(({ lsn }) => lsn), [3n]);
  hold.feed(batch([control(5n, { kind: 'hold', id: 'i' }), insert(6n)], 7n), 1);
  assert.deepEqual(hold.expire(900), []);
  const [late] = hold.expire(2000);
  assert.deepEqual(late?.kind === 'offer' && late.batch.changes.map(({ lsn }) => lsn), [6n]);
  assert.equal(hold.active, false);
});

test('messages of another pipeline and nonsense do not hold anything', () => {
  const hold = new Hold('other', { bytes: 10, ms: 10 });
  const alien = batch([control(1n, { kind: 'hold', id: 'h' })], 2n);
  assert.deepEqual(hold.feed(alien, 0), [{ kind: 'offer', batch: alien }]);
});

test('writes that come during a write are joined, in order; what failed is written with the next', async () => {
  const written: [string, number][][] = [];
  let open: () => void = () => {};
  const group = new GroupCommit<string, number>(async (entries) => {
    written.push([...entries]);
    if (written.length === 1) await new Promise<void>((resolve) => (open = resolve));
    if (written.length === 3) throw new Error('disk full');
  });
  const first = group.put([['a', 1]]);
  const joined = Promise.all([group.put([['a', 2]]), group.put([['b', 3]])]);
  open();
  await first;
  await joined;
  assert.deepEqual(written, [
    [['a', 1]],
    [
      ['a', 2],
      ['b', 3],
    ],
  ]);
  await assert.rejects(group.put([['c', 4]]), /disk full/);
  await group.put([['d', 5]]);
  assert.deepEqual(
    new Map(written[3]),
    new Map([
      ['c', 4],
      ['d', 5],
    ]),
  );
  await group.settled();
});

test('the rate limit makes debt wait and lends at most a second', () => {
  const limit = new RateLimit(1000, 0);
  assert.equal(limit.charge(1000, 0), 0);
  assert.equal(limit.charge(500, 0), 500);
  assert.equal(limit.charge(0, 60_000), 0);
  assert.equal(limit.charge(2000, 60_000), 1000);
  assert.equal(new RateLimit(null, 0).charge(1e12, 0), 0);
});

test('a rate that several processes share is reserved in pieces, and nothing is lost between them', async () => {
  const limit = new RateLimit(800, 0);
  const reserved: number[] = [];
  limit.shareBy(async (bytes) => {
    reserved.push(bytes);
    return 0;
  });
  for (const bytes of [60, 30, 20, 500, 40, 50]) await limit.take(bytes, new AbortController().signal);
  assert.deepEqual(reserved, [110, 500]);
  await limit.take(10, new AbortController().signal);
  assert.deepEqual(reserved, [110, 500, 100]);
});

test('delays double and are bounded', () => {
  assert.deepEqual([1, 2, 3, 20].map(retryDelay), [200, 400, 800, 30_000]);
});

test('a race leaves nothing behind on its signals', async () => {
  const controller = new AbortController();
  let added = 0;
  const { signal } = controller;
  const count = (by: number) => (added += by);
  const watched = Object.assign(Object.create(signal) as AbortSignal, {
    addEventListener: () => count(1),
    removeEventListener: () => count(-1),
  });
  assert.equal(await raceAbort([Promise.resolve(7)], [watched]), 7);
  assert.equal(added, 0);
  controller.abort();
  assert.equal(await raceAbort([new Promise<number>(() => {})], [signal]), null);
});
