import type { Tuple } from '../postgres/tuple.ts';
import type { HandoffLsn, SnapshotLsn } from '../postgres/lsn.ts';
import type { Mapped } from '../postgres/manifest/map.ts';
import type { CopyFormat, SnapshotQuery, TablePlan, ParentPlan } from './plan.ts';
import type { SchemaView } from './schema-reader.ts';
import type { SourceRelations } from './source.ts';
import type { StoredRows } from './source-database.ts';
import type { Oid, Relation } from '../postgres/relation.ts';

/** Pages [from, to) of a table's heap; `to` null: to the end. */
export interface PageRange {
  readonly fromPage: number;
  readonly toPage: number | null;
}

/** Rows whose key is from `from` (null: the start) up to, not including, `to` (null: the end), in the order of the key's index. */
export interface KeyRange {
  readonly columns: readonly string[];
  readonly from: Tuple | null;
  readonly to: Tuple | null;
}

/** Where to cut a table by its key. */
export interface KeyCut {
  /** Keys as text, strictly ascending as the source orders them. */
  readonly bounds: readonly Tuple[];
  /** Bytes of the table. */
  readonly bytes: number;
}

/** How ranges of a key would do. */
export interface KeyFit {
  /** Of the order of the rows with that of the key, 0 to 1. */
  readonly correlation: number;
  /** What is unique on the source beside the key; null: nothing. */
  readonly unique: string | null;
}

/** A part of a table: the whole of it (`range` null), pages of its heap, or a range of its key. */
export interface CopyChunk {
  /** Stable within one snapshot: `schema.table#0`. */
  readonly id: string;
  readonly relation: Relation;
  readonly range: PageRange | KeyRange | null;
  /** Of a range of the key: the position that the sink notes in the transaction of its rows (I4, I5). */
  readonly exactAt?: SnapshotLsn;
  /** Estimated bytes on the source, for scheduling and progress. */
  readonly bytes: number;
}

/** CopyData payloads or frames exactly as the socket gave them; buffer edges mean nothing. Core never looks inside. */
export interface RawCopy {
  readonly kind: 'raw';
  readonly chunk: CopyChunk;
  readonly format: CopyFormat;
  /**
   * Whole CopyData messages with their headers ('d', length, payload), cut at any byte: what one server sent is what
   * the other may be sent (manual: "COPY Operations" – same layout in both directions). Ends only after the source's
   * CommandComplete; throws on anything else, so a broken source can never look like an end (I6).
   * A buffer is yours until you ask for the next one: then its memory is read into again. Keep a copy, not the buffer.
   */
  readonly frames: AsyncIterable<Uint8Array>;
}
export interface RowCopy {
  readonly kind: 'rows';
  readonly chunk: CopyChunk;
  readonly rows: AsyncIterable<readonly Tuple[]>;
  /**
   * The same rows as whole lines of COPY's text format, in UTF-8 as far as the source vouches for it, for whoever needs no
   * strings: instead of `rows`, not beside it. Absent where code has a part in the rows. The memory is the reader's.
   */
  readonly lines?: AsyncIterable<Buffer>;
  /**
   * The snapshot's position, wall clock (microseconds since 1970) and the last transaction that had begun, for sinks that write
   * them beside the rows.
   */
  readonly at?: { readonly lsn: SnapshotLsn; readonly takenAt: bigint; readonly xid?: number };
}

/**
 * One consistent view of the source, held by several connections. Ends (dispose) as soon as the last chunk is read.
 * `exactAt` equals `handoff` on a first run and is later after a restart, as an exported snapshot cannot be reopened (I5).
 */
