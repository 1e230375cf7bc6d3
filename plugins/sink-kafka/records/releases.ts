/**
 * Debezium releases (307 for 3.7) since which its records have a form. Seen in whole runs of 2.7.4, 3.0.8, 3.6.1
 * and 3.7.0; the releases 302 and 305 lie between those and are assumed.
 */
export const releases = {
  /** `transaction` in the records of logical messages. */
  messageTransaction: 300,
  /** `first` and its like are among the values that the schema of `snapshot` names. */
  snapshotMarks: 300,
  /** The schema of the source block has a version. */
  sourceVersion: 302,
  /** Columns of type tsvector. */
  tsvector: 302,
  /** Headers __debezium.context.*. */
  contextHeaders: 302,
  /** `origin` and `origin_lsn` in the source block. */
  origin: 305,
  /** line, lseg, box, path, polygon and circle, and `extensions` in a geometry. */
  shapes: 307,
  /** Infinite timestamps are the ends of int64 in microseconds, and in milliseconds have the driver's digits; the date of the stream does not run over. */
  infinities: 307,
  /** The end of a day in timetz stays one. */
  endOfDay: 307,
} as const;

/** 307 of `3.7.0.Final`. */
export function releaseNumber(version: string): number {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return major * 100 + minor;
}
