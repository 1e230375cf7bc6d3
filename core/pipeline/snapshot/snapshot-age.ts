/** Part of the age that ending the sessions may take: they must be gone in time, not begin to go. */
const margin = 0.1;
const mostMargin = 5000;

/** How long a snapshot may still be read (`snapshot.max_age`). */
export class SnapshotAge {
  /** Aborts when whatever reads it must stop; never, where there is no bound. */
  readonly over: AbortSignal;
  readonly #ends: number;
  #longest = 0;

  /** `since`: performance.now() before it was taken; `most`: milliseconds, null: any age. */
  constructor(since: number, most: number | null) {
    this.#ends = most === null ? Number.POSITIVE_INFINITY : since + most - Math.min(mostMargin, most * margin);
    const left = this.#ends - performance.now();
    // A timer takes no more than 2^31 - 1 milliseconds (25 days).
    this.over = left < 2 ** 31 ? AbortSignal.timeout(Math.max(0, Math.ceil(left))) : new AbortController().signal;
  }

  /** A chunk that is begun now would not be in by then, if it takes as long as the longest so far. */
  get isDue(): boolean {
    return performance.now() + this.#longest >= this.#ends;
  }

  took(milliseconds: number): void {
    this.#longest = Math.max(this.#longest, milliseconds);
  }
}
