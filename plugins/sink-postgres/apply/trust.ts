/**
 * Which tables have lately failed set-wise (a second unique key whose values move between rows, row-level security that
 * refuses COPY): they go in order for some batches, for more of them each time, so that a batch is not done twice over
 * and over.
 */
export class Trust {
  #batch = 0;
  readonly #tables = new Map<string, { readonly until: number; readonly failures: number }>();

  failed(table: string): void {
    const failures = (this.#tables.get(table)?.failures ?? 0) + 1;
    this.#tables.set(table, { until: this.#batch + 8 * 2 ** Math.min(failures, 7), failures });
  }

  distrusted(table: string): boolean {
    const known = this.#tables.get(table);
    return known !== undefined && this.#batch < known.until;
  }

  batchDone(): void {
    this.#batch++;
  }
}
