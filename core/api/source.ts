import type { CommitLsn, HandoffLsn, IdleLsn, ResumePoint, SnapshotLsn } from '../postgres/lsn.ts';
import type { StreamBatch } from './change.ts';
import type { Tuple } from '../postgres/tuple.ts';
import type { CheckReport, Surroundings } from './check.ts';
import type { PgsluiceError } from '../base/error.ts';
import type { Json } from './checkpoint.ts';
import type { Ownership } from './ownership.ts';
import type { DigestReader } from '../postgres/digest-query.ts';
import type { Column, Oid, Relation, RelationKind } from '../postgres/relation.ts';
import type { SequenceState } from '../postgres/sequence.ts';
import type { SchemaReader } from './schema-reader.ts';
import type { LargeObjectDigest, SchemaDump, SnapshotSession } from './snapshot.ts';

/** Which database this is; a resume against another one is refused, never guessed (design: slot identity). */
export interface SourceIdentity {
  /** IDENTIFY_SYSTEM: systemid, decimal text. */
  readonly systemId: string;
  readonly timeline: number;
  readonly database: string;
  /** server_version_num, for example 150020. */
  readonly version: number;
}

/** A chosen table with what planning and progress need beside its shape. */
export interface SourceTable {
  readonly relation: Relation;
  /** pg_table_size of the heap with TOAST, bytes. */
  readonly bytes: number;
  /** reltuples; -1 where the table was never analysed. */
  readonly rows: number;
  readonly persistence: 'permanent' | 'unlogged';
}

/** A partitioned table of which at least one leaf is chosen. */
export interface SourceParent {
  readonly schema: string;
  readonly name: string;
  /** Partitions below it, at any depth, that hold rows and are chosen. */
  readonly leaves: readonly { readonly schema: string; readonly name: string }[];
}

export interface SourceCatalog {
  readonly identity: SourceIdentity;
  /** End of WAL just before the catalog was read: a change below it may be older than what the catalog says. */
  readonly at: bigint;
  /** The tables that the file chooses: leaf partitions and plain tables. Patterns that match nothing are an error. */
  readonly tables: readonly SourceTable[];
  /** Partitioned tables above the chosen ones. */
  readonly parents?: readonly SourceParent[];
  /** What the file chooses by, as text: equal texts choose by the same patterns. */
  readonly choice?: string;
  /** User tables that the file leaves out. */
  readonly excluded: readonly { readonly schema: string; readonly name: string }[];
  /** Foreign tables that the file's patterns choose; none of their rows is copied. */
  readonly foreignTables?: readonly { readonly schema: string; readonly name: string }[];
  /** Materialized views that were never filled, and stay so in a target whose schema is created. */
  readonly unfilledViews?: readonly { readonly schema: string; readonly name: string }[];
}

export type StreamItem =
  | { readonly kind: 'batch'; readonly batch: StreamBatch }
  | { readonly kind: 'idle'; readonly at: IdleLsn };

/** Where a stream starts, what it must find there, and where it ends. */
export interface StreamStart {
  readonly from: ResumePoint;
  /** The identity noted when the slot was made; another system, timeline or database is refused, never guessed. */
  readonly identity: SourceIdentity;
  /**
   * Highest position that this pipeline noted as confirmed before it confirmed it (I3 lets idle positions pass beyond
   * `from`); null: none. A slot whose confirmed_flush_lsn is beyond both is a gap: someone else moved it; refused.
   */
  readonly acknowledged: bigint | null;
  /**
   * The stream ends after the last transaction whose commit ends at or below this position, once the server has told
   * that it is past it; a transaction that commits later is not handed out. Null: never ends by itself.
   */
  readonly until: bigint | null;
  /**
   * Every reader takes values as bytes: those of all tables may come in binary ({@link StreamBatch.values}), where the source can.
   * A value that has no binary form then throws with `retry: 'text'`.
   */
  readonly binary?: boolean;
}

