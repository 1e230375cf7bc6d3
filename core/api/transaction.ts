import type { CommitLsn, RecordLsn } from '../postgres/lsn.ts';
import type { Change, StreamBatch, TransactionInfo } from './change.ts';

export interface WholeTransaction {
  /** Position of its end, and with it of the stream. */
  readonly end: bigint;
  /** Microseconds since 1970-01-01 UTC; where nobody knows, the time of reading. */
  readonly commitTime: bigint;
  /** Bytes that were read for it. */
  readonly bytes: number;
  /** Its changes, in order, each with this transaction and a position below its end. */
  readonly changes: (tx: TransactionInfo) => readonly Change[];
}

/** A batch of one whole transaction of text values, for sources whose transactions have nothing but a position. */
export function transactionBatch({ end, commitTime, bytes, changes }: WholeTransaction): StreamBatch {
  const xid = Number(BigInt.asUintN(32, end));
  const tx = { xid, finalLsn: (end - 1n) as RecordLsn, commitTime, origin: null };
  const boundary = end as CommitLsn;
  return { changes: changes(tx), boundary, commitTime, transactions: 1, bytes, values: 'text' };
}
