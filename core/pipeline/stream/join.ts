import type { StreamBatch } from '../../api/change.ts';

/** Several batches as one; it ends where the last one ends. */
export function join(batches: readonly StreamBatch[]): StreamBatch {
  const last = batches[batches.length - 1]!;
  return {
    changes: batches.flatMap((batch) => batch.changes),
    boundary: last.boundary,
    commitTime: last.commitTime,
    transactions: batches.reduce((sum, batch) => sum + batch.transactions, 0),
    bytes: batches.reduce((sum, batch) => sum + batch.bytes, 0),
    values: last.values,
  };
}
