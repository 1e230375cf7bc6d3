import type { DigestReader } from '../postgres/digest-query.ts';
import type { HandoffLsn, SnapshotLsn } from '../postgres/lsn.ts';
import type { Column, Oid, Relation, RelationKind } from '../postgres/relation.ts';
import type { SequenceState } from '../postgres/sequence.ts';
import type { FetchedCell, Tuple } from '../postgres/tuple.ts';
import type { CheckReport, Surroundings } from './check.ts';
import type { SchemaReader } from './schema-reader.ts';
import type { LentSnapshot } from './shared-copy.ts';
import type { SourceCatalog } from './source.ts';
import type { KeyFit, LargeObjectDigest, SchemaDump, SnapshotSession } from './snapshot.ts';

/** What a snapshot of a standby goes with: the stream begins at `handoff`; the snapshot's own position is not below `least`. */
export interface ReplicaStart {
  readonly handoff: HandoffLsn;
  readonly least: bigint;
}

/** Another server with the source's data as it was a moment ago, from which ranges of tables may be read. */
export interface SnapshotReplica {
  /** As in errors. */
  readonly name: string;
  /** A snapshot that is exact at a position of its own. */
  open(start: ReplicaStart, signal: AbortSignal): Promise<SnapshotSession>;
  /** See {@link SnapshotSource.join}. */
  join(lent: LentSnapshot, signal: AbortSignal): Promise<SnapshotSession | null>;
}

export interface SnapshotSource {
  /** Absent, or none: all is read from the source. */
  readonly replicas?: readonly SnapshotReplica[];
  /** A snapshot that another process holds; null: nobody does any more. Throws where it is of another server. */
  join?(lent: LentSnapshot, signal: AbortSignal): Promise<SnapshotSession | null>;
  /**
   * `new`: makes the slot and exports its snapshot; on failure the slot is dropped again. `again`: the slot exists; a temporary slot gives
   * a new snapshot with an exact position (I5). `only`: neither slot nor publication, nothing is left on the source; where
   * `before` saw the same rows, its position is the new session's, too.
   */
  open(from: SnapshotStart, signal: AbortSignal): Promise<SnapshotSession>;
  /** Without a snapshot, what {@link SnapshotSession.keyRanges} would go by; a string: why these columns would not do. */
  keyFit?(relation: Relation, columns: readonly string[], signal: AbortSignal): Promise<KeyFit | string>;
}

/**
 * `readers`: connections that copy, where they are not as many as usual. `only`: a copy without a stream. `before`: what an earlier session
 * told of itself, so that an unchanged source is known again.
 */
export type SnapshotStart =
  | { readonly kind: 'new' }
  | { readonly kind: 'again'; readonly handoff: HandoffLsn; readonly readers?: number }
  | { readonly kind: 'only'; readonly before: { readonly sees: string; readonly exactAt: SnapshotLsn } | null };

export interface SchemaSource extends SchemaReader {
  dump(session: SnapshotSession | null, signal: AbortSignal): Promise<SchemaDump>;
  /** What the schema needs of a server beside itself. `catalog`: what the caller has just read. */
  surroundings(signal: AbortSignal, catalog?: SourceCatalog): Promise<Surroundings>;
  /** Views, policies and the like that could not be without these tables and columns. */
  dependents(going: readonly LeftOut[], signal: AbortSignal): Promise<readonly Dependent[]>;
  sequences(signal: AbortSignal): Promise<readonly SequenceState[]>;
}

/** A table, or columns of it, that a target shall not have as they are. */
export interface LeftOut {
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

export interface DdlSource {
  /** All user tables, to find what the stream does not tell: tables that come and go, move in their trees, or get other columns. */
  tables(signal: AbortSignal): Promise<readonly TablePresence[]>;
  /**
   * From now on DDL of the chosen tables, and of new ones that the file's patterns choose, comes through the stream as
   * messages (core/pipeline/plan/ddl/message.ts). Repeatable. Throws where it cannot.
   */
  follow(signal: AbortSignal): Promise<void>;
  /** Writes the messages of what was done by now, where the source does not write them by itself. */
  look?(signal: AbortSignal): Promise<void>;
  /** Known after {@link follow}: messages are written by {@link look} alone, so that rows of a new shape may come before theirs. */
  readonly late?: boolean;
  /** Whether {@link follow} would work, for a file that says `ddl: follow`. */
  check(report: CheckReport, signal: AbortSignal): Promise<void>;
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
  /** Where it keeps its rows; absent: the source does not tell. */
  readonly stored?: StoredRows;
  /** What it is a partition of, or inherits from, in order. */
  readonly parents: readonly Oid[];
  /** As in `FOR VALUES …`; null where it is no partition. */
  readonly bound: string | null;
  /** `RANGE (at)`; null where it is not partitioned. */
  readonly partitionBy: string | null;
}

/**
 * Whether a command wrote all rows of a table again, such as ALTER COLUMN … TYPE … USING: then the file is another one, and the catalog's
 * rows of the columns that it concerned were written by the transaction that gave the table its file. Of VACUUM FULL, CLUSTER and TRUNCATE
 * only the file is another one.
 */
export interface StoredRows {
  /** pg_class.relfilenode. */
  readonly file: string;
  /** The transactions that last wrote the rows of pg_class of the table, its TOAST table and its indexes, with blanks between. */
  readonly written: string;
  /**
   * By attribute number: the transaction that last wrote the column's row of pg_attribute, a blank, and a text that is the same as before
   * unless a command changed something of the column that leaves its values alone (a default, rights, statistics).
   */
  readonly columns: Readonly<Record<string, string>>;
}

export interface DigestSource extends DigestReader {
  /** Of all large objects; reads them to the last byte. */
  largeObjects?(signal: AbortSignal): Promise<LargeObjectDigest>;
}

export interface RowSource {
  /** The rows as they are now, in the order asked; null where no row has this key any more. */
  fetch(asked: RowsAsked, signal: AbortSignal): Promise<readonly (readonly FetchedCell[] | null)[]>;
  /** Rows in order of their key, for `resync --where`. */
  range?(asked: RangeAsked, signal: AbortSignal): Promise<readonly Tuple[]>;
}

/** Some of a table's rows as they are now, in order of their key. */
export interface RangeAsked {
  readonly relation: Relation;
  /** Positions of the columns that identify a row. */
  readonly key: readonly number[];
  /** SQL over the source's columns; null: all rows. */
  readonly where: string | null;
  /** Values of the key behind which to begin; null: at the first row. */
  readonly beyond: Tuple | null;
  /** At most so many rows, and about so many bytes; at least one row where there is one. */
  readonly rows: number;
  readonly bytes: number;
  /** As in {@link RowsAsked}. */
  readonly after: readonly number[];
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
