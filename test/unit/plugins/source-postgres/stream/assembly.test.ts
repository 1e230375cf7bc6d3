import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InsertChange, StreamBatch, TransactionInfo } from '../../../../../core/api/change.ts';
import type { CommitLsn, RecordLsn } from '../../../../../core/postgres/lsn.ts';
import { Assembly } from '../../../../../plugins/source-postgres/stream/assembly.ts';
import { liveness, passed, statusEvery } from '../../../../../plugins/source-postgres/stream/liveness.ts';

const make = (more: Partial<ConstructorParameters<typeof Assembly>[0]> = {}) =>
  new Assembly({ batchBytes: 100, binary: false, from: 0n, until: null, idleEvery: 1000, ...more });
const tx = (finalLsn: bigint): TransactionInfo => ({
  xid: 1,
  finalLsn: finalLsn as RecordLsn,
  commitTime: finalLsn * 10n,
  origin: null,
});
/** One transaction: `rows` changes of 10 bytes; commit record [at, at + 5). */
function transaction(assembly: Assembly, at: bigint, rows: number, close = true): void {
  assembly.begin(tx(at));
  for (let i = 0; i < rows && !assembly.ended; i++) assembly.change({ kind: 'insert', tx: tx(at) } as InsertChange, 10);
  if (close && !assembly.ended) assembly.commit(tx(at), (at + 5n) as CommitLsn);
}
function batch(assembly: Assembly): StreamBatch {
  const item = assembly.take(0, true);
  assert.ok(item !== null && typeof item !== 'number' && item.kind === 'batch');
  return item.batch;
}
const idle = (assembly: Assembly, now: number, drained = true) => {
  const item = assembly.take(now, drained);
  return item !== null && typeof item !== 'number' && item.kind === 'idle' ? item.at : item;
};

test('all complete transactions go in one batch that ends at the last commit', () => {
  const assembly = make();
  transaction(assembly, 10n, 2);
  transaction(assembly, 20n, 1);
  transaction(assembly, 30n, 3, false);
  const { changes, ...rest } = batch(assembly);
  assert.equal(changes.length, 3);
  assert.deepEqual(rest, { boundary: 25n, commitTime: 200n, transactions: 2, bytes: 30, values: 'text' });
  assert.equal(assembly.take(0, true), null, 'the open transaction waits for its commit');
  assembly.commit(tx(30n), 35n as CommitLsn);
  assert.equal(batch(assembly).changes.length, 3);
});

test('a transaction larger than the budget goes in pieces without a boundary', () => {
  const assembly = make();
  transaction(assembly, 10n, 10, false);
  assert.ok(assembly.full);
  assert.deepEqual([batch(assembly).boundary, assembly.handed], [null, 10n], 'what commits before it is out');
  assembly.commit(tx(10n), 15n as CommitLsn);
  const last = batch(assembly);
  assert.deepEqual(
    [last.changes.length, last.boundary, last.transactions],
    [0, 15n, 1],
    'its end comes even with no row left',
  );
});

test('whole transactions before a large one go first', () => {
  const assembly = make();
  transaction(assembly, 10n, 1);
  transaction(assembly, 20n, 12, false);
  assert.equal(batch(assembly).boundary, 15n);
  assert.equal(batch(assembly).boundary, null);
});

test('an empty transaction is an idle position, or rides on the batch that waits', () => {
  const assembly = make();
  transaction(assembly, 10n, 0);
  assert.equal(idle(assembly, 0), 15n);
  transaction(assembly, 20n, 1);
  transaction(assembly, 30n, 0);
  const last = batch(assembly);
  assert.deepEqual([last.boundary, last.transactions], [35n, 1]);
});

test('idle: only when all is handed out, only forward, not too often', () => {
  const assembly = make();
  assembly.keepalive(50n, true);
  assert.equal(idle(assembly, 0, false), null, 'bytes wait to be decoded');
  assert.equal(idle(assembly, 0), 50n);
  assembly.keepalive(50n, true);
  assert.equal(idle(assembly, 5000), null, 'nothing new');
  assembly.keepalive(60n, true);
  assert.equal(idle(assembly, 10), 1000, 'due later');
  assert.equal(idle(assembly, 1000), 60n);
  assembly.keepalive(70n, false);
  assert.equal(idle(assembly, 9000), null, 'inside a transaction it means nothing');
  transaction(assembly, 80n, 1);
  assembly.keepalive(90n, true);
  assert.equal(batch(assembly).boundary, 85n, 'a batch goes before');
  assert.equal(idle(assembly, 9000), 90n);
  assembly.keepalive(100n, true);
  transaction(assembly, 110n, 1, false);
  assert.equal(idle(assembly, 99_000), null, 'something came after it');
});

test('until: a commit that ends there is in, the next one ends the stream', () => {
  const assembly = make({ until: 25n });
  transaction(assembly, 20n, 1);
  assert.ok(!assembly.ended);
  transaction(assembly, 30n, 1);
  assert.ok(assembly.ended);
  assert.deepEqual([batch(assembly).boundary, assembly.take(0, true)], [25n, null]);
});

test('until inside a commit record: the transaction is out, unless pieces of it went before', () => {
  const small = make({ until: 22n });
  transaction(small, 10n, 1);
  transaction(small, 20n, 2);
  assert.ok(small.ended);
  assert.deepEqual([batch(small).boundary, small.take(0, true)], [15n, null]);
  const large = make({ until: 22n });
  transaction(large, 20n, 10, false);
  assert.equal(batch(large).boundary, null);
  large.commit(tx(20n), 25n as CommitLsn);
  assert.deepEqual([large.ended, batch(large).boundary], [true, 25n]);
});

test('until: a keepalive ends the stream', () => {
  const assembly = make({ until: 25n });
  assembly.keepalive(24n, true);
  assert.ok(!assembly.ended);
  assembly.keepalive(25n, false);
  assert.ok(!assembly.ended);
  assembly.keepalive(25n, true);
  assert.ok(assembly.ended);
});

test('passed: the header of a page counts as passed, a record behind it does not', () => {
  assert.ok(passed(8192n, 8192n + 24n));
  assert.ok(passed(8192n, 8192n + 40n));
  assert.ok(!passed(8192n, 8192n + 41n));
  assert.ok(!passed(8184n, 8192n));
});

test('liveness and the pace of status updates', () => {
  assert.equal(liveness(10, 60_000, true), 'fine');
  assert.equal(liveness(30_000, 60_000, true), 'ask');
  assert.equal(liveness(60_000, 60_000, true), 'dead');
  assert.equal(liveness(600_000, 60_000, false), 'fine');
  assert.equal(statusEvery(10_000, 2000), 666);
  assert.equal(statusEvery(10_000, 0), 10_000);
  assert.equal(statusEvery(500, 60_000), 500);
});
