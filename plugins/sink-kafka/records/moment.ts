import type { TransactionInfo } from '../../../core/api/change.ts';
import { jsonString } from './json.ts';

/** Which row of a snapshot it is, as Debezium says it; `false`: none. */
export type SnapshotMark =
  | 'true'
  | 'first'
  | 'first_in_data_collection'
  | 'last_in_data_collection'
  | 'last'
  | 'incremental'
  | 'false';

/** Where and when the rows of one transaction (or of one snapshot) come from, as text that every record of it shares. */
export interface Moment {
  /** Source time in milliseconds, microseconds and nanoseconds since 1970, decimal text. */
  readonly ms: string;
  readonly us: string;
  readonly ns: string;
  /** Envelope's time: when we made the record. */
  readonly processed: string;
  readonly snapshot: SnapshotMark;
  /** Decimal text or `null`. */
  readonly txId: string;
  /** First entry of `sequence`, JSON within a JSON string: `\"24023119\"` or `null`. */
  readonly previous: string;
  /** JSON string or `null`. */
  readonly origin: string;
  /** Decimal text or `null`. */
  readonly originLsn: string;
  /** Decimal text or `null`; null where each change has its own. */
  readonly lsn: string | null;
}

/** Milliseconds of a count of microseconds, rounded down; text, as the digits pass 2^53. */
function millis(micros: bigint): string {
  return micros >= 0n ? (micros / 1000n).toString() : ((micros - 999n) / 1000n).toString();
}

/** `,"ts_ms":…,"ts_us":…,"ts_ns":…` of the time at which a batch is written. */
export function processedAt(micros: bigint): string {
  return `"ts_ms":${millis(micros)},"ts_us":${micros},"ts_ns":${micros}000`;
}

/** `previous`: {@link TransactionInfo.previousEnd}; `time` instead of the commit's. A message outside of transactions has no id. */
export function transactionMoment(tx: TransactionInfo, processed: string, time = tx.commitTime): Moment {
  const previous = tx.previousEnd ?? null;
  return {
    ms: millis(time),
    us: time.toString(),
    ns: `${time}000`,
    processed,
    snapshot: 'false',
    txId: tx.xid === 0 ? 'null' : String(tx.xid),
    previous: previous === null ? 'null' : `\\"${previous}\\"`,
    origin: tx.origin === null ? 'null' : jsonString(tx.origin),
    originLsn: String(tx.originLsn ?? null),
    lsn: null,
  };
}

/** Where a snapshot was taken; `xid`: the last transaction that had begun by then. */
export interface SnapshotPlace {
  readonly takenAt: bigint;
  readonly lsn: bigint | null;
  readonly xid: number | null;
}

/** Rows of a snapshot. */
export function snapshotMoment({ takenAt, lsn, xid }: SnapshotPlace, processed: string, mark: SnapshotMark): Moment {
  return {
    ms: millis(takenAt),
    us: takenAt.toString(),
    ns: `${takenAt}000`,
    processed,
    snapshot: mark,
    txId: xid === null ? 'null' : String(xid),
    previous: 'null',
    origin: 'null',
    originLsn: 'null',
    lsn: lsn === null ? 'null' : lsn.toString(),
  };
}

/** Of a row that was read again beside the stream: Debezium's incremental snapshots have neither a transaction nor a position. */
export function rereadMoment(at: Moment): Moment {
  return { ...at, snapshot: 'incremental', txId: 'null', lsn: 'null', origin: 'null', originLsn: 'null' };
}

/** The member `lsn` of a record whose place is this; `sequence` has the place all the same. */
export function lsnTold({ snapshot }: Moment, lsn: string): string {
  return snapshot === 'incremental' ? 'null' : lsn;
}

/** Microseconds since 1970 of this moment. */
export function now(): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000));
}
