/**
 * Joins writes that arrive while one is under way into one next write, so that a thousand small tables that finish
 * together cost a few durable writes and not a thousand. Order is kept; a caller's promise resolves when its entries
 * are durable. Entries of a failed write may or may not be on disk: they are written again with the next write, unless
 * a newer value replaced them, so what is on disk is known again as soon as a write succeeds.
 */
export class GroupCommit<K, V> {
  readonly #write: (entries: ReadonlyMap<K, V>) => Promise<void>;
  #pending = new Map<K, V>();
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(write: (entries: ReadonlyMap<K, V>) => Promise<void>) {
    this.#write = write;
  }

  put(entries: Iterable<readonly [K, V]>): Promise<void> {
    for (const [key, value] of entries) this.#pending.set(key, value);
    if (this.#running === null) return this.#start();
    // A write that starts between the end of this one and its successor takes all entries along, including these.
    const follow = () => this.#running ?? this.#start();
    this.#next ??= this.#running.then(follow, follow);
    return this.#next;
  }

  /** Resolves when no write is under way. */
  async settled(): Promise<void> {
    while (this.#running !== null) await (this.#next ?? this.#running).catch(() => {});
  }

  #start(): Promise<void> {
    this.#next = null;
    const entries = this.#pending;
    this.#pending = new Map();
    const running = this.#commit(entries);
    this.#running = running;
    return running;
  }

  async #commit(entries: ReadonlyMap<K, V>): Promise<void> {
    try {
      await this.#write(entries);
    } catch (error) {
      for (const [key, value] of entries) if (!this.#pending.has(key)) this.#pending.set(key, value);
      throw error;
    } finally {
      this.#running = null;
    }
  }
}