/**
 * Pull: the next item is a batch as soon as one commit is there, larger when the reader was busy, up to a byte budget.
 * Never reconnects by itself: a lost connection throws a PgsluiceError of class `backoff`, and the runtime starts anew from
 * what the sinks hold, so there is one path for a crash and for a broken connection.
 */
export interface ChangeStream extends AsyncIterable<StreamItem>, AsyncDisposable {
  /** Tell the server, from now on, that everything up to here is durable (I1). Only the ack ledger calls it. */
  confirm(upTo: CommitLsn | IdleLsn): void;
  /** Send what was confirmed now and wait until it is on the wire. */
  flushConfirmed(): Promise<void>;
}

/** A table in the publication; filter and column list only where server (15+) and replica identity allow them. */
export interface PublishedTable {
  readonly relation: Relation;
  readonly where: string | null;
  readonly columns: readonly string[] | null;
}

/** The slot as the source sees it. */
export interface SlotStatus {
  readonly name: string;
  readonly active: boolean;
  /** Position confirmed by us. */
  readonly confirmed: bigint;
  /** pg_current_wal_lsn (or the receive position on a standby). */
  readonly current: bigint;
  /** Bytes of WAL that the server keeps because of the slot. */
  readonly retainedBytes: number;
  /** reserved | extended | unreserved | lost (pg_replication_slots.wal_status). */
  readonly walStatus: string;
  /** Bytes left until max_slot_wal_keep_size cuts it off; null where unlimited. */
  readonly safeBytes: number | null;
}

/**
 * How writes on the source are kept away while the applications move to the target. Each kind closes the tables with
 * triggers that nobody overrides, and does what its name says besides.
 */
export type FenceKind = 'triggers' | 'read_only' | 'revoke' | 'terminate';

/** A transaction of the source's database that has written, or holds a lock to write. */
export interface OpenTransaction {
  /** The same in two looks where it is the same transaction. */
  readonly id: string;
  /** Null: it is prepared. */
  readonly pid: number | null;
  /** Of a prepared one (manual: PREPARE TRANSACTION). */
  readonly gid: string | null;
  /** What follows is null where the role may not see it. */
  readonly user: string | null;
  readonly application: string | null;
  readonly state: string | null;
  /** Age of the transaction, or since it was prepared. */
  readonly seconds: number | null;
  /** Of the tables asked for, those that it holds a lock to write on: `schema.table`. */
  readonly tables: readonly string[];
}

export interface FenceTable {
  readonly schema: string;
  readonly name: string;
}

/** Every step may be repeated; what {@link plan} returns is saved before anything is changed, and is all that the others need. */
export interface WriteFence {
  /** What the role may not, with the statement that gives the right; empty: {@link up} can do it. */
  obstacles(kind: FenceKind, tables: readonly FenceTable[]): Promise<readonly string[]>;
  /** `admits`: name of the pipeline whose sessions may write all the same (the way back); null: none. */
  plan(kind: FenceKind, tables: readonly FenceTable[], admits: string | null): Promise<Json>;
  /** One try. `waitsFor`: writers under way that keep it from some tables, empty where it is up. `done`: in words. */
  up(
    plan: Json,
    signal: AbortSignal,
  ): Promise<{ readonly done: readonly string[]; readonly waitsFor: readonly OpenTransaction[] }>;
  /**
   * Tries to write in each table as their owners and as the roles that are connected, and leaves nothing. `open`: tables that
   * somebody can write, in words; `roles`: who was tried.
   */
  prove(plan: Json): Promise<{ readonly open: readonly string[]; readonly roles: readonly string[] }>;
  /** Returns what it did, in words. */
  down(plan: Json): Promise<readonly string[]>;
}

/** Row changes of one table that are in the slot's WAL beyond a position. */
export interface ChangesBeyond {
  /** `schema.table`. */
  readonly table: string;
  readonly changes: number;
}