export interface SnapshotSession extends AsyncDisposable {
  /** Null where no stream follows (`only`). */
  readonly handoff: HandoffLsn | null;
  readonly exactAt: SnapshotLsn;
  /** Of a session of kind `only`: two sessions with the same text read the same rows. */
  readonly sees?: string;
  /** Wall clock of the snapshot, microseconds since 1970-01-01 UTC. */
  readonly takenAt: bigint;
  /** The last transaction that had begun then. */
  readonly xid?: number;
  /** The name of the exported snapshot (`SET TRANSACTION SNAPSHOT`), for tools that read beside us. */
  readonly name: string;
  /** The server in its present life: names of snapshots mean nothing elsewhere. Absent: it is not lent. */
  readonly server?: string;
  /** The source's tables as the snapshot sees them: what is copied under it is planned by them. A source that cannot tell leaves it out. */
  relations?(): Promise<SourceRelations>;
  chunks(relation: Relation, chunkBytes: number): Promise<readonly CopyChunk[]>;
  /**
   * Cuts a table into ranges of about `chunkBytes` of these columns; a string: why that does not pay or cannot be done. A source that
   * reads no ranges of keys leaves it out.
   */
  keyRanges?(relation: Relation, columns: readonly string[], chunkBytes: number): Promise<KeyCut | string>;
  /**
   * The table as the snapshot sees it, in a text that another snapshot has as well only if between the two the table was neither
   * emptied, nor rewritten, nor altered.
   */
  standing?(relation: Relation): Promise<string>;
  /** Where the snapshot's tables had their rows, by oid. A source that cannot tell leaves it out. */
  stored?(oids: readonly Oid[]): Promise<ReadonlyMap<Oid, StoredRows>>;
  openRaw(chunk: CopyChunk, query: SnapshotQuery, format: CopyFormat, signal: AbortSignal): Promise<RawCopy>;
  openRows(chunk: CopyChunk, query: SnapshotQuery, signal: AbortSignal): Promise<RowCopy>;
  /** All large objects whose oid is greater, by oid, some at a time. */
  largeObjects?(after: Oid, signal: AbortSignal): AsyncIterable<readonly LargeObject[]>;
}

/** A large object (manual: "Large Objects") with its data in pieces of bytea text (`\\x…`), read as they are asked for. */
export interface LargeObject {
  readonly oid: Oid;
  readonly owner: string;
  /** Null: the owner's default rights and no others. */
  readonly grants:
    | readonly { readonly grantee: string; readonly privilege: 'SELECT' | 'UPDATE'; readonly grantable: boolean }[]
    | null;
  readonly comment: string | null;
  /** Bytes of the first piece; there are no others where `rest` is null. */
  readonly first: string;
  readonly rest: AsyncIterable<string> | null;
}

/** One object of the source's schema, as pg_dump printed it. */
export interface SchemaObject {
  /** pg_dump's type word: TABLE, TYPE, FK CONSTRAINT, … */
  readonly type: string;
  readonly schema: string | null;
  readonly name: string;
  readonly owner: string | null;
  readonly section: 'pre-data' | 'post-data';
  readonly sql: string;
}

/** The source's schema in order of creation, from the same snapshot where there is one. */
export interface SchemaDump {
  readonly objects: readonly SchemaObject[];
  /** Which program made it, for logs: `pg_dump 17.2` or `pg_dump 18.3 (WebAssembly)`. */
  readonly by: string;
}

/** For a sink that makes the schema, and began to with an earlier snapshot: what the source has is perhaps no longer what was made. */
export interface SchemaAgain {
  /** Tables that no copy is noted of, by their names of then and of now. The others stay as they are: the stream comes to their DDL. */
  readonly waiting: ReadonlySet<string>;
  /** The plans by which the schema was begun. */
  readonly begun: () => Promise<Pick<SinkPreparation, 'plans' | 'parents'>>;
  /** What the target should have now; null: the source cannot tell. */
  readonly wanted: (target: SchemaView) => Promise<Mapped | null>;
}

/** What a sink gets to prepare for. */
export interface SinkPreparation {
  readonly plans: readonly TablePlan[];
  /** Partitioned tables of the source; one that is not here stays where it is. */
  readonly parents?: readonly ParentPlan[];
  /** Absent for the first snapshot. */
  readonly again?: SchemaAgain;
  /** Tables, by their oids on the source, to which changes are applied while they are copied: they keep their keys meanwhile. */
  readonly keyed?: ReadonlySet<Oid>;
  /** Tables, by their names on the source, of which an earlier copy was made or begun: their rows are all written again. */
  readonly recopied?: ReadonlySet<string>;
  /** Tables of the source that the file leaves out; a created schema must not keep them. */
  readonly excluded: readonly { readonly schema: string; readonly name: string }[];
  /** See SourceCatalog. */
  readonly unfilledViews?: readonly { readonly schema: string; readonly name: string }[];
  /** Asked for only by sinks that create a schema. */
  readonly dumpSchema: () => Promise<SchemaDump>;
  readonly sourceVersion: number;
  /** Bytes of the tables on the source, by oid, as far as they are known. */
  readonly sizes?: ReadonlyMap<Oid, number>;
}

/** All large objects of a database, as far as their bytes go. */
export interface LargeObjectDigest {
  readonly count: number;
  /** The same where oids and bytes are. */
  readonly digest: string;
}
