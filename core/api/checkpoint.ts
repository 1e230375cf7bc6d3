/** JSON values that a checkpoint holds. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

export interface CheckpointMap {
  load(): Promise<ReadonlyMap<string, Json>>;
  /** All of it or nothing of it, durable when resolved. A null value removes the key. */
  save(entries: ReadonlyMap<string, Json>): Promise<void>;
}

/**
 * A small durable map, written in groups. Core keeps its typed state in it (phase, per-table progress, positions of
 * sinks that cannot keep their own); a store needs to know nothing of that.
 */
export interface CheckpointStore extends CheckpointMap, AsyncDisposable {
  /** As the options name the place where it keeps things, with the machine's name where that belongs to it; no connection is made. */
  readonly named?: string;
  /** Which place that is, whatever name leads there. */
  place?(): Promise<string | null>;
  /** Refuses (PGS6xxx) when another process holds this pipeline; released by dispose or by the death of the process. */
  lock(signal: AbortSignal): Promise<void>;
  /** Together with other processes of the pipeline, and with nobody who holds the lock. A store that cannot do that leaves it out. */
  share?(signal: AbortSignal): Promise<void>;
  /** Removes everything of this pipeline. */
  remove(): Promise<void>;
  /**
   * A second map of this pipeline, apart from the first, which a process that does not hold the lock may write. Goes with
   * {@link remove}. A store that has none leaves it out.
   */
  beside?(): CheckpointMap;
}
