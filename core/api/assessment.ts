import type { Oid } from '../postgres/relation.ts';
import type { TablePlan } from './plan.ts';
import type { LoadResult } from './sink.ts';
import type { RawCopy, RowCopy } from './snapshot.ts';
import type { ServerProfile } from '../postgres/server-profile.ts';

/** What `assess` asks of a source, and `plan` where a sink divides tables. All of it only reads. */
export interface AssessSource {
  /** What does not change within minutes. */
  survey(signal: AbortSignal): Promise<SourceSurvey>;
  /** The counters of the surveyed tables, and the position of the WAL, now. */
  sample(tables: readonly Oid[], signal: AbortSignal): Promise<SourceSample>;
  /** For `--compare`. */
  profile(signal: AbortSignal): Promise<ServerProfile>;
  /** For `--probe`: from now on, what the source writes waits to be decoded. */
  decoding?(signal: AbortSignal): Promise<DecodeTrial>;
  /** For `--probe`: of these tables, the columns of each btree index that stands on whole columns with their types' own order. */
  btrees?(tables: readonly Oid[], signal: AbortSignal): Promise<ReadonlyMap<Oid, readonly (readonly string[])[]>>;
  /** Pairs of tables, by `schema.table`, that a foreign key or a tree (partitions, inheritance) connects. */
  connected(signal: AbortSignal): Promise<readonly (readonly [string, string])[]>;
}

/** Ends (dispose) with the session that holds it, and leaves nothing on the source. */
export interface DecodeTrial extends AsyncDisposable {
  /** Once: decodes what was written since, as fast as it goes, for so many milliseconds at most. */
  run(ms: number, signal: AbortSignal): Promise<DecodedWal>;
}

export interface DecodedWal {
  /** Bytes of WAL that were gone through, of the whole server. */
  readonly bytes: number;
  readonly seconds: number;
}

/** Takes rows as a copy would, and keeps none of them: for `--probe`. */
export interface CopyTrial {
  load(plan: TablePlan, copy: RawCopy | RowCopy, signal: AbortSignal): Promise<LoadResult>;
  /** Builds an index on these columns over what was loaded by the plan, as many at a time as a run builds; its bytes. */
  index(plan: TablePlan, columns: readonly string[]): Promise<number>;
}

export interface SourceSurvey {
  /** server_version_num. */
  readonly version: number;
  /** max_slot_wal_keep_size in bytes; null: no limit. */
  readonly slotKeepsBytes: number | null;
  /** The role sees what sessions of other roles do (pg_read_all_stats, part of pg_monitor). */
  readonly seesSessions: boolean;
  readonly largeObjects: number;
  /** All but plpgsql. */
  readonly extensions: readonly string[];
  /** The tables that the file chooses. */
  readonly tables: readonly SurveyedTable[];
}

/** Sizes in bytes. */
export interface SurveyedTable {
  readonly oid: Oid;
  /** `schema.table`. */
  readonly name: string;
  readonly heap: number;
  readonly toast: number;
  readonly indexes: number;
  /** reltuples; -1 where the table was never analysed. */
  readonly rows: number;
  /** UPDATE and DELETE have something that identifies the row. */
  readonly identified: boolean;
  readonly unlogged: boolean;
}

export interface SourceSample {
  /** The source's clock, milliseconds since 1970. */
  readonly at: number;
  /** Position of the WAL. */
  readonly wal: bigint;
  /** wal_bytes of pg_stat_wal. */
  readonly walBytes: number;
  /** Seconds since these were begun to be counted; null: not known. */
  readonly walSeconds: number | null;
  /** Age in seconds of the oldest transaction that has written, as far as the role sees it; null: there is none. */
  readonly oldestWriter: number | null;
  readonly tables: ReadonlyMap<Oid, TableCounters>;
}

/** As pg_stat_all_tables has them: counted since its last reset. */
export interface TableCounters {
  readonly inserts: number;
  readonly updates: number;
  /** Of the updates, those that no index had to follow. */
  readonly hotUpdates: number;
  readonly deletes: number;
  /** Now, not counted. */
  readonly deadRows: number;
}
