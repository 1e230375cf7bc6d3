/**
 * Joins writes that come while one is under way into one next write, so that a thousand small tables that finish
 * together cost a few durable writes and not a thousand. Order is kept; a caller's promise resolves when its entries are
 * durable. After a failure every later write fails with the same error: the state on disk is then unknown.
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
    this.#next ??= this.#running.then(() => this.#start());
    return this.#next;
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    while (this.#running !== null) await (this.#next ?? this.#running);
  }

  #start(): Promise<void> {
    this.#next = null;
    const entries = this.#pending;
    this.#pending = new Map();
    const running = this.#write(entries);
    this.#running = running;
    running.then(
      () => {
        if (this.#running === running) this.#running = null;
      },
      () => {},
    );
    return running;
  }
}