/** A replication slot of the source that no connection reads, and the WAL that is kept for it. */
export interface IdleSlot {
  readonly name: string;
  readonly retainedBytes: number;
}

/** A table of the source now: its columns, its place among partitions and inheriting tables, and what the publication has of it. */
export interface TablePresence {
  readonly oid: Oid;
  readonly schema: string;
  readonly name: string;
  readonly kind: RelationKind;
  /** The file's patterns choose it, or a table above it. */
  readonly chosen: boolean;
  /** UPDATE and DELETE of it could be published. */
  readonly keyed: boolean;
  readonly published: boolean;
  /** It cannot be in a publication. */
  readonly unlogged: boolean;
  /** The publication has a list of columns for it, so that the stream does not tell of new ones. */
  readonly listed: boolean;
  readonly columns: readonly Required<Pick<Column, 'name' | 'type' | 'typmod' | 'attnum' | 'collation'>>[];
  /** What it is a partition of, or inherits from, in order. */
  readonly parents: readonly Oid[];
  /** As in `FOR VALUES …`; null where it is no partition. */
  readonly bound: string | null;
  /** `RANGE (at)`; null where it is not partitioned. */
  readonly partitionBy: string | null;
}

/** A table, or columns of it, that a target shall not have as they are. */
export interface Going {
  readonly schema: string;
  readonly name: string;
  /** Null: the table itself. */
  readonly columns: readonly string[] | null;
}
/** An object of the schema that needs what is going. */
export interface Dependent {
  /** As pg_describe_object says it. */
  readonly object: string;
  /** `schema.table` or `schema.table.column` that it needs. */
  readonly needs: string;
}

/** What ends a run: writes on the source would have failed, or somebody changed the publication. */
export interface PublicationTrouble {
  /** `freed`: tables were taken out, as writes on them failed. `gone`: it was dropped, which no copy of tables mends. */
  readonly kind: 'freed' | 'changed' | 'gone';
  readonly error: PgsluiceError;
  /** Tables of which changes were missed; those that are copied again anyway are no trouble. Null: all. */
  readonly tables: readonly string[] | null;
}

/** Things on the source that outlive a process, and messages through its WAL. */
export interface SourceControl {
  /** The publication as it is, to be noted when the pipeline has made or altered it; null: there is none. */
  publication?(): Promise<Json>;
  /**
   * A look at the publication, cheap enough for one every second. First (I10) tables on which the server refuses writes
   * because of it are taken out of it; then it is compared with what was noted (null: with nothing). `added`: tables may have
   * been added without the pipeline's knowing, as what {@link Source.tellDdl} makes does.
   */
  watchPublication?(noted: Json, added: boolean): Promise<readonly PublicationTrouble[]>;
  /** Current end of WAL, flushed: what `--stop-at now` means. */
  position(): Promise<bigint>;
  /** Null when there is no slot. */
  slot(): Promise<SlotStatus | null>;
  /** pg_logical_emit_message(true, 'pgsluice', content): returns its commit's position or later. */
  emit(content: string): Promise<bigint>;
  sequences(): Promise<readonly SequenceState[]>;
  /** Drops slot, publication, triggers: whatever the pipeline provably made; repeatable. Returns what it dropped, in words. */
  cleanup(): Promise<readonly string[]>;
  /** What has the names of the pipeline's objects and is left alone, as it is not provably its own; in words. */
  foreign?(): Promise<readonly string[]>;
  readonly fence?: WriteFence;
  /** Who has written and not ended yet, prepared transactions too, our own sessions left out. `tables`: to tell whether it writes there. */
  transactions?(tables: readonly FenceTable[]): Promise<readonly OpenTransaction[]>;
  /** Of all large objects; reads them to the last byte. */
  largeObjects?(signal: AbortSignal): Promise<LargeObjectDigest>;
  /** What has been committed in published tables beyond a position, without taking it from the slot, which nobody may read meanwhile. */
  changesBeyond?(at: bigint): Promise<readonly ChangesBeyond[]>;
  /** All user tables, to find what the stream does not tell: tables that come and go, move in their trees, or get other columns. */
  tables?(): Promise<readonly TablePresence[]>;
  /** Views, policies and the like that could not be without these tables and columns. */
  dependents?(going: readonly Going[]): Promise<readonly Dependent[]>;
  /** Slots of this database that nobody reads, whoever made them. */
  idleSlots?(): Promise<readonly IdleSlot[]>;
}

