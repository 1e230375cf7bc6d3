import type { CommitLsn, RecordLsn } from '../postgres/lsn.ts';
import type { LogStep } from './logs.ts';
import type { Relation } from '../postgres/relation.ts';
import type { SchemaSteps } from './schema-change.ts';
import type { RowPlace, WireRow } from './wire-change.ts';
import type { PartialTuple, Tuple } from '../postgres/tuple.ts';

/** What the server sent of the old row. `key`: only the identity's columns mean something, the others are null. */
export interface OldImage {
  readonly image: 'key' | 'full';
  readonly tuple: Tuple;
}

/** The transaction a change belongs to; one object per transaction, shared by its changes. */
export interface TransactionInfo {
  readonly xid: number;
  /** Start of the commit record; compare with a table's {@link SnapshotLsn} (I5). */
  readonly finalLsn: RecordLsn;
  /** Microseconds since 1970-01-01 UTC. */
  readonly commitTime: bigint;
  /** Name of the replication origin, where the transaction came from another server. */
  readonly origin: string | null;
  /** Where that server committed it; absent: without an origin, or not known. */
  readonly originLsn?: bigint;
  /** End of the commit (or of the message outside of a transaction) that the stream had before; absent: none since it was opened. */
  readonly previousEnd?: bigint;
  /** End of its own commit, as soon as that is read: before the batch that ends with it is given. */
  readonly end?: CommitLsn;
}

interface InTransaction {
  readonly tx: TransactionInfo;
  /** WAL position of the change itself; unique within one row of a multi-insert it is not. */
  readonly lsn: bigint;
}

export interface InsertChange extends InTransaction {
  readonly kind: 'insert';
  readonly relation: Relation;
  readonly after: Tuple;
  /** It was not inserted, but read again: a row as it is at this place of the stream. Only for sinks with `rereads`. */
  readonly read?: true;
  /** The same row as it came, where nothing has changed it since; `after` then costs something. */
  readonly wire?: WireRow & RowPlace;
}
export interface UpdateChange extends InTransaction {
  readonly kind: 'update';
  readonly relation: Relation;
  /** Null when the key did not change and the identity is not full: then the key is in `after`. */
  readonly before: OldImage | null;
  readonly after: PartialTuple;
  /** See {@link InsertChange.wire}. */
  readonly wire?: WireRow & RowPlace;
  /**
   * The row may be absent downstream, as a filter's verdict on the old row is not known: where the key (of `before`, else
   * of `after`) hits nothing, insert `after`. Then `after` holds no UNCHANGED.
   */
  readonly maybe?: true;
}
export interface DeleteChange extends InTransaction {
  readonly kind: 'delete';
  readonly relation: Relation;
  readonly before: OldImage;
  /** The row may be absent downstream: where the key hits nothing, nothing is to be done. */
  readonly maybe?: true;
}
export interface TruncateChange extends InTransaction {
  readonly kind: 'truncate';
  readonly relations: readonly Relation[];
  readonly cascade: boolean;
  readonly restartIdentity: boolean;
}
/** pg_logical_emit_message. Prefix `pgsluice` is the pipeline's own control; others pass to sinks that want them. */
export interface MessageChange extends InTransaction {
  readonly kind: 'message';
  readonly transactional: boolean;
  readonly prefix: string;
  readonly content: Uint8Array;
  /**
   * DDL of the source as it concerns the target, to be carried out in its place, in the transaction of the rows around it.
   * Only for sinks whose traits say `schemaChanges`.
   */
  readonly schema?: SchemaSteps;
}
export type RowChange = InsertChange | UpdateChange | DeleteChange;
export type Change = RowChange | TruncateChange | MessageChange;

/**
 * Changes in commit order. A batch may hold several transactions; it ends at a commit (`boundary` is that commit's end)
 * or inside a transaction that is larger than the budget (`boundary` null: the transaction goes on in the next batch and
 * nothing of it may become visible or be acknowledged).
 */
export interface StreamBatch {
  readonly changes: readonly Change[];
  readonly boundary: CommitLsn | null;
  /** Commit time of the last whole transaction, microseconds since 1970-01-01 UTC; null where `boundary` is. */
  readonly commitTime: bigint | null;
  /** Transactions that end in this batch. */
  readonly transactions: number;
  /**
   * Of a source whose positions alone do not say where to read on (partitions, each with an offset of its own): what it needs to know
   * beside `boundary`. Kept before a sink gets the batch; comes back as {@link StreamStart.place}.
   */
  readonly place?: string;
  /** Of a source that several processes share: how far each of its logs is read with this batch. See {@link LogStep}. */
  readonly logs?: readonly LogStep[];
  /** Size on the wire, for budgets and metrics. */
  readonly bytes: number;
  /**
   * `text`: cells are the server's text. `binary`: they hold the bytes of the types' send functions, one character each; only
   * where that was asked for ({@link StreamStart.binary}).
   */
  readonly values: 'text' | 'binary';
}
