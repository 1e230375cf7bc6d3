import type { HandoffLsn, SnapshotLsn } from '../postgres/lsn.ts';
import type { Tuple } from '../postgres/tuple.ts';
import type { TablePlan } from './plan.ts';
import type { LoadResult } from './sink.ts';
import type { RawCopy, RowCopy } from './snapshot.ts';

/** A range of a table's key that is to be copied. */
export interface WaitingRange {
  readonly chunk: string;
  readonly from: Tuple | null;
  readonly to: Tuple | null;
  readonly bytes: number;
}

/** A range that this process has, and no other, as long as its transaction in the target lasts. */
export interface ClaimedRange extends WaitingRange {
  readonly ledger: string;
  readonly columns: readonly string[];
}

/** What a range is loaded from, once it is claimed. */
export type OpenRange = (
  claimed: ClaimedRange,
) => Promise<{ readonly plan: TablePlan; readonly copy: RawCopy | RowCopy }>;

export interface TakenRange extends LoadResult {
  readonly ledger: string;
}

/** A table of which other processes may copy ranges. */
export interface SharedTable {
  readonly source: string;
  readonly ledger: string;
  /** Of the plan by which the run copies it: whoever plans it otherwise must not. */
  readonly plan: string;
}

/** A snapshot that other processes may join while the run holds it. */
export interface LentSnapshot {
  /** The standby that it is of; null: the source's. */
  readonly standby: string | null;
  readonly name: string;
  /** See SnapshotSession.server. */
  readonly server: string;
  readonly handoff: HandoffLsn;
  readonly exactAt: SnapshotLsn;
  /** Milliseconds for which it may be read in all, and from now on; null: as long as it takes. */
  readonly age: { readonly most: number; readonly left: number } | null;
  /** Ledgers of the tables that can be read under it. */
  readonly ledgers: readonly string[];
}

/** What a run has for other processes. */
export interface CopyOffer {
  /** Bytes a second over all processes; null: no limit. */
  readonly rate: number | null;
  /** The copy is through, with its indexes. */
  readonly over: boolean;
  readonly snapshots: readonly LentSnapshot[];
  readonly tables: readonly SharedTable[];
}

/** What a process that takes part has done so far. */
export interface WorkerNote {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly ranges: number;
  readonly indexes: number;
  readonly bytes: number;
  /** What it is at, in words. */
  readonly doing: string;
}

export interface WorkerStatus extends WorkerNote {
  /** Since it began, and since it was last heard of. */
  readonly seconds: number;
  readonly silentSeconds: number;
}

/** A copy of which the rest is in the target, for any process that can reach it. */
export interface SharedCopy {
  /** A run begins, or goes on: what an earlier one lent is gone. */
  open(rate: CopyOffer['rate'], signal: AbortSignal): Promise<void>;
  lend(snapshot: LentSnapshot, signal: AbortSignal): Promise<void>;
  /** The snapshot of a standby, of the source (null), or all. */
  takeBack(standby: string | null | 'all'): Promise<void>;
  over(signal: AbortSignal): Promise<void>;
  /** Null: no run has begun. */
  offer(signal: AbortSignal): Promise<CopyOffer | null>;
  /** Milliseconds to wait before these bytes are read, so that all processes together keep to the rate. */
  reserve(bytes: number): Promise<number>;
  /** Builds an index that waits and that no process is at; its name, null where there is none. `opens` hears of it before. */
  build(opens: (what: string) => void, signal: AbortSignal): Promise<string | null>;
  /** How many of its indexes a process may build at once. */
  readonly builders: number;
  note(worker: WorkerNote): Promise<void>;
  leave(id: string): Promise<void>;
  workers(): Promise<readonly WorkerStatus[]>;
}
