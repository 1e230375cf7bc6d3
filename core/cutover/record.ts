import type { Json } from '../api/checkpoint.ts';
import type { PipelineState } from '../state/pipeline-state.ts';

/**
 * What is recorded of a cut-over, for one that was killed. `begun`: nothing is decided; what was done is seen again or done
 * again, a fence may be up. `go`: the target is the one to write to; only slot and publication are left to drop.
 */
export interface CutoverRecord {
  readonly step: 'begun' | 'go' | 'dropped';
  /** What takes the fence down again; null: there is none. */
  readonly fence: Json;
  /** File of the pipeline that leads back. */
  readonly wayBack: string | null;
}

export function readRecord(state: PipelineState): CutoverRecord | null {
  const value = state.get('cutover');
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null;
  const { step, fence, wayBack } = value as { readonly [key: string]: Json };
  if (step !== 'begun' && step !== 'go' && step !== 'dropped') return null;
  return { step, fence: fence ?? null, wayBack: typeof wayBack === 'string' ? wayBack : null };
}

/** Null: there is no cut-over under way. */
export function writeRecord(state: PipelineState, record: CutoverRecord | null): Promise<void> {
  return state.put('cutover', record === null ? null : { ...record, at: Date.now() });
}
