/**
 * A set of rows to be hashed inside a database. Both sides hash the same text of the same columns in the same order;
 * the source's expressions are the plan's, the target's are its own columns.
 */
export interface DigestQuery {
  /** Table on this side, unquoted. */
  readonly schema: string;
  readonly table: string;
  /** Only the table's own rows, not those of its children (FROM ONLY). */
  readonly only: boolean;
  /** SQL of each compared column. */
  readonly columns: readonly string[];
  /** How many of the last columns the database computes itself: they are compared, never written. Default 0. */
  readonly computed?: number;
  readonly where: string | null;
  /** SQL of the key's columns, in key order; empty: no key. Bounds compare as a row: lower exclusive, upper inclusive. */
  readonly key: readonly string[];
  readonly after: readonly string[] | null;
  readonly upTo: readonly string[] | null;
  /** Only rows whose key (or, without one, whose row) falls into one of these buckets of `count`, a power of two. */
  readonly buckets?: { readonly count: number; readonly only: readonly number[] };
  /**
   * For {@link DigestSession.digest} only: use the hash that both sides report as {@link DigestSession.fast}; default
   * MD5.
   */
  readonly fast?: boolean;
}
/** Order-independent: two sums of 64 bits of each row's hash, and the count; 128 bits that add. */
export interface Digest {
  readonly rows: bigint;
  readonly high: string;
  readonly low: string;
}
/** The start of a value's text, and a hash that distinguishes the whole value from another. */
export interface ShownText {
  readonly start: string;
  readonly characters: number;
  readonly hash: string;
}
/** A connection that reads one consistent snapshot, taken when it was opened. */
export interface DigestSession extends AsyncDisposable {
  /**
   * The result of this server's faster hash for a fixed text; two sides with the same result may use that hash. A
   * reader that has only MD5 leaves it out.
   */
  readonly fast?: string;
  digest(query: DigestQuery, signal: AbortSignal): Promise<Digest>;
  /**
   * Digests by bucket of the key's hash, in one pass over the rows; a bucket without rows is absent. `count`: a power
   * of two.
   */
  buckets(query: DigestQuery, count: number, signal: AbortSignal): Promise<ReadonlyMap<number, Digest>>;
  /** Estimated rows of the table, without reading it. */
  estimate(query: DigestQuery, signal: AbortSignal): Promise<number>;
  /** An index gives ranges of the key without a scan, in an order that every server agrees on. */
  ordered(query: DigestQuery, signal: AbortSignal): Promise<boolean>;
  /** Key bounds that cut the rows of the query into about equal parts of about `rows` rows; of large tables from a sample. */
  bounds(query: DigestQuery, rows: number, signal: AbortSignal): Promise<readonly (readonly string[])[]>;
  /** Key (or the row's text digest if there is no key) to hash of each row; only for small sets. */
  rows(
    query: DigestQuery,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, { readonly hash: string; readonly count: number }>>;
  /** Whole rows by their name in {@link rows}, as text in order of the query's columns. */
  fetch(
    query: DigestQuery,
    keys: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly (readonly (string | null)[])[]>;
  /**
   * Of rows by their name in {@link rows} (one row if several have the name), each of the query's columns as text, at
   * most its first `most` characters. A reader that cannot do this leaves it out.
   */
  values?(
    query: DigestQuery,
    wanted: { readonly names: readonly string[]; readonly most: number },
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, readonly (ShownText | null)[]>>;
  /**
   * The table was truncated, rewritten or dropped since the snapshot was taken: a snapshot does not protect against
   * that, and the rows are no longer visible. To be called after a query that read the table, as that query's lock
   * prevents such commands. A reader that cannot tell leaves it out.
   */
  gone?(query: DigestQuery, signal: AbortSignal): Promise<boolean>;
  /**
   * Identifies the database: another database of the same name has another identity. A reader that cannot tell leaves
   * it out.
   */
  identity?(signal: AbortSignal): Promise<string>;
  /** Name under which other sessions of this reader can open the same snapshot while this session is open. */
  share(): Promise<string>;
}
export interface DigestReader {
  /**
   * `snapshot`: name of an exported snapshot to read in (SnapshotSession.name); without: one of its own, taken now. `longest`:
   * milliseconds after which the server ends a statement.
   */
  open(signal: AbortSignal, snapshot?: string, longest?: number): Promise<DigestSession>;
}
