import type { CopyTrial } from './assessment.ts';
import type { StreamBatch } from './change.ts';
import type { CheckReport, Surroundings } from './check.ts';
import type { DeadLetterStore } from './dead-letter.ts';
import type { DigestQuery, DigestReader } from '../postgres/digest-query.ts';
import type { ServerProfile } from '../postgres/server-profile.ts';
import type { CommitLsn, SnapshotLsn } from '../postgres/lsn.ts';
import type { LogClaim } from './logs.ts';
import type { CopyFormat, TablePlan } from './plan.ts';
import type { PlacedTable, SchemaStep } from './schema-change.ts';
import type { Column, Oid } from '../postgres/relation.ts';
import type { SequenceState } from '../postgres/sequence.ts';
import type { SchemaReader } from './schema-reader.ts';
import type { SignalChannel } from './signal.ts';
import type { OpenRange, SharedCopy, SharedTable, TakenRange, WaitingRange } from './shared-copy.ts';
import type { LargeObject, LargeObjectDigest, RawCopy, RowCopy, SinkPreparation } from './snapshot.ts';

/** `accepted`: taken, maybe applied, not yet safe. `durable`: everything up to here survives a crash of the target (cumulative). */
export type Receipt = { readonly status: 'accepted' } | { readonly status: 'durable'; readonly upTo: CommitLsn };

/** The change plane. One call in flight at a time, batches in order. */
export interface StreamSink {
  /**
   * Position stored with the data; null: nothing applied yet, or the sink keeps none (then the checkpoint does). Called at
   * every start of the stream, also after a failure: whatever an earlier write left unfinished is rolled back first.
   */
  resume(signal: AbortSignal): Promise<CommitLsn | null>;
  write(batch: StreamBatch, signal: AbortSignal): Promise<Receipt>;
  /**
   * While a write is in flight, the batch (the same object's `changes`) that the next one will bring: whatever can be worked out
   * of it without the target is worked out now. Nothing of it may happen before it is written; it may also never be. What is
   * thrown here is dropped.
   */
  prepare?(batch: StreamBatch): void;
  /** Of a sink with several sessions: each of them now. */
  lanes?(): readonly LaneView[];
  /** Makes everything written so far durable; returns up to where that is, null if nothing was written. */
  flush(signal: AbortSignal): Promise<CommitLsn | null>;
  /**
   * For a source whose logs several processes share ({@link PluginContext.shared}): takes these from whoever had them, who can commit
   * nothing of them any more, and says durably where each stands. The map has by each log's name what it is (the id of a topic). Such a sink keeps no position of its own.
   */
  claim?(logs: ReadonlyMap<string, string>, signal: AbortSignal): Promise<ReadonlyMap<string, LogClaim>>;
  /**
   * Waits, at most `patience` milliseconds, until each of these logs is applied up to here, durably, by whichever process. Returns those
   * that are not.
   */
  applied?(ends: ReadonlyMap<string, bigint>, patience: number, signal: AbortSignal): Promise<readonly string[]>;
}

/** What the planner asks of a sink before it chooses routes. */
export interface SinkTraits {
  /** Formats of untouched COPY frames that it takes; empty: rows only. Fixed for one run. */
  readonly rawFormats: readonly CopyFormat[];
  /** Built-in types (under domains) whose bytes it would read as another value than its text. */
  readonly textOnly?: readonly Oid[];
  /** Rows of the snapshot carry stored generated columns, too (never the stream). */
  readonly readsGenerated?: boolean;
  /** It needs to find a row again (UPDATE, DELETE by key): a computed or dropped key is refused at plan time. */
  readonly needsKey: boolean;
  /** Tables that exist in the target where the sink does not create them, by `schema.name`; null: it creates them. */
  readonly existing: ReadonlyMap<string, readonly Column[]> | null;
  /** It takes rows of raw binary tables as bytes from the stream, too ({@link StreamBatch.values}). */
  readonly binaryStream?: boolean;
  /** It stores its position with the data ({@link StreamSink.resume}); otherwise the checkpoint keeps it. */
  readonly keepsPosition?: boolean;
  /** It takes rows that are read again beside the stream ({@link InsertChange.read}). */
  readonly rereads?: boolean;
  /** It passes on logical messages that are not the pipeline's own. */
  readonly messages: boolean;
  /** It carries out the `schema` of messages; else DDL of the source only changes the rows that it gets. */
  readonly schemaChanges?: boolean;
  /** Objects that need a column or table that the target shall not have are left out; else they are an error. */
  readonly leavesDependents?: boolean;
  /**
   * It cannot take back what a broken copy wrote (a log): after such a copy it wants all changes since the first handoff, also
   * those that the second snapshot holds already, so that rows deleted in between are deleted downstream, too.
   */
  readonly replaysOverlap?: boolean;
}

