/** Number of looks kept; beyond it, the older half is thinned out, so that a lag of days still has an answer. */
const most = 2048;

/**
 * The source's positions over time: turns a position into an age. A sink that has everything up to the source's
 * position of ten seconds ago is at most ten seconds behind, whenever the last transaction was.
 */
export class SourceClock {
  #looks: { readonly position: bigint; readonly at: number }[] = [];

  /** The source's end of WAL at a moment (milliseconds). */
  note(position: bigint, at: number): void {
    const last = this.#looks.at(-1);
    if (last !== undefined && position < last.position) return;
    if (last !== undefined && position === last.position) this.#looks.pop();
    this.#looks.push({ position, at });
    if (this.#looks.length > most) this.#looks = this.#looks.filter((_, i) => i >= most / 2 || i % 2 === 0);
  }

  /** Seconds by which a sink at this position may be behind; null if no look is old enough. */
  behind(position: bigint, now: number): number | null {
    const look = this.#looks.findLast((one) => one.position <= position);
    return look === undefined ? null : Math.max(0, (now - look.at) / 1000);
  }
}
