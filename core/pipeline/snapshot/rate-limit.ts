import { pause } from '../../base/backoff.ts';

/** A token bucket of bytes per second, shared by all workers; `null`: no limit. Holds at most one second's worth. */
export class RateLimit {
  readonly #rate: number | null;
  #tokens: number;
  #at: number;

  constructor(bytesPerSecond: number | null, now: number = performance.now()) {
    this.#rate = bytesPerSecond;
    this.#tokens = bytesPerSecond ?? 0;
    this.#at = now;
  }

  get limited(): boolean {
    return this.#rate !== null;
  }

  /** Takes bytes that were read and waits until the average is back under the rate. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const wait = this.charge(bytes, performance.now());
    if (wait > 0) await pause(wait, signal);
  }

  /** Milliseconds to wait after these bytes. The debt is shared, so workers that come later wait longer. */
  charge(bytes: number, now: number): number {
    if (this.#rate === null) return 0;
    this.#tokens = Math.min(this.#rate, this.#tokens + ((now - this.#at) / 1000) * this.#rate) - bytes;
    this.#at = now;
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#rate) * 1000;
  }
}
