import type { TransactionInfo } from '../../../core/api/change.ts';
import { jsonString } from './json.ts';

/** Where and when the rows of one transaction (or of one snapshot) come from, as text that every record of it shares. */
export interface Moment {
  /** Source time in milliseconds, microseconds and nanoseconds since 1970, decimal text. */
  readonly ms: string;
  readonly us: string;
  readonly ns: string;
  /** Envelope's time: when we made the record. */
  readonly processed: string;
  readonly snapshot: 'true' | 'false';
  /** Decimal text or `null`. */
  readonly txId: string;
  /** First entry of `sequence`, JSON within a JSON string: `\"24023119\"` or `null`. */
  readonly previous: string;
  /** JSON string or `null`. */
  readonly origin: string;
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

/** `previous`: start of the commit record of the transaction before, null at the start. */
export function transactionMoment(tx: TransactionInfo, previous: bigint | null, processed: string): Moment {
  return {
    ms: millis(tx.commitTime),
    us: tx.commitTime.toString(),
    ns: `${tx.commitTime}000`,
    processed,
    snapshot: 'false',
    txId: String(tx.xid),
    previous: previous === null ? 'null' : `\\"${previous}\\"`,
    origin: tx.origin === null ? 'null' : jsonString(tx.origin),
    lsn: null,
  };
}

/** Rows of a snapshot: no transaction; `lsn` where the snapshot's position is known. */
export function snapshotMoment(takenAt: bigint, lsn: bigint | null, processed: string): Moment {
  return {
    ms: millis(takenAt),
    us: takenAt.toString(),
    ns: `${takenAt}000`,
    processed,
    snapshot: 'true',
    txId: 'null',
    previous: 'null',
    origin: 'null',
    lsn: lsn === null ? 'null' : lsn.toString(),
  };
}

/** Microseconds since 1970 of this moment. */
export function now(): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000));
}
