/** Counts failures among the last changes of one sink. */
export class Threshold {
  readonly #max: number;
  readonly #window: number;
  /** Numbers (of all changes) of the failed ones within the window. */
  #failed: number[] = [];
  #seen = 0;

  constructor(limit: { readonly maxFailures: number; readonly window: number }) {
    this.#max = limit.maxFailures;
    this.#window = limit.window;
  }

  passed(count: number): void {
    this.#seen += count;
  }

  /** Counts a failure; false: more failures than allowed. */
  fail(): boolean {
    this.#seen++;
    this.#failed.push(this.#seen);
    const from = this.#seen - this.#window;
    if ((this.#failed[0] as number) <= from) this.#failed = this.#failed.filter((n) => n > from);
    return this.#failed.length <= this.#max;
  }
}
