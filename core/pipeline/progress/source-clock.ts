/** Looks kept; beyond, the older half is thinned, so that a lag of days still has an answer. */
const most = 2048;

/**
 * When the source was where: turns a position into an age. A sink that has everything up to a position where the source
 * was ten seconds ago is at most ten seconds behind, whenever the last transaction was.
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

  /** Seconds by which somebody who has everything up to here may be behind; null where no look is old enough. */
  behind(position: bigint, now: number): number | null {
    const look = this.#looks.findLast((one) => one.position <= position);
    return look === undefined ? null : Math.max(0, (now - look.at) / 1000);
  }
}
