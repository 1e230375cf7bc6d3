import { pause } from '../../base/backoff.ts';

/** Parts of a second's worth that are reserved at once where other processes read by the same rate. */
const perSecond = 8;

/**
 * A token bucket of bytes per second, shared by all workers of a process; `null`: no limit. Holds at most one second's worth.
 */
export class RateLimit {
  readonly #rate: number | null;
  #reserve: ((bytes: number) => Promise<number>) | null = null;
  #tokens: number;
  #at: number;
  /** Bytes that were read and not reserved yet. */
  #unpaid = 0;

  constructor(bytesPerSecond: number | null, now: number = performance.now()) {
    this.#rate = bytesPerSecond;
    this.#tokens = bytesPerSecond ?? 0;
    this.#at = now;
  }

  get rate(): number | null {
    return this.#rate;
  }

  get limited(): boolean {
    return this.#rate !== null;
  }

  /** Other processes read by the same rate from now on: `reserve` says how many milliseconds to wait for bytes. */
  shareBy(reserve: (bytes: number) => Promise<number>): void {
    this.#reserve = reserve;
  }

  /** Takes bytes that were read and waits until the average is back under the rate. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const reserve = this.#reserve;
    const wait = reserve === null ? this.charge(bytes, performance.now()) : await this.#reserved(bytes, reserve);
    if (wait > 0) await pause(wait, signal);
  }

  /** Milliseconds to wait after these bytes. The debt is shared, so workers that come later wait longer. */
  charge(bytes: number, now: number): number {
    if (this.#rate === null) return 0;
    this.#tokens = Math.min(this.#rate, this.#tokens + ((now - this.#at) / 1000) * this.#rate) - bytes;
    this.#at = now;
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#rate) * 1000;
  }

  async #reserved(bytes: number, reserve: (bytes: number) => Promise<number>): Promise<number> {
    this.#unpaid += bytes;
    if (this.#rate === null || this.#unpaid < this.#rate / perSecond) return 0;
    const due = this.#unpaid;
    this.#unpaid = 0;
    return reserve(due);
  }
}
