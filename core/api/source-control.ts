import type { PgsluiceError } from '../base/error.ts';
import type { HandoffLsn } from '../postgres/lsn.ts';
import type { Relation } from '../postgres/relation.ts';
import type { Json } from './checkpoint.ts';
import type { Ownership } from './ownership.ts';
import type { Source, SourceIdentity } from './source.ts';

/** Objects on the source that outlive a process, and messages through its stream. */
export interface SourceControl {
  /** Whose the objects are that it makes, drops and alters; given before anything of that, and again when the state was read again. */
  claim(ownership: Ownership): void;
  /** A message in the stream ({@link MessageChange}, prefix `pgsluice`), committed: returns its commit's position or later. */
  emit(content: string, signal: AbortSignal): Promise<bigint>;
  /** Drops slot, publication, triggers: whatever the pipeline provably made; repeatable. Returns what it dropped, in words. */
  cleanup(signal: AbortSignal): Promise<readonly string[]>;
  /** What has the names of the pipeline's objects and is left alone, as it is not provably its own; in words. */
  foreign(signal: AbortSignal): Promise<readonly string[]>;
  readonly slot: SlotControl;
  readonly publication: PublicationControl;
  /**
   * The source answers on another timeline than the one noted: a standby of it was promoted. Throws where the stream cannot go on there
   * with nothing lost; else `until` is the position up to which both are the same.
   */
  continues?(question: ContinuesQuestion, signal: AbortSignal): Promise<Continued>;
  /**
   * The same tables under a slot and a publication of its own, which {@link cleanup} of either removes: for
   * tables that are copied while the stream of the others goes on.
   */
  beside?(): Source;
}

export interface ContinuesQuestion {
  readonly noted: SourceIdentity;
  /** The highest position that any sink has something of. */
  readonly reached: bigint;
}

export interface Continued {
  readonly identity: SourceIdentity;
  readonly until: bigint;
}

/** The place in the source's log from which on it is kept. */
export interface SlotControl {
  /** Makes it without a snapshot (`snapshot.mode: never`) and returns its consistent point; null where it exists. */
  make(signal: AbortSignal): Promise<HandoffLsn | null>;
  /** Drops it where it is provably the pipeline's; for a new one in its place. Left out: {@link SourceControl.cleanup} alone does. */
  drop?(signal: AbortSignal): Promise<boolean>;
  /** Null when there is none. */
  status(signal: AbortSignal): Promise<SlotStatus | null>;
  /** What keeps sessions of the pipeline waiting on the source now, a line each: transactions that are open, or prepared. */
  waits?(signal: AbortSignal): Promise<readonly string[]>;
  /** Slots of this database that nobody reads, whoever made them. */
  idle(signal: AbortSignal): Promise<readonly IdleSlot[]>;
}

/** Which tables the stream tells of. */
export interface PublicationControl {
  /**
   * Creates it for exactly these tables, or alters it to them. Called after planning and before the slot is
   * made. A table whose replica identity does not allow UPDATE and DELETE is refused here, too (I10).
   */
  publish(tables: readonly PublishedTable[], signal: AbortSignal): Promise<void>;
  /** As it is, to be noted when the pipeline has made or altered it; null: there is none. */
  read(signal: AbortSignal): Promise<Json>;
  /**
   * A look at it, cheap enough for one every second. First (I10) tables on which the server refuses writes
   * because of it are taken out of it; then it is compared with what was noted (null: with nothing). `added`: tables may have
   * been added without the pipeline's knowing, as what {@link DdlSource.follow} makes does.
   */
  watch(noted: Json, added: boolean, signal: AbortSignal): Promise<readonly PublicationTrouble[]>;
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
  /** The oldest snapshot that sessions of the pipeline hold; null: none. */
  readonly held?: HeldSnapshot | null;
}

/** What vacuum must leave for a snapshot of ours. */
export interface HeldSnapshot {
  /** Its age. */
  readonly seconds: number;
  /** Transaction ids that were given out since (the age of its xmin). */
  readonly transactions: number;
  /** Dead rows in the database's tables now: at most so many would go without it. */
  readonly deadRows: number;
}

/** A replication slot of the source that no connection reads, and the WAL that is kept for it. */
export interface IdleSlot {
  readonly name: string;
  readonly retainedBytes: number;
}

/** What ends a run: writes on the source would have failed, or somebody changed the publication. */
export interface PublicationTrouble {
  /** `freed`: writes on the source would fail or wait, so tables were taken out, or the stream has to end. `gone`: it was dropped, which no copy of tables mends. */
  readonly kind: 'freed' | 'changed' | 'gone';
  readonly error: PgsluiceError;
  /** Tables of which changes were missed; those that are copied again anyway are no trouble. Null: all. */
  readonly tables: readonly string[] | null;
}

/**
 * How writes on the source are kept away while the applications move to the target. Each kind closes the tables with
 * triggers that nobody overrides, and does what its name says besides.
 */
export type FenceKind = 'triggers' | 'read_only' | 'revoke' | 'terminate';

export interface FenceTable {
  readonly schema: string;
  readonly name: string;
}

export interface FenceGiven {
  readonly kind: FenceKind;
  readonly tables: readonly FenceTable[];
  /** Name of the pipeline whose sessions may write all the same (the way back); null: none. */
  readonly admits: string | null;
}

/** Every step may be repeated; what {@link plan} returns is saved before anything is changed, and is all that the others need. */
export interface WriteFence {
  /** What the role may not, with the statement that gives the right; empty: {@link up} can do it. */
  obstacles(kind: FenceKind, tables: readonly FenceTable[], signal: AbortSignal): Promise<readonly string[]>;
  plan(given: FenceGiven, signal: AbortSignal): Promise<Json>;
  /** One try. `waitsFor`: writers under way that keep it from some tables, empty where it is up. `done`: in words. */
  up(
    plan: Json,
    signal: AbortSignal,
  ): Promise<{ readonly done: readonly string[]; readonly waitsFor: readonly OpenTransaction[] }>;
  /**
   * Tries to write in each table as their owners and as the roles that are connected, and leaves nothing. `open`: tables that
   * somebody can write, in words; `roles`: who was tried.
   */
  prove(
    plan: Json,
    signal: AbortSignal,
  ): Promise<{ readonly open: readonly string[]; readonly roles: readonly string[] }>;
  /** Returns what it did, in words. */
  down(plan: Json, signal: AbortSignal): Promise<readonly string[]>;
  /**
   * For whoever has no plan any more: a fence of this pipeline that is up. `take`: it is taken down, as far as that can be done
   * without what was noted. Else it is left. In words, with the statements that are left to the user.
   */
  standing?(
    take: boolean,
    signal: AbortSignal,
  ): Promise<{ readonly removed: readonly string[]; readonly left: readonly string[] }>;
  /** Who has written and not ended yet, prepared transactions too, our own sessions left out. `tables`: to tell whether it writes there. */
  transactions(tables: readonly FenceTable[], signal: AbortSignal): Promise<readonly OpenTransaction[]>;
  /** What has been committed in published tables beyond a position, without taking it from the slot, which nobody may read meanwhile. */
  changesBeyond(at: bigint, signal: AbortSignal): Promise<readonly ChangesBeyond[]>;
}

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

/** Row changes of one table that are in the slot's WAL beyond a position. */
export interface ChangesBeyond {
  /** `schema.table`. */
  readonly table: string;
  readonly changes: number;
}
