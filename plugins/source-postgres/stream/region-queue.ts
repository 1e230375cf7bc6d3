import type { Region } from './framer.ts';

/** Regions received and not yet decoded, first in first out, with their size (I8: the stream stops reading by it). */
export class RegionQueue {
  #regions: (Region | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  /** Offset of the next frame in {@link first}. */
  at = 0;

  get bytes(): number {
    return this.#bytes;
  }
  get first(): Region | undefined {
    return this.#regions[this.#head];
  }

  push(region: Region): void {
    if (this.first === undefined) this.at = region.start;
    this.#regions.push(region);
    this.#bytes += region.end - region.start;
  }

  shift(): void {
    const region = this.#regions[this.#head];
    if (region === undefined) return;
    this.#bytes -= region.end - region.start;
    this.#regions[this.#head++] = undefined;
    this.at = this.first?.start ?? 0;
    // Moved rarely, so that a long queue of small reads costs no quadratic time, and the memory goes with it.
    if (this.#head === this.#regions.length || this.#head >= 1024) {
      this.#regions = this.#regions.slice(this.#head);
      this.#head = 0;
    }
  }

  clear(): void {
    this.#regions = [];
    this.#head = 0;
    this.#bytes = 0;
  }
}
