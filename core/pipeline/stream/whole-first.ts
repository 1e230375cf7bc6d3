import type { StreamBatch } from '../../api/change.ts';
import type { CommitLsn } from '../../postgres/lsn.ts';

/**
 * A batch that ends inside a transaction, in two: the whole transactions before that one, committed on their own, and what
 * there is of it. Were they written with it, a failure in it would take them back.
 */
export function wholeFirst(batch: StreamBatch): readonly StreamBatch[] {
  const { changes, boundary } = batch;
  const last = changes[changes.length - 1];
  if (boundary !== null || last === undefined || changes[0]!.tx.finalLsn === last.tx.finalLsn) return [batch];
  const at = changes.findIndex((change) => change.tx.finalLsn === last.tx.finalLsn);
  const before = changes[at - 1]!.tx;
  const end = last.tx.finalLsn as bigint as CommitLsn;
  return [
    {
      ...batch,
      changes: changes.slice(0, at),
      boundary: end,
      commitTime: before.commitTime,
      transactions: 0,
      bytes: 0,
    },
    { ...batch, changes: changes.slice(at) },
  ];
}
