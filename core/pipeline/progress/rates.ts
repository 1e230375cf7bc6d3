import type { RunView, TableView } from './run-view.ts';

/** Rates of a run, per second. */
export interface Rates {
  /** Bytes of the copy, as sent. */
  readonly copyBytes: number;
  /** Changes and transactions written by all sinks together. */
  readonly changes: number;
  readonly transactions: number;
  /** Bytes of WAL that the source writes, from all sessions. */
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
  /** Bytes of the tables that are copied now. */
  readonly tables: ReadonlyMap<TableView, number>;
}

/**
 * Compares totals between two looks. One meter per run, so that terminal, page, log and metrics show the same figures.
 */
export class RateMeter {
  #last: Totals | null = null;
  #rates: Rates = noRates;
  /** Between the last two looks. */
  measured: Rates = noRates;

  /** Smoothed over some seconds; a rate that has ended is 0 at once. `now` in milliseconds. */
  sample(view: RunView, now: number): Rates {
    const next = totals(view, now);
    const last = this.#last;
    const seconds = last === null ? 0 : (now - last.at) / 1000;
    if (last !== null && seconds <= 0) return this.#rates;
    this.#last = next;
    if (last === null) return this.#rates;
    // The WAL position is read less often than the meter runs; a look without a new position is skipped.
    const wal = last.source === null || next.source === null ? 0 : Number(next.source - last.source) / seconds;
    const part = this.#rates === noRates ? 1 : 1 - Math.exp(-seconds / memory);
    const smooth = (before: number, value: number) => (value === 0 ? 0 : before + (value - before) * part);
    const measured = {
      copyBytes: Math.max(0, (next.copy - last.copy) / seconds),
      changes: Math.max(0, (next.changes - last.changes) / seconds),
      transactions: Math.max(0, (next.transactions - last.transactions) / seconds),
      walBytes: Math.max(0, wal),
    };
    this.measured = measured;
    this.#rates = {
      copyBytes: smooth(this.#rates.copyBytes, measured.copyBytes),
      changes: smooth(this.#rates.changes, measured.changes),
      transactions: smooth(this.#rates.transactions, measured.transactions),
      walBytes: this.#rates.walBytes + (measured.walBytes - this.#rates.walBytes) * part,
    };
    meterTables(view, last.tables, seconds);
    return this.#rates;
  }
}

/** For the tables that are being copied; a waiting or copied table has no rate. */
function meterTables(view: RunView, before: ReadonlyMap<TableView, number>, seconds: number): void {
  for (const table of view.tables.values()) {
    const sent = table.phase === 'copying' ? table.bytes - (before.get(table) ?? 0) : 0;
    table.rate = Math.max(0, sent / seconds);
  }
}

function totals(view: RunView, at: number): Totals {
  let copy = 0;
  const tables = new Map<TableView, number>();
  for (const table of view.tables.values()) {
    copy += table.bytes;
    if (table.phase === 'copying') tables.set(table, table.bytes);
  }
  let changes = 0;
  let transactions = 0;
  for (const sink of view.sinks.values()) {
    changes += sink.changes;
    transactions += sink.transactions;
  }
  return { at, copy, changes, transactions, source: view.sourcePosition, tables };
}

/** Milliseconds of looks by which growth is judged: a shorter period is not enough, older looks no longer count. */
const window = { least: 20_000, most: 120_000 };

/**
 * How fast a value grows over the last two minutes: the WAL that the slot keeps drops in jumps, so a rate between two
 * looks would be meaningless.
 */
export class Growth {
  readonly #looks: { readonly at: number; readonly value: number }[] = [];

  note(value: number, at: number): void {
    this.#looks.push({ at, value });
    while (this.#looks.length > 2 && this.#looks[0]!.at < at - window.most) this.#looks.shift();
  }

  /** Per second; null until the period is long enough. */
  perSecond(): number | null {
    const first = this.#looks[0];
    const last = this.#looks.at(-1);
    if (first === undefined || last === undefined || last.at - first.at < window.least) return null;
    return ((last.value - first.value) * 1000) / (last.at - first.at);
  }
}