/** Rows as text, tables that the sink makes, rows that it need not find again. */
export const plainTraits: SinkTraits = { rawFormats: [], needsKey: false, existing: null, messages: false };

export interface LargeObjectSink {
  /** The oid after which to go on; null: they are all there, or the file wants none. */
  from(signal: AbortSignal): Promise<Oid | null>;
  /** All of these with the mark of the last one, or none. */
  write(objects: readonly LargeObject[], signal: AbortSignal): Promise<void>;
  /** All were written, and durably so. */
  done(signal: AbortSignal): Promise<void>;
}

export interface LoadResult {
  readonly rows: bigint;
  readonly bytes: number;
}

/** A range of a table that is in the sink, with what its transaction noted. */
export interface LoadedRange {
  readonly exactAt: SnapshotLsn;
  readonly rows: bigint;
  readonly bytes: number;
}

/** For sinks that commit the rows of a range together with the position at which they are exact. */
export interface RangeSink {
  /**
   * In place of {@link SnapshotSink.begin} for a table that is copied in ranges of these columns of its source: those of `ledger`
   * that are in, by chunk. Where another ledger was begun, or the rows are no longer those that it wrote, the table is emptied and
   * none is. The others wait for {@link take}. A string: why the table does not fit; then nothing was done.
   */
  begin(
    plan: TablePlan,
    of: Omit<SharedTable, 'source'> & { readonly columns: readonly string[]; readonly ranges: readonly WaitingRange[] },
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, LoadedRange> | string>;
  /**
   * Why {@link begin} would not take the table, as far as the target tells now; null: it would. `unique`: what the source has that is
   * unique beside the columns, for a target that is yet to be made after it.
   */
  unfit(
    plan: TablePlan,
    of: { readonly columns: readonly string[]; readonly unique: string | null },
    signal: AbortSignal,
  ): Promise<string | null>;
  /** The ranges that are in, by chunk. */
  loaded(plan: TablePlan, signal: AbortSignal): Promise<ReadonlyMap<string, LoadedRange>>;
  /**
   * Loads a range of one of these ledgers that no other process is at, in the transaction that claims it: whoever dies gives it back
   * with its session. Null: none is free for a snapshot that is exact at `exactAt`.
   */
  take(
    ledgers: readonly string[],
    of: { readonly exactAt: SnapshotLsn; readonly open: OpenRange },
    signal: AbortSignal,
  ): Promise<TakenRange | null>;
  /**
   * No range of a snapshot below this position comes in from here on, whoever has claimed it; resolves when that is so. The stream is
   * applied up to there.
   */
  closeBelow(at: SnapshotLsn, signal: AbortSignal): Promise<void>;
  /** Whether rows of the table are found by its key now, as the stream needs it before the copy is done ({@link SinkPreparation.keyed}). */
  isKeyed(plan: TablePlan, signal: AbortSignal): Promise<boolean>;
  /** Which of these ledgers have ranges that are not in, also such that another process is at. */
  waiting(ledgers: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>>;
  /** Rows and bytes of these ledgers that are in, whoever copied them. */
  progress(ledgers: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, LoadResult>>;
  readonly shared: SharedCopy;
}

/**
 * The bulk plane. `load` is a function property, not a method: methods are bivariant, and a sink for rows would
 * type-check where raw frames are given.
 */
export interface SnapshotSink {
  /** Once per run, before any copy; finds what a killed run left behind and goes on from there. */
  prepare?(preparation: SinkPreparation, signal: AbortSignal): Promise<void>;
  /** A table's copy starts (again): what a broken one left is removed. `chunks` is how many loads will follow. */
  begin?(plan: TablePlan, chunks: number, signal: AbortSignal): Promise<void>;
  /** Resolves when the chunk is in the target, all of it or nothing of it. May be called again for the same chunk after a failure. */
  readonly load: (plan: TablePlan, copy: RawCopy | RowCopy, signal: AbortSignal) => Promise<LoadResult>;
  /** Makes the rows of all loads of this table durable; the checkpoint then says that the table is copied. */
  loaded(plan: TablePlan, signal: AbortSignal): Promise<void>;
  readonly ranges?: RangeSink;
  /** For sinks that take large objects. They are not in the stream: what is copied is the state of the snapshot. */
  readonly largeObjects?: LargeObjectSink;
  /**
   * All chunks are in: indexes and constraints of this table, statistics. Repeatable. `exactAt`: the highest of the positions where
   * ranges have their own.
   */
  finishTable?(plan: TablePlan, exactAt: SnapshotLsn, signal: AbortSignal): Promise<void>;
  /** All tables are finished: foreign keys, triggers, materialized views. Repeatable. */
  finish?(plans: readonly TablePlan[], signal: AbortSignal): Promise<void>;
  /**
   * The first start failed before a row was copied: puts back what {@link prepare} took away. False: something that was made
   * stays, and its state with it, so that the next run goes on from there.
   */
  abandon?(): Promise<boolean>;
}

/** A property in which a sequence of the target is not as the source's. */
export interface SequenceDifference {
  /** `schema.name`, in the target where it is there. */
  readonly sequence: string;
  readonly what: string;
  /** True: in what nextval counts on by itself, and the cutover sets. */
  readonly value: boolean;
  /** The statement for the target; null where none mends it alone. */
  readonly remedy: string | null;
}

/** What a cutover needs of a sink that is a database. */
export interface CutoverSink {
  /** Sets the target's sequences; names are the source's, the sink knows its plan's renames. Returns what it set, in words. */
  setSequences(
    sequences: readonly SequenceState[],
    plans: readonly TablePlan[],
    signal: AbortSignal,
  ): Promise<readonly string[]>;
  /** Parts of the source's schema that the target did not get, as roles, rights or the server stood in the way, and why. */
  leftOut?(signal: AbortSignal): Promise<readonly { readonly what: string; readonly why: string }[]>;
  /** What is not the same in the sequences as they are now: values, and all that nextval counts with. */
  compareSequences(
    sequences: readonly SequenceState[],
    plans: readonly TablePlan[],
    signal: AbortSignal,
  ): Promise<readonly SequenceDifference[]>;
  /** Makes what had to wait until the last change is in: foreign keys. Repeatable. Returns what it made, in words. */
  settle(signal: AbortSignal): Promise<readonly string[]>;
  /** The same, and {@link refreshViews}. */
  refresh(signal: AbortSignal): Promise<Refreshed>;
  /** Refreshes materialized views. Those that cannot be are left as they are, and told. */
  refreshViews(signal: AbortSignal): Promise<Refreshed>;
  /** Its large objects, where the file has them copied; null: it does not. */
  largeObjects?(signal: AbortSignal): Promise<LargeObjectDigest | null>;
  /** It takes writes from now on: a fence that this pipeline's way there left is taken down. Returns what it did, in words. */
  open?(signal: AbortSignal): Promise<readonly string[]>;
}

export interface Refreshed {
  /** In words. */
  readonly done: readonly string[];
  readonly failed: readonly { readonly view: string; readonly why: string }[];
}

export interface Replacement {
  readonly names: readonly string[];
  readonly rows: readonly (readonly (string | null)[])[];
  /** Position at which the rows were read and at which the sink stands. Absent: nobody else applies changes meanwhile. */
  readonly standing?: bigint | null;
}

/** What a repair needs of a sink that is a database. */
export interface RepairSink {
  /**
   * In one transaction: takes away what {@link DigestSession.rows} calls by these names, and puts these rows in, as text in order
   * of the query's columns, within its bounds. Refuses where triggers or foreign keys would act on it. False: nothing was done, as changes
   * were applied beyond `standing`.
   */
  replace(query: DigestQuery, change: Replacement, signal: AbortSignal): Promise<boolean>;
}

/** Of sinks whose tables stand in trees. */
export interface TreeSink {
  /** How often the sink itself took a table out of its place; whoever compared before looks again. */
  readonly disturbed: number;
  /** All tables of the target. */
  places(signal: AbortSignal): Promise<readonly PlacedTable[]>;
  /** Carries all of it out in one transaction, durably; what is so already is left. Returns what it ran, for the log. */
  place(steps: readonly SchemaStep[], signal: AbortSignal): Promise<readonly string[]>;
}

/** What `plan` tells a sink that divides tables among sessions; names are the source's. */
export interface Divisible {
  readonly tables: readonly {
    readonly name: string;
    /** Rows that were written, by the source's statistics. */
    readonly writes: number;
    /** Why its rows cannot be divided among sessions, as far as the plan knows; null: they may be. */
    readonly whole: string | null;
  }[];
  readonly connected: readonly (readonly [string, string])[];
}

/** What each of several sessions of a sink holds, for displays. */
export interface LaneView {
  readonly queuedBytes: number;
  readonly durable: CommitLsn | null;
}

/** Where rows and changes go. Required: {@link snapshot} with `load` and `loaded`, and {@link stream}. */
export interface Sink extends AsyncDisposable {
  /** What is not said is as in {@link plainTraits}. */
  traits?(signal: AbortSignal): Promise<Partial<SinkTraits>>;
  readonly snapshot: SnapshotSink;
  readonly stream: StreamSink;
  /** A second stream into the same tables, with a position of its own; both may write at the same time, never to one table. */
  beside?(): StreamSink & AsyncDisposable;
  readonly digests?: DigestReader;
  readonly schema?: SchemaReader;
  readonly cutover?: CutoverSink;
  readonly repair?: RepairSink;
  readonly tree?: TreeSink;
  /** Settings and statements of the server, for `assess --compare`. */
  profile?(signal: AbortSignal): Promise<ServerProfile>;
  /** For `assess --probe`: `work` on one session; what it loaded is gone when it ends. */
  trial?(work: (trial: CopyTrial) => Promise<void>): Promise<void>;
  /** Where people signal to the run, for sinks with {@link SinkTraits.rereads}. */
  readonly signals?: SignalChannel;
  /** Lines for `pgsluice plan`: where rows of the table go, where its name does not say so. Pure. */
  destination?(plan: TablePlan): readonly string[];
  /** Lines for `pgsluice plan`: what each of its sessions is given; undefined: it has one. Pure. */
  readonly division?: ((of: Divisible) => readonly string[]) | undefined;
  /** Of a sink that writes a journal: its logs by the names that `ends` of a source (Upstream) has, with what each is. */
  logs?(signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
  /** Opens a topic of this name for the dead letters of all sinks. Its plugin says `deadLetterTopics`. */
  deadLetterTopic?(name: string): Promise<DeadLetterStore>;
  /** Columns of its tables as they are now, in the order asked; null where there is no such table. Sinks without tables leave it out. */
  describe?(
    tables: readonly { readonly schema: string; readonly name: string }[],
    signal: AbortSignal,
  ): Promise<readonly (readonly Column[] | null)[]>;
  /** Looks only. `copies`: rows will be copied into its tables; not with `snapshot.mode: never`, where they may hold some. */
  check?(plans: readonly TablePlan[], report: CheckReport, signal: AbortSignal, copies: boolean): Promise<void>;
  /** The target against what the source's schema needs. Looks only. */
  checkSurroundings?(
    source: Surroundings,
    report: CheckReport,
    signal: AbortSignal,
    plans: readonly TablePlan[],
  ): Promise<void>;
  /** Removes the state that this pipeline keeps in the target (never a user's table). Returns what it removed, in words. */
  cleanup?(): Promise<readonly string[]>;
}