export interface Source extends AsyncDisposable {
  /** Whose the objects are that it makes, drops and alters; given before anything of that, and again when the state was read anew. */
  claim?(ownership: Ownership): void;
  catalog(signal: AbortSignal): Promise<SourceCatalog>;
  /**
   * `new`: makes the slot and exports its snapshot; on failure the slot is dropped again. `again`: the slot exists; a temporary slot gives
   * a new snapshot with an exact position (I5). `only`: neither slot nor publication, nothing is left on the source; where
   * `before` saw the same rows, its position is the new session's, too.
   */
  snapshot(from: SnapshotStart, signal: AbortSignal): Promise<SnapshotSession>;
  dumpSchema(session: SnapshotSession | null, signal: AbortSignal): Promise<SchemaDump>;
  /**
   * Creates the publication for exactly these tables, or alters it to them. Called after planning and before the slot is
   * made. A table whose replica identity does not allow UPDATE and DELETE is refused here, too (I10).
   */
  publish(tables: readonly PublishedTable[], signal: AbortSignal): Promise<void>;
  /**
   * From now on DDL of the chosen tables, and of new ones that the file's patterns choose, comes through the stream as
   * messages (core/pipeline/plan/ddl/message.ts). Repeatable. A source that cannot leaves it out, or throws.
   */
  tellDdl?(signal: AbortSignal): Promise<void>;
  /**
   * The same tables under a slot and a publication of its own, which {@link SourceControl.cleanup} of either removes: for
   * tables that are copied while the stream of the others goes on. A source that has no such thing leaves it out.
   */
  beside?(): Source;
  /** Makes the slot without a snapshot (`snapshot.mode: never`) and returns its consistent point; null where it exists. */
  ensureSlot(signal: AbortSignal): Promise<HandoffLsn | null>;
  stream(start: StreamStart, signal: AbortSignal): Promise<ChangeStream>;
  readonly control: SourceControl;
  readonly digests: DigestReader;
  readonly schema?: SchemaReader;
  check(report: CheckReport, signal: AbortSignal): Promise<void>;
  /** For sinks that make the source's schema. */
  surroundings?(signal: AbortSignal): Promise<Surroundings>;
  /** Whether {@link tellDdl} would work, for a file that says `ddl: follow`. */
  checkDdl?(report: CheckReport, signal: AbortSignal): Promise<void>;
  /** The rows as they are now, in the order asked; null where no row has this key any more. */
  fetchRows?(asked: RowsAsked, signal: AbortSignal): Promise<readonly (Tuple | null)[]>;
}

/** Rows that are wanted by their keys, and no more of them than some columns. */
export interface RowsAsked {
  readonly relation: Relation;
  /** Positions of the columns that identify a row. */
  readonly key: readonly number[];
  /** Cells at these positions, of each row. */
  readonly keys: readonly Tuple[];
  /** Positions of the columns that are wanted. */
  readonly columns: readonly number[];
  /** Transactions whose writes must be visible to whoever reads: the stream may tell of a commit a moment before that. */
  readonly after: readonly number[];
}

/** `only`: a copy without a stream. `before`: what an earlier session told of itself, so that an unchanged source is known again. */
export type SnapshotStart =
  | { readonly kind: 'new' }
  | { readonly kind: 'again'; readonly handoff: HandoffLsn }
  | { readonly kind: 'only'; readonly before: { readonly sees: string; readonly exactAt: SnapshotLsn } | null };
