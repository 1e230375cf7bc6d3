/**
 * Joins items that arrive while work is under way into the next piece of work, so that a thousand small tables that are
 * ready together cost a few transactions and not a thousand. A failed piece fails every item in it.
 */
export class Coalescer<T> {
  readonly #work: (items: readonly T[]) => Promise<void>;
  readonly #slots: number;
  readonly #most: number;
  readonly #waiting: { readonly item: T; readonly done: PromiseWithResolvers<void> }[] = [];
  #running = 0;

  /** `slots` pieces of work at a time, of at most `most` items each. */
  constructor(slots: number, most: number, work: (items: readonly T[]) => Promise<void>) {
    this.#slots = slots;
    this.#most = most;
    this.#work = work;
  }

  /** Resolves when the piece of work that held the item is done. */
  add(item: T): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#waiting.push({ item, done });
    if (this.#running < this.#slots) void this.#run();
    return done.promise;
  }

  async #run(): Promise<void> {
    this.#running++;
    while (this.#waiting.length > 0) {
      const taken = this.#waiting.splice(0, this.#most);
      try {
        await this.#work(taken.map(({ item }) => item));
        for (const { done } of taken) done.resolve();
      } catch (error) {
        for (const { done } of taken) done.reject(error);
      }
    }
    this.#running--;
  }
}
