/**
 * Positions in the write-ahead log. An LSN is an unsigned 64-bit byte position; the server prints it as `XXX/XXX`
 * (manual: "pg_lsn Type"). Positions with different meanings are different types, so that the compiler refuses a
 * keepalive's position where only a commit may stand (invariant I2).
 */
declare const tag: unique symbol;
type Brand<T, B extends string> = T & { readonly [tag]: B };

/** End of a commit record (`end_lsn` of pgoutput's Commit): acknowledgeable, and a stream may start here. */
export type CommitLsn = Brand<bigint, 'commit'>;
/** WAL end reported by a keepalive: acknowledgeable only while nothing is in flight (I3). Never starts a stream. */
export type IdleLsn = Brand<bigint, 'idle'>;
/** A slot's consistent point, made only by the creation of a slot. A stream may start here. */
export type HandoffLsn = Brand<bigint, 'handoff'>;
/** Rows copied under one snapshot are exact at this position: a transaction is in them iff its commit record starts below it. */
export type SnapshotLsn = Brand<bigint, 'snapshot'>;
/** Start of a commit record (`final_lsn` of pgoutput's Begin): compared with a {@link SnapshotLsn}, never acknowledged. */
export type RecordLsn = Brand<bigint, 'record'>;
/** A position from which a stream may start. */
export type ResumePoint = HandoffLsn | CommitLsn;

const pattern = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/;

/** Reads `XXX/XXX`. Throws a RangeError on anything else. The caller brands the result with its meaning. */
export function parseLsn(text: string): bigint {
  const match = pattern.exec(text);
  if (match === null) throw new RangeError(`not an LSN: ${JSON.stringify(text)} (expected the form 16/B374D848)`);
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

/** Writes `XXX/XXX` as the server does: upper-case hex, no padding. */
export function formatLsn(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffff_ffffn).toString(16).toUpperCase()}`;
}
