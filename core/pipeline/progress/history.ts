/** A moment of the run, for plots. Rates are per second; `at` in milliseconds since 1970. */
export interface Moment {
  readonly at: number;
  readonly lagBytes: number | null;
  readonly lagSeconds: number | null;
  readonly changes: number;
  readonly transactions: number;
  readonly copyBytes: number;
  readonly retainedBytes: number | null;
}

/** In the order of {@link History.rows}. */
export const momentColumns = [
  'at',
  'lagBytes',
  'lagSeconds',
  'changes',
  'transactions',
  'copyBytes',
  'retainedBytes',
] as const satisfies readonly (keyof Moment)[];

const recentMoments = 300;
const olderMoments = 600;

/**
 * The run's past in bounded memory: the last moments as they were noted, and the whole run before them in steps that
 * double whenever there are too many.
 */
export class History {
  #recent: Moment[] = [];
  #older: Moment[] = [];
  /** Every how many moments one is kept for good. */
  #step = 1;
  #left = 0;

  note(moment: Moment): void {
    this.#recent.push(moment);
    if (this.#recent.length <= recentMoments) return;
    const oldest = this.#recent.shift()!;
    this.#left++;
    if (this.#left % this.#step !== 0) return;
    this.#older.push(oldest);
    if (this.#older.length <= olderMoments) return;
    this.#older = this.#older.filter((_, i) => i % 2 === 0);
    this.#step *= 2;
  }

  /** Moments after `since`, oldest first, each as an array in the order of {@link momentColumns}. */
  rows(since = 0): readonly (readonly (number | null)[])[] {
    return [...this.#older, ...this.#recent]
      .filter(({ at }) => at > since)
      .map((moment) => momentColumns.map((column) => moment[column]));
  }
}
