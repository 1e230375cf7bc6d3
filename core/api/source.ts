import type { Folding } from '../postgres/letters.ts';
import type { CommitLsn, HandoffLsn, IdleLsn, ResumePoint } from '../postgres/lsn.ts';
import type { Relation } from '../postgres/relation.ts';
import type { StreamBatch } from './change.ts';
import type { AssessSource } from './assessment.ts';
import type { CheckReport } from './check.ts';
import type { Upstream } from './logs.ts';
import type { StreamSink } from './sink.ts';
import type { SourceControl, WriteFence } from './source-control.ts';
import type { DdlSource, DigestSource, RowSource, SchemaSource, SnapshotSource } from './source-database.ts';

/**
 * Where changes come from. Required: {@link open}, {@link relations}, {@link stream}. Everything else is a capability, an object that
 * a source has or has not; a verb that needs one that is not there says so (PGS7050).
 *
 * Positions are 64-bit numbers that grow along the stream: LSNs, offsets of a file, offsets of a log. Two transactions never end
 * at the same one. A position is of one stream. A source that reads several logs, each with an offset of its own, hands out one stream
 * of them: its positions count on, and {@link StreamBatch.place} holds the offsets.
 */
export interface Source extends AsyncDisposable {
  /** Connects, and says which source this is and where its stream begins and ends. May be called again at any time. */
  open(signal: AbortSignal): Promise<SourceOpening>;
  relations(signal: AbortSignal): Promise<SourceRelations>;
  stream(start: StreamStart, signal: AbortSignal): Promise<ChangeStream>;
  /** Findings of `pgsluice check`; looks only. `catalog`: what the caller has just read. */
  check?(report: CheckReport, signal: AbortSignal, catalog?: SourceCatalog): Promise<void>;
  /**
   * Several processes run the same file at once and divide its logs among themselves. Positions are then of one process alone; how far
   * each log is read is with the rows in the sink ({@link StreamStart.claim}).
   */
  readonly shared?: true;
  /** A consistent view to copy before the stream is followed. Without it the stream holds everything. */
  readonly snapshot?: SnapshotSource;
  /** Of a database: its objects, for a target whose schema is created. */
  readonly schema?: SchemaSource;
  /** Tables that come, go and change while the stream is followed. */
  readonly ddl?: DdlSource;
  /** Keeps writers away, for a cutover. */
  readonly fence?: WriteFence;
  /** For `assess`. */
  readonly assess?: AssessSource;
  /** For `verify`. */
  readonly digests?: DigestSource;
  /** Single rows, where an UPDATE did not send a value that a transform needs. */
  readonly rows?: RowSource;
  /** What outlives a process on the source, and messages through its stream. */
  readonly control?: SourceControl;
  /** Of a source that reads a journal: the pipeline that writes it. */
  readonly upstream?: Upstream;
}

/** Which source this is; a resume against another one is refused, never guessed (design: slot identity). */
export interface SourceIdentity {
  /** What no other source has. PostgreSQL: IDENTIFY_SYSTEM, systemid, decimal text. */
  readonly systemId: string;
  /** 0 where there are none. */
  readonly timeline: number;
  readonly database: string;
  /** server_version_num, for example 150020; 0: no PostgreSQL. */
  readonly version: number;
}

export interface SourceOpening {
  readonly identity: SourceIdentity;
  /** Where the stream of a pipeline without a position begins; null: where {@link SlotControl.make} says. */
  readonly begin: HandoffLsn | null;
  /** Everything that is there now lies at or below it: what `--stop-at now` means. PostgreSQL: flushed WAL. */
  readonly end: bigint;
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

/** The tables that the file chooses, as they are now. */
export interface SourceRelations {
  /** As in {@link SourceCatalog}, where it is not {@link SourceOpening.end}. */
  readonly at?: bigint;
  /** The tables that the file chooses: leaf partitions and plain tables. Patterns that match nothing are an error. */
  readonly tables: readonly SourceTable[];
  /** Where `tables` is a part of them: all, by which the file's patterns are judged. */
  readonly whole?: readonly SourceTable[];
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
  /** How the source folds letters, read when first asked for; null: ASCII letters only. */
  readonly letters?: () => Promise<Folding | null>;
}

export interface SourceCatalog extends SourceRelations {
  readonly identity: SourceIdentity;
  /** End of the stream just before the catalog was read: a change below it may be older than what the catalog says. */
  readonly at: bigint;
}

/** Both answers at once. */
export async function readCatalog(source: Source, signal: AbortSignal): Promise<SourceCatalog> {
  const { identity, end } = await source.open(signal);
  return { at: end, ...(await source.relations(signal)), identity };
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
  /** {@link StreamBatch.place} of the batch that ended at `from`; absent: no batch with one did. */
  readonly place?: string;
  /** For a shared source: see {@link StreamSink.claim}. */
  readonly claim?: NonNullable<StreamSink['claim']>;
  /**
   * Every reader takes values as bytes: those of all tables may come in binary ({@link StreamBatch.values}), where the source can.
   * A value that has no binary form then throws with `retry: 'text'`.
   */
  readonly binary?: boolean;
}

/**
 * Pull: the next item is a batch as soon as one commit is there, larger when the reader was busy, up to a byte budget.
 * Never reconnects by itself: a lost connection throws a PgsluiceError of class `backoff`, and the runtime starts again from
 * what the sinks hold, so there is one path for a crash and for a broken connection.
 */
export interface ChangeStream extends AsyncIterable<StreamItem>, AsyncDisposable {
  /** Tell the server, from now on, that everything up to here is durable (I1). Only the ack ledger calls it. */
  confirm(upTo: CommitLsn | IdleLsn): void;
  /** Send what was confirmed now and wait until it is on the wire. */
  flushConfirmed(): Promise<void>;
}
