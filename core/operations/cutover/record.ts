import type { Json } from '../../api/checkpoint.ts';
import type { PipelineState } from '../../pipeline/state/pipeline-state.ts';

/**
 * What is noted of a cut-over before it is decided, for one that was killed. The decision itself is the head's phase: from
 * `cutover` on the target is the one to write to, and only slot and publication are left to drop.
 */
export interface CutoverRecord {
  /** What takes the fence down again; null: there is none. */
  readonly fence: Json;
  /** File of the pipeline that leads back. */
  readonly wayBack: string | null;
}

export function readRecord(state: PipelineState): CutoverRecord | null {
  const value = state.get('cutover');
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null;
  const { fence, wayBack } = value as { readonly [key: string]: Json };
  return { fence: fence ?? null, wayBack: typeof wayBack === 'string' ? wayBack : null };
}

/** Null: there is no cut-over under way. */
export function writeRecord(state: PipelineState, record: CutoverRecord | null): Promise<void> {
  return state.put('cutover', record === null ? null : { ...record, at: Date.now() });
}
