/** A moment of the run, for plots. Rates are per second, as measured since the moment before; `at` in milliseconds since 1970. */
export interface Moment {
  readonly at: number;
  readonly lagBytes: number | null;
  readonly lagSeconds: number | null;
  readonly changes: number;
  readonly transactions: number;
  readonly copyBytes: number;
  readonly retainedBytes: number | null;
  /** The most WAL that may be kept (max_slot_wal_keep_size); null: there is no limit. */
  readonly limitBytes: number | null;
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
  'limitBytes',
] as const satisfies readonly (keyof Moment)[];

/** One moment every two seconds for half an hour; before that, one per minute for a day. */
const recentMoments = 900;
const minute = 60_000;
const day = 24 * 60 * minute;

/**
 * The last day of the run in bounded memory: moments older than the recent ones are merged by the minute, rates as
 * means, other values as maxima.
 */
export class History {
  #recent: Moment[] = [];
  #older: Moment[] = [];
  /** Moments of the current minute. */
  #minute: Moment[] = [];

  note(moment: Moment): void {
    this.#recent.push(moment);
    if (this.#recent.length <= recentMoments) return;
    const oldest = this.#recent.shift()!;
    const first = this.#minute[0];
    if (first !== undefined && oldest.at - first.at >= minute) {
      this.#older.push(together(this.#minute));
      this.#minute = [];
    }
    this.#minute.push(oldest);
    while (this.#older[0] !== undefined && this.#older[0].at < moment.at - day) this.#older.shift();
  }

  /** Moments after `since`, oldest first, each as an array in the order of {@link momentColumns}. */
  rows(since = 0): readonly (readonly (number | null)[])[] {
    const now = this.#minute.length === 0 ? [] : [together(this.#minute)];
    return [...this.#older, ...now, ...this.#recent]
      .filter(({ at }) => at > since)
      .map((moment) => momentColumns.map((column) => moment[column]));
  }
}

function together(moments: readonly Moment[]): Moment {
  const last = moments.at(-1)!;
  const mean = (of: (moment: Moment) => number) => moments.reduce((sum, each) => sum + of(each), 0) / moments.length;
  const most = (of: (moment: Moment) => number | null) =>
    moments.reduce<number | null>((high, each) => {
      const value = of(each);
      return value === null || (high !== null && high >= value) ? high : value;
    }, null);
  return {
    at: last.at,
    lagBytes: most(({ lagBytes }) => lagBytes),
    lagSeconds: most(({ lagSeconds }) => lagSeconds),
    changes: mean(({ changes }) => changes),
    transactions: mean(({ transactions }) => transactions),
    copyBytes: mean(({ copyBytes }) => copyBytes),
    retainedBytes: most(({ retainedBytes }) => retainedBytes),
    limitBytes: last.limitBytes,
  };
}
