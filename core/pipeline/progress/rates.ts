import type { RunView } from './run-view.ts';

/** What a run does per second, smoothed over some seconds. */
export interface Rates {
  /** Bytes of the copy, as sent. */
  readonly copyBytes: number;
  /** Changes and transactions written by all sinks together. */
  readonly changes: number;
  readonly transactions: number;
  /** Bytes of WAL that the source writes, whoever writes them. */
  readonly walBytes: number;
}

export const noRates: Rates = { copyBytes: 0, changes: 0, transactions: 0, walBytes: 0 };

/** Time constant of the smoothing, in seconds. */
const memory = 3;

interface Totals {
  readonly at: number;
  readonly copy: number;
  readonly changes: number;
  readonly transactions: number;
  readonly source: bigint | null;
}

/** Compares totals between two looks. One meter per run, so that terminal, page, log and metrics show the same. */
export class RateMeter {
  #last: Totals | null = null;
  #rates: Rates = noRates;

  /** `now` in milliseconds. */
  sample(view: RunView, now: number): Rates {
    const next = totals(view, now);
    const last = this.#last;
    const seconds = last === null ? 0 : (now - last.at) / 1000;
    if (last !== null && seconds <= 0) return this.#rates;
    this.#last = next;
    if (last === null) return this.#rates;
    // The WAL position is looked at less often than the meter runs; a look without news says nothing.
    const wal = last.source === null || next.source === null ? 0 : Number(next.source - last.source) / seconds;
    const part = this.#rates === noRates ? 1 : 1 - Math.exp(-seconds / memory);
    const smooth = (before: number, value: number) => before + (Math.max(0, value) - before) * part;
    this.#rates = {
      // A copy that has ended is no slow one.
      copyBytes:
        copied(view) && next.copy === last.copy ? 0 : smooth(this.#rates.copyBytes, (next.copy - last.copy) / seconds),
      changes: smooth(this.#rates.changes, (next.changes - last.changes) / seconds),
      transactions: smooth(this.#rates.transactions, (next.transactions - last.transactions) / seconds),
      walBytes: smooth(this.#rates.walBytes, wal),
    };
    return this.#rates;
  }
}

function copied(view: RunView): boolean {
  return [...view.tables.values()].every(({ phase }) => phase !== 'pending' && phase !== 'copying');
}

function totals(view: RunView, at: number): Totals {
  let copy = 0;
  for (const table of view.tables.values()) copy += table.bytes;
  let changes = 0;
  let transactions = 0;
  for (const sink of view.sinks.values()) {
    changes += sink.changes;
    transactions += sink.transactions;
  }
  return { at, copy, changes, transactions, source: view.sourcePosition };
}

/** Looks that a growth is judged by, in milliseconds: fewer say nothing, older ones no longer count. */
const window = { least: 20_000, most: 120_000 };

/**
 * How fast something grows over the last two minutes: the WAL that the slot keeps falls back in jumps, so a rate between
 * two looks would say nothing.
 */
export class Growth {
  readonly #looks: { readonly at: number; readonly value: number }[] = [];

  note(value: number, at: number): void {
    this.#looks.push({ at, value });
    while (this.#looks.length > 2 && this.#looks[0]!.at < at - window.most) this.#looks.shift();
  }

  /** Per second; null while too little was seen. */
  perSecond(): number | null {
    const first = this.#looks[0];
    const last = this.#looks.at(-1);
    if (first === undefined || last === undefined || last.at - first.at < window.least) return null;
    return ((last.value - first.value) * 1000) / (last.at - first.at);
  }
}
