import type { Change, RowChange, StreamBatch } from './change.ts';
import type { Tuple } from '../postgres/tuple.ts';
import type { Expr } from '../expr/expr.ts';
import type { Relation } from '../postgres/relation.ts';

/** A column that a transform chain puts out; `expr` is over the columns of the source relation. */
export interface OutputColumn {
  readonly name: string;
  readonly expr: Expr;
  /** Name of the source column when the value passes untouched (also under a new name), else null. */
  readonly from: string | null;
}

/** The one value that declarative transforms compile to (design: one algebra). */
export interface Projection {
  readonly target: { readonly schema: string; readonly name: string };
  readonly columns: readonly OutputColumn[];
  /** Rows for which this is not TRUE are not in the output; null keeps all. */
  readonly where: Expr | null;
}

/** What the snapshot reads of one table. The source adds FROM and the chunk's range. */
export interface SnapshotQuery {
  /** SQL of each output column, in order of the output relation's columns. Empty for a table without columns. */
  readonly select: readonly string[];
  /** SQL predicate, or null. */
  readonly where: string | null;
  /** Names of the source columns when the select is exactly these, untouched, and there is no predicate; else null. Allows plain COPY. */
  readonly plain: readonly string[] | null;
}

export type CopyFormat = 'text' | 'binary';

/** How a table's snapshot travels; chosen once by the planner and printed by `plan`. */
export type Route =
  | { readonly kind: 'raw'; readonly format: CopyFormat; readonly because: string }
  | { readonly kind: 'rows'; readonly because: string };

/** The opaque rest of a chain: from the first step that only code understands (`script`). */
export interface OpaqueTail {
  /** What the projection puts out, and the tail reads. */
  readonly input: Relation;
  /** Snapshot rows of the projection's output in, rows of the plan's output out. */
  readonly rows: (rows: readonly Tuple[]) => Promise<readonly Tuple[]>;
  /** Changes of the projection's output in, changes of the plan's output out. Used by the mapper only. */
  readonly changes: (changes: readonly RowChange[]) => Promise<readonly RowChange[]>;
  readonly because: string;
}

/** Everything pgsluice will do with one table for one sink; pure data and pure functions, made without I/O. */
export interface TablePlan {
  readonly source: Relation;
  /**
   * Shape after all transforms, with the target's names, without generated columns (neither COPY nor the stream carries
   * them). Sinks read only this.
   */
  readonly output: Relation;
  /** Generated columns of the source that the transforms keep, with their name in the target; one that is not here is dropped. */
  readonly generated?: readonly { readonly from: string; readonly name: string }[];
  /** The declarative part, pushed down in the snapshot. With an opaque tail it describes the tail's input. */
  readonly projection: Projection;
  readonly query: SnapshotQuery;
  /**
   * What the snapshot reads, and its shape, where the sink takes generated columns there ({@link SinkTraits.readsGenerated}) and
   * there are some; absent: `query` and `output`.
   */
  readonly reading?: { readonly output: Relation; readonly query: SnapshotQuery };
  /**
   * What the stream is mapped by, and its shape, where generated columns belong to the key and the source sends them: they find
   * rows and are not written. Absent: `projection` and `output`.
   */
  readonly streaming?: { readonly output: Relation; readonly projection: Projection };
  readonly route: Route;
  readonly tail: OpaqueTail | null;
  /** A column that is added to the source would be put out, too; false where the file keeps named columns only. */
  readonly takesNewColumns?: boolean;
  /** A value that an UPDATE did not send, and that the plan needs, is fetched from the source; else the stream stops there. */
  readonly refetch?: boolean;
  /** It has no WAL, so no stream: it is copied with the snapshot, and again at the cutover. */
  readonly unlogged?: boolean;
  /** Human-readable steps and remarks for `plan`: where each predicate runs, what cannot be pushed. */
  readonly notes: readonly string[];
}

/** Where a partitioned table goes, which holds no rows of its own. */
export interface ParentPlan {
  readonly source: { readonly schema: string; readonly name: string };
  readonly output: { readonly schema: string; readonly name: string };
  /** Which step renames it, for `plan`; null: it stays where it is. */
  readonly because: string | null;
}

/** Maps changes of source relations to changes of output relations, for one sink. Made from the plans by the planner. */
export interface ChangeMapper {
  /**
   * Returns the input itself where nothing is to be done. Throws a PgsluiceError that names table and LSN; PGS4020 where cells
   * are bytes (`values`, as of the batch; default text) and would have to be read.
   */
  map(changes: readonly Change[], values?: StreamBatch['values']): readonly Change[] | Promise<readonly Change[]>;
  /** Of mappers that fetch values. */
  readonly pace?: MapperPace | null;
}

/** Keeps what is fetched at once within bounds (I8). */
export interface MapperPace {
  /** Up to where changes should be given next, from a position on. */
  upTo(changes: readonly Change[], from: number): number;
  /** Size of what the last call fetched. */
  readonly bytes: number;
}
