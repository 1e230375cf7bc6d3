import type { SnapshotLsn } from '../../postgres/lsn.ts';
import type { Ranges } from './ranged-table.ts';

/**
 * What of a first copy is not in the sinks, while the stream is applied up to a position: it comes under a snapshot at or beyond that
 * position, which then has all that the stream has of it (I5).
 */
export interface Uncopied {
  /** By sink. */
  readonly at: ReadonlyMap<string, SnapshotLsn>;
  /** Tables of which ranges are in, by `sink:table`; those that are not in have the position of `at`. */
  readonly ranges: ReadonlyMap<string, Ranges>;
}
