import type { StreamBatch } from '../../api/change.ts';
import type { PipelineState } from '../state/pipeline-state.ts';

/**
 * The source's places at the ends of its batches ({@link StreamBatch.place}). A place is durable before a sink gets the
 * batch: at whatever position a sink is after a crash, the source can continue from there. Places that every sink has
 * passed are forgotten.
 */
export class Places {
  readonly #state: PipelineState;

  constructor(state: PipelineState) {
    this.#state = state;
  }

  async note({ boundary, place }: StreamBatch): Promise<void> {
    if (place === undefined || boundary === null) return;
    const kept = (this.#state.get('places') ?? []).filter(({ at }) => at !== boundary && at >= this.#least);
    await this.#state.put('places', [...kept, { at: boundary, place }]);
  }

  at(from: bigint): { readonly place?: string } {
    const found = this.#state.get('places')?.find(({ at }) => at === from);
    return found === undefined ? {} : { place: found.place };
  }

  /** Every sink is durable up to this position, and none will ask for an earlier one. */
  reached(upTo: bigint): void {
    this.#least = upTo;
  }

  #least = 0n;
}
